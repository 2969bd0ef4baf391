"""What the clients of both colours have in common: everything that does not wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from spacetime_proto.client.states import SessionState
from spacetime_proto.errors import LocalProtocolError

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
    from spacetime_proto.client.calls import Call
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.table_handles import CallbackHandle
    from spacetime_proto.query.builder import Query
    from spacetime_proto.types import ConnectionId, Identity

    from .driver_base import DriverBase
    from .options import ConnectOptions

__all__ = ["ClientBase"]

DbT = TypeVar("DbT")
T = TypeVar("T")
DriverT = TypeVar("DriverT", bound="DriverBase[Any]")
SubscriptionT = TypeVar("SubscriptionT")


class ClientBase(Generic[DbT, DriverT, SubscriptionT]):
    """A client of any colour; `AsyncClient` and `BlockingClient` add what waits."""

    _driver_type: ClassVar[Callable[..., Any]]
    _subscription_type: ClassVar[Callable[..., Any]]

    def __init__(
        self, host: str, database: str, module: Module[DbT] | None, options: ConnectOptions
    ) -> None:
        self._driver: DriverT = self._driver_type(parse_host(host), database, module, options)

    def submit_close(self) -> None:
        """Ask for the end of the connection without waiting for it."""
        self._driver.close()

    # --- what can be looked at ----------------------------------------------------------------

    @property
    def db(self) -> DbT:
        """The tables of the client cache.

        Raises:
            LocalProtocolError: there are no bindings, and the schema was not fetched yet.
        """
        return self._session().db

    @property
    def module(self) -> Module[DbT]:
        """The bindings in use, generated or made from the fetched schema. Errors as `db`."""
        return self._session().module

    @property
    def lock(self) -> threading.RLock:
        """Held while a message is applied: take it to read the cache from another thread than the
        one that moves the client. Never held while a callback runs."""
        return self._driver.lock

    @property
    def identity(self) -> Identity:
        """Who this client is; kept after the end.

        Raises:
            LocalProtocolError: it was not connected yet.
        """
        session = self._driver.session
        return self._known("identity", None if session is None else session.identity)

    @property
    def connection_id(self) -> ConnectionId:
        """The id of this connection; kept after the end. Errors as `identity`."""
        session = self._driver.session
        return self._known("connection_id", None if session is None else session.connection_id)

    @property
    def token(self) -> str:
        """The token to come back with as the same identity. Errors as `identity`."""
        return self._known("token", self._driver.status.own_token)

    def _known(self, name: str, value: T | None) -> T:
        if value is None:
            raise LocalProtocolError(f"this client had no {name} before it was connected")
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
        return session is not None and session.state is SessionState.OPEN

    def __repr__(self) -> str:
        driver = self._driver
        state = "new" if driver.session is None else driver.session.state.value
        return f"<{type(self).__name__} {driver.database!r} at {driver.address.url} {state}>"

    # --- requests -----------------------------------------------------------------------------

    def submit(self, call: Call[Any]) -> None:
        """Queue a call whose outcome nobody waits for; the only form allowed in a callback.

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
        connected. What becomes of it is told by the callbacks and the handle's ``wait_applied``.
        """
        driver = self._driver
        if driver.is_done:
            driver.raise_over("subscribe")
        session = self._session()
        with driver.lock:
            subscription = session.subscribe(
                *queries, on_applied=on_applied, on_error=on_error, on_end=on_end
            )
            handle: SubscriptionT = self._subscription_type(subscription, driver)
        driver.flush()
        return handle

    def _all_tables(self) -> list[str]:
        """Return one query for each public table and view that the bindings know."""
        return [
            f'SELECT * FROM "{table.definition.name}"'
            for table in self._session().module.bound.tables.values()
            if table.definition.is_public and not table.definition.is_system
        ]

    # --- callbacks of the whole client --------------------------------------------------------

    def _on(self, kind: str, callback: Callable[..., object]) -> CallbackHandle:
        self._driver.check_callback(callback)
        return self._driver.callbacks.add(kind, callback)

    def on_connect(self, callback: OnConnect[DbT]) -> CallbackHandle:
        """Call ``callback(ctx, identity, token)`` at each greeting, also after reconnecting."""
        return self._on("connect", callback)

    def on_connect_error(self, callback: OnConnectError[DbT]) -> CallbackHandle:
        """Call ``callback(ctx, error)`` when an attempt ends before the server greeted."""
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
        """Call ``callback(ctx)`` for every reducer outcome that the protocol tells of.

        ``ctx.event`` is a `ReducerEvent`: of this client's calls, and on v1 of others' calls too.
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

    def _ready(
        self, what: str, call: Call[Any] | None = None, *, waits: bool = False
    ) -> ClientSession[DbT]:
        """Return the session for a request.

        Args:
            what: the request, for errors.
            call: what is called, if it is a call; for errors.
            waits: whether the caller then waits for the answer.

        Raises:
            LocalProtocolError: the client is not connected yet, or it `waits` in a callback.
            Disconnected: the client is over.
        """
        driver = self._driver
        session = driver.status.session
        if session is None or not driver.is_entered or driver.is_done:
            self._refuse(_described(what, call))
            return self._session()
        if waits and driver.in_callback:
            driver.refuse_in_callback(_described(what, call))
        return session

    def _refuse(self, what: str) -> None:
        """Raise the error for a request that cannot be made now, unless it is about bindings."""
        if not self._driver.is_entered:
            raise LocalProtocolError(f"cannot {what}: enter the client with async with first")
        if self._driver.is_done:
            self._driver.raise_over(what)


def _described(what: str, call: Call[Any] | None) -> str:
    name = getattr(call, "name", None)
    return what if name is None else f"{what} {name!r}"
