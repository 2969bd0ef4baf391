"""The client for asyncio and trio.

Two tasks own the byte stream: one reads and runs the pump, with all callbacks, one at a time; one
writes. Tasks of the user only queue requests and wait for their own answers, so cancelling one of
them never tears a frame. While a callback runs nothing is read: back-pressure is TCP's. (A server
forgets a client that it has not heard of for 30 seconds, so long work belongs in a task of yours.)

The background never raises into your tasks. What ends the connection is given to whoever waits for
something, and if nobody does, leaving the ``async with`` block raises it, once.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import anyio

from spacetime_proto.client.states import SessionState
from spacetime_proto.errors import CallTimeout, Disconnected, LocalProtocolError, SpacetimeError

from ..driving import LAST_WORDS, all_table_queries, check_database
from ..net.address import parse_host
from ..options import ConnectOptions, Options, resolve
from .driver import AsyncDriver
from .handles import AsyncChangeStream, AsyncSubscription, refuse_in_callback

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup
    from typing_extensions import Unpack

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.calls import Call, PendingCall
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.table_handles import CallbackHandle
    from spacetime_proto.query.builder import Query
    from spacetime_proto.types import ConnectionId, Identity

    from .waiting import Waiter

__all__ = ["AsyncChangeStream", "AsyncClient", "AsyncSubscription", "connect"]

DbT = TypeVar("DbT")
R = TypeVar("R")
T = TypeVar("T")


@overload
def connect(
    host: str, database: str, module: Module[DbT], **options: Unpack[Options]
) -> AsyncClient[DbT]: ...
@overload
def connect(
    host: str, database: str, module: None = None, **options: Unpack[Options]
) -> AsyncClient[Any]: ...
def connect(
    host: str, database: str, module: Module[Any] | None = None, **options: Unpack[Options]
) -> AsyncClient[Any]:
    """Return a client of `database` on the server at `host`; ``async with`` connects it.

    Args:
        host: ``http://host:port``, ``https://…`` or ``host:port``, with a path prefix if need be.
        database: name or 64-digit identity.
        module: generated bindings (``module_bindings.MODULE``); without them the schema is fetched
            from the server first.
        options: see `Options`.

    Raises:
        LocalProtocolError: an argument or option makes no sense. Everything that can go wrong on
            the network is raised by ``async with``: ConnectError and its kin.
    """
    return AsyncClient(host, database, module, resolve(**options))


class AsyncClient(Generic[DbT]):
    """A client under asyncio or trio; made by `connect`, used as an async context manager.

    All methods belong to the event loop's thread. Other threads may read the cache under ``lock``.
    """

    def __init__(
        self, host: str, database: str, module: Module[DbT] | None, options: ConnectOptions
    ) -> None:
        self._address = parse_host(host)
        self._database = check_database(database)
        self._driver: AsyncDriver[DbT] = AsyncDriver(self._address, self._database, module, options)
        self._driver.change_stream = lambda table, most: AsyncChangeStream(
            table, most, self._driver
        )
        self._tasks: TaskGroup | None = None

    # --- entering and leaving -----------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect; returns once the server has greeted and ``on_connect`` has run.

        Raises:
            ConnectError: nothing to connect to, or the server refused: AuthError,
                DatabaseNotFound, HandshakeError.
            LocalProtocolError: the client was used before.
        """
        driver = self._driver
        if driver.done is not None:
            raise LocalProtocolError("a client can be entered once; call connect again")
        driver.ready = anyio.Event()
        driver.done = anyio.Event()
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        self._tasks = tasks
        tasks.start_soon(driver.run)
        try:
            await driver.ready.wait()
        except BaseException:
            await self._abort()
            raise
        if not driver.is_up:
            await self._abort()
            error = driver.failure.untold()
            raise error or Disconnected("the client was closed before it was connected")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, and raise what ended the connection if nobody has been told.

        Raises:
            SchemaMismatch: instead of an error that comes of bindings that no longer fit.
        """
        driver = self._driver
        assert driver.done is not None
        # A cancelled block may not wait for the close handshake any more.
        if (error is None or isinstance(error, Exception)) and not driver.is_done:
            driver.close()
            try:
                # The session's own deadline ends the handshake; the margin is for a callback that
                # does not return, which is cancelled then.
                with anyio.move_on_after(driver.options.client.close_timeout + LAST_WORDS):
                    await driver.done.wait()
            except BaseException:
                await self._abort()
                raise
        await self._abort()
        failure = driver.failure.untold() if error is None else None
        cause = failure if error is None else error
        mismatch = await driver.explain(cause)
        if mismatch is not None:
            raise mismatch from cause
        if failure is not None:
            raise failure

    async def _abort(self) -> None:
        """End the background now, whatever it is doing."""
        tasks = self._tasks
        assert tasks is not None
        tasks.cancel_scope.cancel()
        await tasks.__aexit__(None, None, None)

    async def close(self) -> None:
        """End the connection: what was queued is sent, then the close handshake. Idempotent.

        Inside a callback it only asks for the end, which comes when the callback has returned.
        """
        self._driver.close()
        if self._driver.done is not None and not self._driver.in_callback:
            await self._driver.done.wait()

    def submit_close(self) -> None:
        """Ask for the end of the connection without waiting for it."""
        self._driver.close()

    async def wait_closed(self) -> None:
        """Wait until the connection is over, for whatever reason; does not end it.

        Raises:
            Disconnected: the connection was lost (or whatever else ended it).
            LocalProtocolError: this is a callback.
        """
        self._need_live("wait for the end", even_if_over=True)
        refuse_in_callback(self._driver, "wait for the end")
        assert self._driver.done is not None
        await self._driver.done.wait()
        failure = self._driver.failure.untold()
        if failure is not None:
            raise failure

    # --- what can be looked at ----------------------------------------------------------------

    @property
    def db(self) -> DbT:
        """The tables of the client cache.

        Raises:
            LocalProtocolError: there are no bindings, and the schema was not fetched yet.
        """
        return self._need_session().db

    @property
    def module(self) -> Module[DbT]:
        """The bindings in use, generated or made from the fetched schema."""
        return self._need_session().module

    @property
    def lock(self) -> threading.RLock:
        """Held while a message is applied: take it to read the cache from another thread."""
        return self._driver.lock

    @property
    def identity(self) -> Identity | None:
        """Who this client is; None before it was connected."""
        session = self._driver.session
        return None if session is None else session.identity

    @property
    def connection_id(self) -> ConnectionId | None:
        """The id of this connection; None before there is one."""
        session = self._driver.session
        return None if session is None else session.connection_id

    @property
    def token(self) -> str | None:
        """The token to come back with as the same identity."""
        session = self._driver.session
        if self._driver.token is not None or session is None:
            return self._driver.token
        return session.token

    @property
    def protocol(self) -> str | None:
        """The subprotocol in use, such as ``v3.bsatn.spacetimedb``."""
        session = self._driver.session
        return None if session is None else session.protocol

    @property
    def is_connected(self) -> bool:
        """Whether requests can be made now."""
        session = self._driver.session
        return session is not None and session.state is SessionState.OPEN

    def __repr__(self) -> str:
        session = self._driver.session
        state = "new" if session is None else session.state.value
        return f"<AsyncClient {self._database!r} at {self._address.url} {state}>"

    # --- requests -----------------------------------------------------------------------------

    async def call(self, call: Call[R], *, timeout: float | None = None) -> R:  # noqa: ASYNC109  # on expiry the call goes on; see CallTimeout
        """Call a reducer or procedure and return its value, once its changes are in the cache.

        Cancelling the wait, or a timeout, does not take the call back.

        Args:
            call: what ``module_bindings.reducers.f(...)`` or ``procedures.f(...)`` returned.
            timeout: seconds to wait for the outcome; None waits for ever.

        Raises:
            ReducerError: the module said no.
            InternalError: it panicked, or the host could not run it.
            CallTimeout: no outcome in time.
            Disconnected: the connection ended first; `outcome_unknown` says whether it was sent.
            LocalProtocolError: the call does not fit the schema, or this is a callback (use
                `submit` there).
        """
        session = self._may_wait("call", call)
        waiter = self._driver.new_waiter()
        pending = session.call(call, on_done=waiter.set)
        return await self._outcome(pending, waiter, timeout)

    def submit(self, call: Call[Any]) -> None:
        """Queue a call whose outcome nobody waits for; the only form allowed in a callback.

        Raises:
            LocalProtocolError: the call does not fit the schema.
            Disconnected: there is no connection.
        """
        self._need_live(f"call {call.name!r}").submit(call)
        self._driver.flush()

    @overload
    async def query(self, query: Query[T], *, timeout: float | None = None) -> list[T]: ...  # noqa: ASYNC109
    @overload
    async def query(self, query: str, *, timeout: float | None = None) -> list[Any]: ...  # noqa: ASYNC109
    async def query(  # as call
        self,
        query: Query[Any] | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> list[Any]:
        """Run a query once and return its rows; nothing enters the cache.

        Raises:
            QueryError: the server refused it.
            CallTimeout, Disconnected, LocalProtocolError: as `call`.
        """
        session = self._may_wait("run a query")
        waiter = self._driver.new_waiter()
        pending = session.query(query, on_done=waiter.set)
        return await self._outcome(pending, waiter, timeout)

    def _may_wait(self, what: str, call: Call[Any] | None = None) -> ClientSession[DbT]:
        """Return the session for a request whose answer is waited for; errors as `call`."""
        driver = self._driver
        if self._tasks is None or driver.is_done or driver.in_callback:
            what = what if call is None else f"{what} {call.name!r}"
            refuse_in_callback(driver, what)
            self._need_live(what)
        return self._need_session()

    async def _outcome(self, pending: PendingCall[R], waiter: Waiter, timeout: float | None) -> R:  # noqa: ASYNC109
        """Wait for the outcome of a request."""
        driver = self._driver
        driver.flush()
        driver.waiting.add(waiter)
        try:
            if timeout is None:
                await waiter.wait()
            else:
                with anyio.move_on_after(timeout):
                    await waiter.wait()
                if not pending.is_done:
                    raise CallTimeout(f"{pending.name} was not answered within {timeout:g} s")
        finally:
            driver.waiting.discard(waiter)
        return driver.failure.outcome(pending)

    async def subscribe(
        self,
        *queries: Query[Any] | str,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
    ) -> AsyncSubscription:
        """Subscribe to a set of queries; returns when its rows are in the cache.

        A wait that is cancelled takes the subscription back, since nobody has its handle then.

        Args:
            queries: SQL texts or queries of the builder.
            on_applied: ``on_applied(ctx)``, before the row callbacks of its first rows.
            on_error: ``on_error(ctx, error)``, if it is refused or dies later.
            on_end: ``on_end(ctx)``, after an unsubscribe.

        Raises:
            SubscriptionError: the server refused it.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback (use ``ctx.subscribe`` there).
        """
        refuse_in_callback(self._driver, "subscribe")
        self._need_live("subscribe")
        handle = self.subscribe_soon(
            *queries, on_applied=on_applied, on_error=on_error, on_end=on_end
        )
        try:
            await handle.wait_applied()
        except Exception:
            raise
        except BaseException:
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
    ) -> AsyncSubscription:
        """Queue a subscription and return its pending handle without waiting.

        Unlike `subscribe` it may be used in callbacks and, with bindings, before the client is
        entered. What becomes of it is told by the callbacks and `AsyncSubscription.wait_applied`.
        """
        if self._driver.is_done:
            self._driver.failure.raise_closed("subscribe")
        subscription = self._need_session().subscribe(
            *queries, on_applied=on_applied, on_error=on_error, on_end=on_end
        )
        self._driver.flush()
        return AsyncSubscription(subscription, self._driver)

    async def subscribe_to_all_tables(
        self,
        *,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
    ) -> AsyncSubscription:
        """Subscribe to every public table and view of the bindings; as `subscribe`."""
        return await self.subscribe(
            *all_table_queries(self._need_session()),
            on_applied=on_applied,
            on_error=on_error,
            on_end=on_end,
        )

    # --- callbacks of the whole client --------------------------------------------------------

    def on_connect(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, identity, token)`` at each greeting, also after reconnecting."""
        return self._driver.callbacks.add("connect", callback)

    def on_connect_error(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, error)`` when an attempt ends before the server greeted."""
        return self._driver.callbacks.add("connect_error", callback)

    def on_disconnect(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, error)`` when a connection is over; None if this side closed it."""
        return self._driver.callbacks.add("disconnect", callback)

    def on_transaction(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx, changes)`` once for each committed transaction that changed rows."""
        return self._driver.callbacks.add("transaction", callback)

    def on_subscription_applied(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx)`` whenever a subscription was applied."""
        return self._driver.callbacks.add("subscription_applied", callback)

    def on_reducer(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Call ``callback(ctx)`` for every reducer outcome that the protocol tells of.

        ``ctx.event`` is a `ReducerEvent`: of this client's calls, and on v1 of others' calls too.
        """
        return self._driver.callbacks.add("reducer", callback)

    # --- inside -------------------------------------------------------------------------------

    def _need_session(self) -> ClientSession[DbT]:
        if self._driver.session is None:
            raise LocalProtocolError(
                "this client has no bindings and has not fetched the schema yet: "
                "use it inside its async with block"
            )
        return self._driver.session

    def _need_live(self, what: str, *, even_if_over: bool = False) -> ClientSession[DbT]:
        if self._tasks is None:
            raise LocalProtocolError(f"cannot {what}: enter the client with async with first")
        if self._driver.is_done and not even_if_over:
            self._driver.failure.raise_closed(what)
        return self._need_session()
