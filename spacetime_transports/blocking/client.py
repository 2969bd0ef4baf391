"""The client for programs without an event loop: scripts, threads, game loops.

The same names as the async client, without await. There is no thread unless you ask for one: the
client moves while you wait for something (`call`, `subscribe`, `query`, `run`), when you say so
(`frame_tick`, `advance_one_message`), or in the thread of `run_threaded`. A client that nobody moves
cannot answer the server's pings, and after 30 seconds the server forgets it.

Several threads may use one client. Callbacks run in whichever thread moves the client, one at a
time. Callbacks are plain functions; an ``async def`` is refused where it is registered.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from spacetime_proto.client.states import SessionState
from spacetime_proto.errors import CallTimeout, LocalProtocolError, SpacetimeError

from ..driving import LAST_WORDS, all_table_queries, check_database
from ..net.address import parse_host
from ..options import ConnectOptions, Options, resolve
from .driver import BlockingDriver, check_callback
from .handles import BlockingChangeStream, BlockingSubscription, end_of, refuse_in_callback

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from typing_extensions import Unpack

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.calls import Call, PendingCall
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.table_handles import CallbackHandle
    from spacetime_proto.query.builder import Query
    from spacetime_proto.types import ConnectionId, Identity

__all__ = ["BlockingChangeStream", "BlockingClient", "BlockingSubscription", "connect"]

DbT = TypeVar("DbT")
R = TypeVar("R")
T = TypeVar("T")


@overload
def connect(
    host: str, database: str, module: Module[DbT], **options: Unpack[Options]
) -> BlockingClient[DbT]: ...
@overload
def connect(
    host: str, database: str, module: None = None, **options: Unpack[Options]
) -> BlockingClient[Any]: ...
def connect(
    host: str, database: str, module: Module[Any] | None = None, **options: Unpack[Options]
) -> BlockingClient[Any]:
    """Connect to `database` on the server at `host`; returns once the server has greeted.

    Use it as a context manager, or call `BlockingClient.close` at the end.

    Args:
        host: ``http://host:port``, ``https://…`` or ``host:port``, with a path prefix if need be.
        database: name or 64-digit identity.
        module: generated bindings (``module_bindings.MODULE``); without them the schema is fetched
            from the server first.
        options: see `Options`.

    Raises:
        ConnectError: nothing to connect to, or the server refused: AuthError, DatabaseNotFound,
            HandshakeError.
        LocalProtocolError: an argument or option makes no sense.
    """
    client: BlockingClient[Any] = BlockingClient(host, database, module, resolve(**options))
    client._driver.connect()
    return client


class BlockingClient(Generic[DbT]):
    """A client on plain sockets; made by `connect`."""

    def __init__(
        self, host: str, database: str, module: Module[DbT] | None, options: ConnectOptions
    ) -> None:
        self._address = parse_host(host)
        self._database = check_database(database)
        self._driver: BlockingDriver[DbT] = BlockingDriver(
            self._address, self._database, module, options
        )
        self._driver.change_stream = lambda table, most: BlockingChangeStream(
            table, most, self._driver
        )
        self._thread: threading.Thread | None = None

    # --- entering and leaving -----------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, and raise what ended the connection if nobody has been told.

        Raises:
            SchemaMismatch: instead of an error that comes of bindings that no longer fit.
        """
        self.close()
        failure = self._driver.failure.untold() if error is None else None
        cause = failure if error is None else error
        mismatch = self._driver.explain(cause)
        if mismatch is not None:
            raise mismatch from cause
        if failure is not None:
            raise failure

    def close(self) -> None:
        """End the connection: what was queued is sent, then the close handshake. Idempotent.

        Inside a callback it only asks for the end, which comes when the callback has returned.
        """
        driver = self._driver
        if driver.is_done and self._thread is None:
            return
        driver.close()
        if driver.in_callback:
            return
        try:
            # The session's own deadline ends the handshake; the margin is for a callback that does
            # not return in another thread.
            driver.pump_until(
                lambda: driver.is_done,
                time.monotonic() + driver.options.client.close_timeout + LAST_WORDS,
            )
        finally:
            if not driver.is_done:
                driver.abort()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(driver.options.client.close_timeout)

    def submit_close(self) -> None:
        """Ask for the end of the connection without waiting for it; safe in a signal handler."""
        self._driver.close()

    # --- moving -------------------------------------------------------------------------------

    def frame_tick(self, budget: float | None = None) -> bool:
        """Apply what has arrived, run its callbacks, and return without waiting.

        Args:
            budget: seconds after which to stop between two messages; the rest waits for the next
                tick. None handles everything that is there.

        Returns:
            Whether any message was handled.

        Raises:
            Disconnected: the connection is over (or whatever else ended it).
            LocalProtocolError: this is a callback.
        """
        end = end_of(budget)
        return self._move(
            "tick", lambda: end is not None and time.monotonic() >= end, None, may_wait=False
        )

    def advance_one_message(self, timeout: float | None = 0.0) -> bool:
        """Handle one message.

        Args:
            timeout: seconds to wait for it: 0 does not wait, None waits for ever.

        Returns:
            Whether one was handled.

        Raises:
            Disconnected: the connection is over (or whatever else ended it).
            LocalProtocolError: this is a callback.
        """
        driver = self._driver
        before = driver.messages
        return self._move(
            "advance",
            lambda: driver.messages != before,
            end_of(timeout),
            may_wait=timeout is None or timeout > 0,
        )

    def _move(
        self, what: str, is_met: Callable[[], bool], end: float | None, *, may_wait: bool
    ) -> bool:
        """Run the pump for `frame_tick` and its like; say whether any message was handled."""
        driver = self._driver
        refuse_in_callback(driver, what)
        self._need_live(what)
        before = driver.messages
        driver.pump_until(is_met, end, may_wait=may_wait)
        failure = driver.failure.untold() if driver.is_done else None
        if failure is not None:
            raise failure
        return driver.messages != before

    def run(self) -> None:
        """Move the client until it is closed, by `close` from a callback or another thread.

        Raises:
            Disconnected: the connection was lost (or whatever else ended it), unless somebody who
                waited has been told already.
            LocalProtocolError: this is a callback.
        """
        refuse_in_callback(self._driver, "run")
        self._driver.pump_until(lambda: False, None)
        failure = self._driver.failure.untold()
        if failure is not None:
            raise failure

    def run_threaded(self) -> threading.Thread:
        """Move the client in a thread of its own until it is closed; returns the thread.

        What ends the connection is given to whoever waits for something, or raised when the
        ``with`` block is left.

        Raises:
            LocalProtocolError: there is such a thread already.
        """
        if self._thread is not None and self._thread.is_alive():
            raise LocalProtocolError("run_threaded was called before")
        self._thread = threading.Thread(
            target=self._driver.pump_until,
            args=(lambda: False, None),
            name=f"spacetime-{self._database}",
            daemon=True,
        )
        self._thread.start()
        return self._thread

    # --- what can be looked at ----------------------------------------------------------------

    @property
    def db(self) -> DbT:
        """The tables of the client cache."""
        return self._driver.session.db

    @property
    def module(self) -> Module[DbT]:
        """The bindings in use, generated or made from the fetched schema."""
        return self._driver.session.module

    @property
    def lock(self) -> threading.RLock:
        """Held while a message is applied: take it to read the cache while another thread moves
        the client. Never held while a callback runs."""
        return self._driver.lock

    @property
    def identity(self) -> Identity | None:
        """Who this client is."""
        return self._driver.session.identity

    @property
    def connection_id(self) -> ConnectionId | None:
        """The id of this connection."""
        return self._driver.session.connection_id

    @property
    def token(self) -> str | None:
        """The token to come back with as the same identity."""
        return self._driver.token or self._driver.session.token

    @property
    def protocol(self) -> str | None:
        """The subprotocol in use, such as ``v3.bsatn.spacetimedb``."""
        return self._driver.session.protocol

    @property
    def is_connected(self) -> bool:
        """Whether requests can be made now."""
        return self._driver.session.state is SessionState.OPEN

    def __repr__(self) -> str:
        state = self._driver.session.state.value
        return f"<BlockingClient {self._database!r} at {self._address.url} {state}>"

    # --- requests -----------------------------------------------------------------------------

    def call(self, call: Call[R], *, timeout: float | None = None) -> R:
        """Call a reducer or procedure and return its value, once its changes are in the cache.

        Args:
            call: what ``module_bindings.reducers.f(...)`` or ``procedures.f(...)`` returned.
            timeout: seconds to wait for the outcome; None waits for ever.

        Raises:
            ReducerError: the module said no.
            InternalError: it panicked, or the host could not run it.
            CallTimeout: no outcome in time; the call is not taken back.
            Disconnected: the connection ended first; `outcome_unknown` says whether it was sent.
            LocalProtocolError: the call does not fit the schema, or this is a callback (use
                `submit` there).
        """

        def request(session: ClientSession[DbT], done: Callable[[Any], object]) -> PendingCall[R]:
            return session.call(call, on_done=done)

        return self._settled(f"call {call.name!r}", timeout, request)

    def submit(self, call: Call[Any]) -> None:
        """Queue a call whose outcome nobody waits for; the only form allowed in a callback.

        Raises:
            LocalProtocolError: the call does not fit the schema.
            Disconnected: there is no connection.
        """
        self._need_live(f"call {call.name!r}")
        with self._driver.lock:
            self._driver.session.submit(call)
        self._driver.flush()

    @overload
    def query(self, query: Query[T], *, timeout: float | None = None) -> list[T]: ...
    @overload
    def query(self, query: str, *, timeout: float | None = None) -> list[Any]: ...
    def query(self, query: Query[Any] | str, *, timeout: float | None = None) -> list[Any]:
        """Run a query once and return its rows; nothing enters the cache.

        Raises:
            QueryError: the server refused it.
            CallTimeout, Disconnected, LocalProtocolError: as `call`.
        """
        return self._settled(
            "run a query", timeout, lambda session, done: session.query(query, on_done=done)
        )

    def _settled(
        self,
        what: str,
        timeout: float | None,
        request: Callable[[ClientSession[DbT], Callable[[Any], object]], PendingCall[R]],
    ) -> R:
        """Make a request and wait for its outcome."""
        driver = self._driver
        refuse_in_callback(driver, what)
        self._need_live(what)
        with driver.lock:
            pending = request(driver.session, driver.notify)
        driver.pump_until(lambda: pending.is_done, end_of(timeout))
        if not pending.is_done:
            raise CallTimeout(f"{pending.name} was not answered within {timeout or 0:g} s")
        return driver.failure.outcome(pending)

    def subscribe(
        self,
        *queries: Query[Any] | str,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
        timeout: float | None = None,
    ) -> BlockingSubscription:
        """Subscribe to a set of queries; returns when its rows are in the cache.

        Args:
            queries: SQL texts or queries of the builder.
            on_applied: ``on_applied(ctx)``, before the row callbacks of its first rows.
            on_error: ``on_error(ctx, error)``, if it is refused or dies later.
            on_end: ``on_end(ctx)``, after an unsubscribe.
            timeout: seconds to wait for it; a wait that fails takes the subscription back.

        Raises:
            SubscriptionError: the server refused it.
            CallTimeout: it was not applied in time.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback (use ``ctx.subscribe`` there).
        """
        refuse_in_callback(self._driver, "subscribe")
        handle = self.subscribe_soon(
            *queries, on_applied=on_applied, on_error=on_error, on_end=on_end
        )
        try:
            handle.wait_applied(timeout)
        except BaseException:
            if not handle.is_ended:
                with contextlib.suppress(SpacetimeError):
                    handle.unsubscribe_soon()
            raise
        return handle

    def subscribe_soon(
        self,
        *queries: Query[Any] | str,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
    ) -> BlockingSubscription:
        """Queue a subscription and return its pending handle without waiting; also in callbacks."""
        self._need_live("subscribe")
        with self._driver.lock:
            subscription = self._driver.session.subscribe(
                *queries, on_applied=on_applied, on_error=on_error, on_end=on_end
            )
            handle = BlockingSubscription(subscription, self._driver)
        self._driver.flush()
        return handle

    def subscribe_to_all_tables(
        self,
        *,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
        timeout: float | None = None,
    ) -> BlockingSubscription:
        """Subscribe to every public table and view of the bindings; as `subscribe`."""
        return self.subscribe(
            *all_table_queries(self._driver.session),
            on_applied=on_applied,
            on_error=on_error,
            on_end=on_end,
            timeout=timeout,
        )

    # --- callbacks of the whole client --------------------------------------------------------

    def _on(self, kind: str, callback: Callable[..., Any]) -> CallbackHandle:
        check_callback(callback)
        return self._driver.callbacks.add(kind, callback)

    def on_connect(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, identity, token)`` after each reconnect."""
        return self._on("connect", callback)

    def on_connect_error(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, error)`` when an attempt ends before the server greeted."""
        return self._on("connect_error", callback)

    def on_disconnect(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, error)`` when a connection is over; None if this side closed it."""
        return self._on("disconnect", callback)

    def on_transaction(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, changes)`` once for each committed transaction that changed rows."""
        return self._on("transaction", callback)

    def on_subscription_applied(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx)`` whenever a subscription was applied."""
        return self._on("subscription_applied", callback)

    def on_reducer(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx)`` for every reducer outcome that the protocol tells of.

        ``ctx.event`` is a `ReducerEvent`: of this client's calls, and on v1 of others' calls too.
        """
        return self._on("reducer", callback)

    # --- inside -------------------------------------------------------------------------------

    def _need_live(self, what: str) -> None:
        if self._driver.is_done:
            self._driver.failure.raise_closed(what)
