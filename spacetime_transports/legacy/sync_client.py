"""`SpacetimeDBClient` of the 0.7 API: registration, and a client without an event loop.

Only protocol v1 tells who else called which reducer, so the clients of this API ask for v1 first,
and for v3 and v2 where the server does not speak it. There reducer callbacks run for the client's
own calls.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from spacetime_proto.bindings.legacy_registry import old_arguments
from spacetime_proto.client.all_tables import AllTables
from spacetime_proto.client.callback_arity import check_callback
from spacetime_proto.client.pending_call import Call
from spacetime_proto.client.stats import Stats
from spacetime_proto.errors import (
    Disconnected,
    HandshakeError,
    LocalProtocolError,
    SpacetimeError,
)
from spacetime_proto.protocols import V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN
from spacetime_proto.types import ConnectionId, Identity

from ..net.address import Address as ServerAddress
from ..net.address import parse_host
from ..options import resolve
from .legacy_events import LegacyCallbacks, TransactionUpdateMessage, outcome_event
from .old_names import find_reducer, find_table, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.bindings.legacy_registry import Then
    from spacetime_proto.cache.views import TableView
    from spacetime_proto.client.pending_call import PendingCall
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.subscriptions import Subscription

    from ..blocking.driver import BlockingDriver
    from ..driver_base import DriverBase
    from .loop import Loop

__all__ = ["PROTOCOLS", "Address", "SpacetimeDBClient", "SpacetimeDBException"]

_ALL_TABLES = re.compile(r"\s*SELECT\s*\*\s*FROM\s*\*\s*;?\s*", re.IGNORECASE)

DriverT = TypeVar("DriverT", bound="DriverBase[Any]")

#: The name that 0.7 had for a connection id.
Address = ConnectionId

#: The protocols of the first attempt, and of the second, which follows if the server speaks none of
#: those. They are not offered together, because a server then prefers v3.
PROTOCOLS = (frozenset({V1_BSATN, V1_JSON}), frozenset({V3_BSATN, V2_BSATN}))


class SpacetimeDBException(SpacetimeError):
    """What the clients of the 0.7 API raise; its cause is the typed error."""


class Registrations:
    """The callbacks that both clients of the 0.7 API take.

    The lists are changed in place, never replaced: `LegacyCallbacks` and both clients share them.
    """

    _on_subscription_applied: list[Callable[[], object]]
    _on_event: list[Callable[[TransactionUpdateMessage], object]]

    def register_on_subscription_applied(self, callback: Callable[[], object]) -> None:
        """Call ``callback()`` whenever the rows of a subscription have come."""
        check_callback("on_subscription_applied", callback, ())
        self._on_subscription_applied.append(callback)

    def unregister_on_subscription_applied(self, callback: Callable[[], object]) -> None:
        """Take it back; raises ValueError if it is not there."""
        self._on_subscription_applied.remove(callback)

    def register_on_event(self, callback: Callable[[TransactionUpdateMessage], object]) -> None:
        """Call ``callback(message)`` for every transaction."""
        check_callback("on_event", callback, ("message",))
        self._on_event.append(callback)

    def unregister_on_event(self, callback: Callable[[TransactionUpdateMessage], object]) -> None:
        """Take it back; raises ValueError if it is not there."""
        self._on_event.remove(callback)


class SpacetimeDBClient(Registrations):
    """A client of the 0.7 API that handles messages when `update` is called.

    `init` makes one and connects it; the class attribute `instance` is the one made last. A
    `SpacetimeDBAsyncClient` has one too, for its registrations; there the event loop takes the place
    of `update`.

    Attributes:
        identity: who this client is; None before the first connection.
        address: the connection id; None before the first connection.
    """

    instance: ClassVar[SpacetimeDBClient | None] = None
    wait_for_server: float | None = None
    """Seconds to go on trying to connect while the server is not there yet; None: the first failure
    counts. Set it before connecting, on the class for `init`."""

    def __init__(self, autogen_package: Any) -> None:
        SpacetimeDBClient.instance = self
        self.module: Module[Any] = _module_of(autogen_package)
        self.identity: Identity | None = None
        self.address: Address | None = None
        self._registry = self.module.legacy
        self._registry.attach(self)
        self._on_subscription_applied = []
        self._on_event = []
        self._driver: DriverBase[Any] | None = None
        self._loop: Loop | None = None
        self._subscription: Subscription | None = None
        self._unconnected = self.module.create_db(None)
        self._on_disconnect: Callable[..., object] | None = None
        self._on_identity: Callable[..., object] | None = None
        self._on_error: Callable[..., object] | None = None
        self._greeting: tuple[str, Identity, Address | None] | None = None
        self._end_told = True

    # --- registering --------------------------------------------------------------------------

    def _register_row_update(self, table_name: str, callback: Callable[..., object]) -> None:
        self._registry.register(object, self._table_name(table_name), callback)

    def _unregister_row_update(self, table_name: str, callback: Callable[..., object]) -> None:
        self._registry.unregister(object, self._table_name(table_name), callback)

    def _register_reducer(self, reducer_name: str, callback: Callable[..., object]) -> None:
        self._registry.register_reducer(*self._reducer(reducer_name), callback)

    def _unregister_reducer(self, reducer_name: str, callback: Callable[..., object]) -> None:
        self._registry.unregister_reducer(*self._reducer(reducer_name), callback)

    def _reducer(self, name: str) -> tuple[str, int]:
        canonical = find_reducer(self.module.bound, name)
        return canonical, len(self.module.bound.reducers[canonical].param_names)

    def _table_name(self, name: str) -> str:
        return self._find_table(name) or name

    def _find_table(self, name: str) -> str | None:
        return find_table(self.module.bound, name)

    # --- requests -----------------------------------------------------------------------------

    def subscribe(self, queries: Sequence[str]) -> None:
        """Subscribe to `queries` instead of all earlier ones, as one difference.

        ``SELECT * FROM *`` means every table and view that clients can subscribe to.

        Raises:
            LocalProtocolError: there is no connection, or a name could mean several tables.
        """
        driver, session = self._need_driver("subscribe")
        translated = [
            AllTables() if _ALL_TABLES.fullmatch(query) else translate(query, self._find_table)
            for query in queries
        ]
        with driver.lock:
            self._subscription = session.subscribe(
                *translated,
                on_error=self._subscription_failed,
                legacy=True,
                replaces=self._subscription,
            )
        driver.flush()

    def _subscription_failed(self, ctx: object, error: SpacetimeError) -> None:
        # 0.7 reported a refused query only by ending the connection; raising here does that.
        if not isinstance(error, Disconnected):
            raise error

    def _reducer_call(self, reducer: str, *args: Any, then: Then | None = None) -> None:
        self.legacy_call(Call("reducer", find_reducer(self.module.bound, reducer), args), then)

    def legacy_call(self, call: Call[Any], then: Then | None = None) -> None:
        """Send a reducer call without waiting for its outcome (used by generated code).

        Args:
            call: structs among its arguments may be dicts by field name, or lists.
            then: ``then(reducer_event)`` is called with the outcome, also when the connection is lost
                before one is known: that counts as failed. In another thread than the event loop's,
                a call that finds the connection over by then is dropped.

        Raises:
            LocalProtocolError: there is no connection, or the arguments do not fit.
        """
        what = f"call {call.name!r}"
        (driver, session), loop = self._need_driver(what), self._loop
        call = old_arguments(self.module, call)

        def answered(pending: PendingCall[Any]) -> object:
            assert then is not None
            return self.run_callback(then, outcome_event(pending, self.identity, self.address))

        on_done = None if then is None else answered
        if loop is None or loop.is_here:
            with driver.lock:
                session.call(call, on_done=on_done)
            driver.flush()
            return
        # Arguments that do not fit are refused here, in the caller's thread, not in the event loop.
        self.module.bound.reducers[call.name].encode_args(call.args)

        def send() -> None:
            with contextlib.suppress(SpacetimeError):  # the connection may have ended meanwhile
                session.call(call, on_done=on_done)
                driver.flush()

        loop.call_soon(send)

    @property
    def stats(self) -> Stats:
        """What the client has done so far on its connection, in numbers."""
        return Stats() if self._driver is None else self._driver.stats()

    def legacy_table(self, name: str) -> TableView[Any]:
        """Return the view of a table in the cache (used by generated code)."""
        session = None if self._driver is None else self._driver.session
        table: TableView[Any] = (self._unconnected if session is None else session.db)[name]
        return table

    def _get_table_cache(self, table_name: str) -> TableView[Any]:
        """Return the view of a table; raises KeyError for an unknown one."""
        return self.legacy_table(self._table_name(table_name))

    def _need_driver(self, what: str) -> tuple[DriverBase[Any], ClientSession[Any]]:
        driver = self._driver
        if driver is None or driver.is_done:
            raise LocalProtocolError(f"cannot {what}: this client is not connected")
        driver.check_process()
        assert driver.session is not None  # there are bindings from the start
        return driver, driver.session

    # --- for both ways to run it --------------------------------------------------------------

    def run_callback(self, callback: Callable[..., object], *args: Any) -> Any:
        """Run a user's function so that functions of the bindings mean this client."""
        with self._registry.running(self):
            result = callback(*args)
        if result is not None and hasattr(result, "__await__"):
            return self._run_awaitable(result)
        return result

    async def _run_awaitable(self, awaitable: Any) -> Any:
        with self._registry.running(self):
            return await awaitable

    def attempts(
        self,
        driver_type: Callable[..., DriverT],
        address: ServerAddress,
        database: str,
        token: str | None,
        *,
        queries: Sequence[str] = (),
        on_connect: Callable[..., object] | None = None,
        loop: Loop | None = None,
        wait_for_server: float | None = None,
    ) -> Iterator[DriverT]:
        """Yield a driver for each attempt, best protocols first; requests go to the last one.

        Once connected, it first of all subscribes to `queries`.
        """

        def connected(ctx: Any, identity: Identity, token: str) -> Any:
            self.identity = identity
            self.address = ctx.connection_id
            driver, _ = self._need_driver("connect")
            if queries and self._subscription is None:
                self.subscribe(queries)
            if on_connect is not None:
                return self.run_callback(on_connect, driver.status.token or token, identity)
            return None

        for protocols in PROTOCOLS:
            options = resolve(
                token=token or None,
                protocols=protocols,
                wait_for_server=wait_for_server or self.wait_for_server,
            )
            callbacks = LegacyCallbacks(
                self._registry, self.run_callback, self._on_subscription_applied, self._on_event
            )
            callbacks.add("connect", connected)
            driver = driver_type(address, database, self.module, options, callbacks=callbacks)
            self._driver = driver
            self._loop = loop
            self._subscription = None
            assert driver.session is not None
            for handle in driver.session.db:
                # The pump skips tables without listeners. Callbacks on table classes are unknown to
                # it: `LegacyCallbacks` looks them up for each message.
                handle.on_insert(_listen)
            yield driver

    # --- without an event loop ----------------------------------------------------------------

    @classmethod
    def init(
        cls,
        auth_token: str | None,
        host: str,
        address_or_name: str,
        ssl_enabled: bool,
        autogen_package: Any,
        on_connect: Callable[[], object] | None = None,
        on_disconnect: Callable[[str], object] | None = None,
        on_identity: Callable[[str, Identity, Address], object] | None = None,
        on_error: Callable[[str], object] | None = None,
    ) -> None:
        """Make the client that `instance` then is, and connect it; see `connect`."""
        callbacks = on_connect, on_disconnect, on_identity, on_error
        cls(autogen_package).connect(auth_token, host, address_or_name, ssl_enabled, *callbacks)

    def connect(
        self,
        auth_token: str | None,
        host: str,
        address_or_name: str,
        ssl_enabled: bool,
        on_connect: Callable[[], object] | None = None,
        on_disconnect: Callable[[str], object] | None = None,
        on_identity: Callable[[str, Identity, Address], object] | None = None,
        on_error: Callable[[str], object] | None = None,
    ) -> None:
        """Connect; returns when the server has greeted.

        Args:
            auth_token: token, or None for a new identity.
            host: ``host:port`` or a URL.
            address_or_name: the database.
            ssl_enabled: whether to use TLS.
            on_connect: ``on_connect()``, before this returns.
            on_disconnect: ``on_disconnect(message)``, inside `update` or `close`.
            on_identity: ``on_identity(auth_token, identity, address)``, inside the first `update`.
            on_error: ``on_error(message)``: no connection, or it was lost. Without it, the former
                is raised.

        Raises:
            SpacetimeDBException: no connection, and there is no `on_error`.
            TypeError: a callback does not take its arguments.
        """
        from ..blocking.driver import BlockingDriver

        for name, callback, *takes in (
            ("on_connect", on_connect),
            ("on_disconnect", on_disconnect, "message"),
            ("on_identity", on_identity, "auth_token", "identity", "address"),
            ("on_error", on_error, "message"),
        ):
            if callback is not None:
                check_callback(name, callback, tuple(takes))
        self._on_disconnect = on_disconnect
        self._on_identity = on_identity
        self._on_error = on_error
        address = server_address(host, ssl_enabled)
        error: BaseException | None = None
        for driver in self.attempts(BlockingDriver[Any], address, address_or_name, auth_token):
            try:
                driver.connect()
            except SpacetimeError as refused:
                error = refused
                if not offers_no_protocol(refused):
                    break
            else:
                assert self.identity is not None
                self._greeting = (driver.status.own_token or "", self.identity, self.address)
                self._end_told = False
                if on_connect is not None:
                    self.run_callback(on_connect)
                return
        assert error is not None
        if on_error is None:
            raise SpacetimeDBException(str(error)) from error
        self.run_callback(on_error, str(error))

    def update(self) -> None:
        """Handle what has arrived and run its callbacks, in this thread.

        Raises:
            Exception: whatever a callback raised; the connection is over then.
            LocalProtocolError: `connect` was not called, or an event loop moves this client.
        """
        driver = self._need_blocking()
        greeting, self._greeting = self._greeting, None
        if greeting is not None and self._on_identity is not None:
            self.run_callback(self._on_identity, *greeting)
        driver.pump_until(lambda: False, None, may_wait=False)
        if driver.is_done:
            self._tell_end(driver)

    def close(self) -> None:
        """Close the connection; ``on_disconnect`` runs before this returns."""
        driver = self._need_blocking()
        if driver.is_forked:
            return
        if not driver.is_done:
            driver.shut()
        if not driver.in_callback:
            self._tell_end(driver)

    def _need_blocking(self) -> BlockingDriver[Any]:
        from ..blocking.driver import BlockingDriver

        driver = self._driver
        if not isinstance(driver, BlockingDriver):
            why = "call connect first" if driver is None else "its event loop moves it"
            raise LocalProtocolError(f"cannot update this client: {why}")
        return driver

    def _tell_end(self, driver: BlockingDriver[Any]) -> None:
        """Run the callbacks that report the end of the connection, once."""
        error = driver.take_error()
        was_told, self._end_told = self._end_told, True
        if error is not None and not isinstance(error, SpacetimeError):
            raise error
        if was_told:
            return
        message = "" if error is None else str(error)
        if error is not None and self._on_error is not None:
            self.run_callback(self._on_error, message)
        if self._on_disconnect is not None:
            self.run_callback(self._on_disconnect, message)


def _listen(ctx: object, row: object) -> None:
    """Stand in for the callbacks of a table class; never called."""


def _module_of(autogen_package: Any) -> Module[Any]:
    from spacetime_proto.bindings.client_module import Module

    found = getattr(autogen_package, "MODULE", autogen_package)
    if not isinstance(found, Module):
        name = getattr(autogen_package, "__name__", repr(autogen_package))
        raise LocalProtocolError(
            f"{name} holds no bindings of this client: generate them again with"
            " spacetime-py generate"
        )
    return found


def server_address(host: str, ssl_enabled: bool) -> ServerAddress:
    """Return the address for ``host:port`` or a URL; with TLS if `ssl_enabled` or the URL says so.

    Raises:
        LocalProtocolError: it is neither.
    """
    if ssl_enabled:
        host = re.sub(r"^(?:(?:http|ws)://)?(?!\w+://)", "https://", host, count=1)
    return parse_host(host)


def offers_no_protocol(error: BaseException) -> bool:
    """Whether the server speaks none of the protocols that were offered."""
    return (
        isinstance(error, HandshakeError)
        and error.status == 400
        and "no valid protocol" in error.body
    )
