"""What the async and the blocking client have in common: everything that does not wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypedDict

from typing_extensions import TypeVar

from spacetime_proto.client.states import ClientState, SessionState
from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.unknown_names import add_advice

from .net.address import parse_host

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.callback_types import (
        OnApplied,
        OnConnect,
        OnConnectError,
        OnDisconnect,
        OnEnd,
        OnError,
        OnReducer,
        OnTransaction,
    )
    from spacetime_proto.client.pending_call import Call
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.states import ClientState
    from spacetime_proto.client.stats import Stats
    from spacetime_proto.client.table_handles import CallbackHandle
    from spacetime_proto.query.builder import Query
    from spacetime_proto.types import ConnectionId, Identity

    from .driver_base import DriverBase
    from .handles_base import SubscriptionBase
    from .options import ConnectOptions

__all__ = ["ClientBase", "DbT", "SubscribeCallbacks"]

DbT = TypeVar("DbT", default=Any)  # the tables of a client without bindings
T = TypeVar("T")
DriverT = TypeVar("DriverT", bound="DriverBase[Any]")
SubscriptionT = TypeVar("SubscriptionT", bound="SubscriptionBase")


class SubscribeCallbacks(TypedDict, Generic[DbT], total=False):
    """The callbacks of one subscription, as keyword arguments.

    on_applied: OnApplied[DbT] | None = None
        ``on_applied(ctx)``, before the row callbacks of its first rows.
    on_error: OnError[DbT] | None = None
        ``on_error(ctx, error)``, if it is refused or dies later.
    on_end: OnEnd[DbT] | None = None
        ``on_end(ctx)``, after an unsubscribe.
    """

    on_applied: OnApplied[DbT] | None
    on_error: OnError[DbT] | None
    on_end: OnEnd[DbT] | None


_CALL = (
    "{0} are functions of the bindings: call(module_bindings.{0}.NAME(...)); with bindings made at run"
    " time, call(client.module.{0}.NAME(...))"
)
#: What to write in place of names that clients have elsewhere.
_ADVICE = {
    "reducers": _CALL.format("reducers"),
    "procedures": _CALL.format("procedures"),
    "tables": "the rows are in client.db; queries are built from module_bindings.tables",
    **dict.fromkeys(
        ("subscription_builder", "subscriptionBuilder"), "write client.subscribe(queries)"
    ),
    "builder": "write connect(host, database, module, ...)",
    "sql": "write client.query(...), or HttpClient(host).sql(...) for statements that change rows",
    "disconnect": "write client.close()",
    **dict.fromkeys(("is_active", "isActive"), "write client.is_connected"),
    **{
        name: f"callbacks of rows belong to tables: client.db.TABLE.on_{kind}(callback)"
        for kind in ("insert", "delete", "update")
        for name in (f"on_{kind}", f"on{kind.title()}")
    },
    "onConnect": "write client.on_connect(callback)",
    "onDisconnect": "write client.on_disconnect(callback)",
}


class ClientBase(Generic[DriverT, SubscriptionT, DbT]):
    """The methods that never wait; `AsyncClient` and `BlockingClient` add those that do."""

    _driver_type: ClassVar[Callable[..., Any]]
    _subscription_type: ClassVar[Callable[..., Any]]

    def __init__(
        self, host: str, database: str, module: Module[DbT] | None, options: ConnectOptions
    ) -> None:
        self._driver: DriverT = self._driver_type(parse_host(host), database, module, options)

    def close_soon(self) -> None:
        """Begin to close the client; returns at once.

        Allowed in any thread, in callbacks and signal handlers, and at any time: before the client
        is connected it never will be, after its end nothing happens.
        """
        self._driver.close_soon()

    # --- state --------------------------------------------------------------------------------

    @property
    def db(self) -> DbT:
        """The tables of the client cache.

        Raises:
            LocalProtocolError: there are no bindings, and the schema is not fetched yet.
        """
        return self._session().db

    @property
    def module(self) -> Module[DbT]:
        """The bindings in use, generated or made from the fetched schema. Errors as `db`."""
        return self._session().module

    @property
    def lock(self) -> threading.RLock:
        """Held while a message is applied, never while a callback runs. Take it to read the cache in
        another thread than the one that runs the callbacks."""
        return self._driver.lock

    @property
    def identity(self) -> Identity:
        """Who this client is; still there when the connection is over.

        Raises:
            LocalProtocolError: the client was not connected yet.
        """
        session = self._driver.session
        return self._known("identity", None if session is None else session.identity)

    @property
    def connection_id(self) -> ConnectionId:
        """The id of the current or last connection. Errors as `identity`."""
        session = self._driver.session
        return self._known("connection_id", None if session is None else session.connection_id)

    @property
    def token(self) -> str:
        """The token with which to connect again as the same identity. Errors as `identity`."""
        return self._known("token", self._driver.status.own_token)

    def _known(self, name: str, value: T | None) -> T:
        if value is None:
            raise LocalProtocolError(f"this client has no {name} yet: it was never connected")
        return value

    @property
    def protocol(self) -> str | None:
        """The subprotocol in use, such as ``v3.bsatn.spacetimedb``; None without a connection."""
        session = self._driver.session
        return None if session is None else session.protocol

    @property
    def is_connected(self) -> bool:
        """Whether requests can be made now."""
        session = self._driver.session
        is_open = session is not None and session.state is SessionState.OPEN
        return is_open and not self._driver.is_forked

    @property
    def state(self) -> ClientState:
        """Where this client stands: new, connecting, connected, waiting or closed.

        It is text as well: ``client.state == "waiting"``.
        """
        driver = self._driver
        return ClientState.CLOSED if driver.is_forked else driver.status.state

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt to connect; None unless the state is "waiting"."""
        return self._driver.retry_in() if self.state is ClientState.WAITING else None

    @property
    def stats(self) -> Stats:
        """What this client has done so far, in numbers; also from other threads, and after the end.

        The numbers belong together: they are those between two messages. See `docs/observing.md`.
        """
        return self._driver.stats()

    def __repr__(self) -> str:
        driver = self._driver
        state, retry_in = self.state.value, self.retry_in
        when = "" if retry_in is None else f", next attempt in {retry_in:.1f} s"
        return f"<{type(self).__name__} {driver.database!r} at {driver.address.url} {state}{when}>"

    # --- requests -----------------------------------------------------------------------------

    def submit(self, call: Call[Any]) -> None:
        """Queue a call without waiting for its outcome; unlike `call` it is allowed in callbacks.

        Raises:
            LocalProtocolError: the call does not fit the schema.
            Disconnected: there is no connection.
        """
        session = self._ready("call", call)
        driver = self._driver
        with driver.lock:
            session.submit(call)
        driver.flush()

    def subscribe_soon(
        self,
        *queries: Query[Any] | str,
        on_applied: OnApplied[DbT] | None = None,
        on_error: OnError[DbT] | None = None,
        on_end: OnEnd[DbT] | None = None,
    ) -> SubscriptionT:
        """Queue a subscription and return its pending handle without waiting.

        Unlike `subscribe` it may be used in callbacks and, with bindings, before the client is
        connected. The callbacks and the handle's ``wait_applied`` tell whether it succeeds.
        """
        driver = self._driver
        driver.check_process()
        self._catch_up(None)
        if driver.is_over:
            driver.raise_over("subscribe")
        session = self._session()
        with driver.lock:
            subscription = session.subscribe(
                *queries, on_applied=on_applied, on_error=on_error, on_end=on_end
            )
            handle: SubscriptionT = self._subscription_type(subscription, driver)
        driver.flush()
        return handle

    @staticmethod
    def _all_tables() -> Any:
        """Return what stands for all tables among the queries of `subscribe`."""
        from spacetime_proto.client.all_tables import AllTables

        return AllTables()

    def _say_left_out(self, handle: SubscriptionT) -> SubscriptionT:
        """Log what a subscription to all tables leaves out."""
        if handle.left_out:
            import logging

            listed = "; ".join(f"{name}: {reason}" for name, reason in handle.left_out.items())
            logger = logging.getLogger("spacetimedb.client")
            logger.info("the subscription to all tables leaves out %s", listed)
        return handle

    # --- callbacks of the whole client --------------------------------------------------------

    def _on(self, kind: str, callback: Callable[..., object]) -> CallbackHandle:
        self._driver.check_callback(callback)
        return self._driver.callbacks.add(kind, callback)

    def on_connect(self, callback: OnConnect[DbT]) -> CallbackHandle:
        """Call ``callback(ctx, identity, token)`` at each greeting, also after reconnecting."""
        return self._on("connect", callback)

    def on_connect_error(self, callback: OnConnectError[DbT]) -> CallbackHandle:
        """Call ``callback(ctx, error)`` when an attempt to connect fails before the greeting."""
        return self._on("connect_error", callback)

    def on_disconnect(self, callback: OnDisconnect[DbT]) -> CallbackHandle:
        """Call ``callback(ctx, error)`` when a connection is over; None if this side closed it."""
        return self._on("disconnect", callback)

    def on_transaction(self, callback: OnTransaction[DbT]) -> CallbackHandle:
        """Call ``callback(ctx, changes)`` once for each committed transaction that changed rows."""
        return self._on("transaction", callback)

    def on_subscription_applied(self, callback: OnApplied[DbT]) -> CallbackHandle:
        """Call ``callback(ctx)`` whenever a subscription was applied."""
        return self._on("subscription_applied", callback)

    def on_reducer(self, callback: OnReducer[DbT]) -> CallbackHandle:
        """Call ``callback(ctx)`` for the outcome of each call of a reducer.

        ``ctx.event`` is a `ReducerEvent`. The server tells a client the outcomes of its own calls,
        and on protocol v1 those of other clients too.
        """
        return self._on("reducer", callback)

    # --- inside -------------------------------------------------------------------------------

    def _session(self) -> ClientSession[DbT]:
        """Return the session.

        Raises:
            LocalProtocolError: there is none yet.
        """
        session = self._driver.session
        if session is None:
            raise LocalProtocolError(
                "this client has no bindings and has not fetched the schema yet: "
                "use it inside its async with block"
            )
        return session

    def _catch_up(self, end: float | None) -> None:
        """Let a client move that nobody else moves, until `end` on its clock; not in a callback."""

    def _ready(
        self,
        what: str,
        call: Call[Any] | None = None,
        *,
        waits: bool = False,
    ) -> ClientSession[DbT]:
        """Return the session for a request.

        Args:
            what: the request, such as "call", for the text of errors.
            call: the call, for the text of errors; None for other requests.
            waits: whether the caller is about to wait for the answer.

        Raises:
            LocalProtocolError: the client is not connected yet, or it `waits` in a callback, or it
                belongs to the parent process.
            Disconnected: the client is over.
        """
        driver = self._driver
        if driver.is_forked:
            driver.check_process()
        session = driver.status.session
        waits = waits and driver.in_callback
        if (
            session is not None
            and session.state is not SessionState.CLOSED
            and driver.is_entered
            and not waits
        ):
            return session
        name = getattr(call, "name", None)  # not checked yet: it may be anything
        if name is not None:
            what = f"{what} {name!r}"
        if not driver.is_entered:
            raise LocalProtocolError(f"cannot {what}: enter the client with async with first")
        if driver.is_over:
            driver.raise_over(what)
        if waits:
            driver.refuse_in_callback(what)
        return self._session()


add_advice(ClientBase, "a client", _ADVICE)
