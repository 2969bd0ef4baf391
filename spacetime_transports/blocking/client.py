"""The client for programs without an event loop: scripts, threads, game loops.

The same names as the async client, without await. Messages are handled, and callbacks run, while you
wait for something (`call`, `subscribe`, `query`, `run`), at the start of every request, when you call
`frame_tick` or `advance_one_message`, or in the thread of `run_threaded`. In between a thread of the
library keeps the connection alive (option `keep_alive_thread`): it answers the server's pings and takes
up to 4 MiB in advance, but runs no callback and leaves the cache as it is.

With `reconnect`, `call`, `query` and `subscribe` wait for a lost connection to come back, as long as
their timeout allows; ``offline="fail"`` has them fail at once. A call that was sent before the loss
raises `Disconnected` with `outcome_unknown`.

What a callback raises ends the client. It is raised, as it is, by the request, `frame_tick` or `run` in
which the callback ran; others that wait get `Disconnected` with it as ``__cause__``. If it was raised
nowhere, as in the thread of `run_threaded`, the next request or `close` raises it.

Several threads may use one client. Callbacks run one at a time, in the thread that handles the
message. They are plain functions; registering an ``async def`` raises TypeError.

Ctrl-C ends every wait at once. The client goes on working, unless it was being connected or closed, or
a message was just being applied; then it is over.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeVar

from spacetime_proto.errors import CallTimeout, Disconnected, LocalProtocolError, SpacetimeError

from ..client_base import ClientBase, DbT
from ..options import names_options, resolve
from .driver import BlockingDriver
from .handles import BlockingChangeStream, BlockingSubscription, end_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from typing_extensions import Unpack

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.pending_call import Call, PendingCall
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.dataframes.query_rows import Rows
    from spacetime_proto.query.builder import Query

    from ..client_base import SubscribeCallbacks
    from ..options import Options

__all__ = ["BlockingChangeStream", "BlockingClient", "BlockingSubscription", "connect"]

R = TypeVar("R")
T = TypeVar("T", default=Any)  # the rows of a query that is text


@names_options
def connect(
    host: str, database: str, module: Module[DbT] | None = None, **options: Unpack[Options]
) -> BlockingClient[DbT]:
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
    client = BlockingClient(host, database, module, resolve(**options))
    client._driver.connect()
    return client


class BlockingClient(ClientBase[BlockingDriver[Any], BlockingSubscription, DbT]):
    """A client on plain sockets; made by `connect`."""

    _driver_type = BlockingDriver
    _subscription_type = BlockingSubscription
    _thread: threading.Thread | None = None

    # --- entering and leaving -----------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Close, and raise the error that ended the connection if no call has raised it.

        What a callback raised becomes a note of the exception that leaves the block, if there is one.

        Raises:
            SchemaMismatch: in place of an error that bindings explain which no longer fit.
        """
        self._shut()
        self._driver.raise_last(error)

    def close(self) -> None:
        """End the connection: what was queued is sent, then the close handshake. Idempotent.

        Inside a callback it returns at once; the end comes after the callback has returned.

        Raises:
            Exception: what a callback raised, if nothing has raised it yet. That the connection was
                lost is no error here: it was to be ended anyway.
        """
        self._shut()
        self._driver.raise_callback_error()

    def _shut(self) -> None:
        driver = self._driver
        if driver.is_forked or (driver.is_done and self._thread is None):
            return
        driver.shut()
        if driver.in_callback:
            return
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(driver.options.client.close_timeout)

    # --- handling messages --------------------------------------------------------------------

    def frame_tick(self, budget: float | None = None) -> bool:
        """Apply what has arrived, run its callbacks, and return without waiting.

        What arrives meanwhile is left for the next tick, so a server that sends without a pause does
        not hold it up. (With TLS it may take up to one buffer of the system more.)

        Args:
            budget: seconds after which to stop, between two messages or two callbacks; the rest waits
                for the next tick. None handles everything that had arrived.

        Returns:
            Whether any message was handled, at least in part.

        Raises:
            Disconnected: the connection is over (or whatever else ended it).
            LocalProtocolError: this is a callback.
        """
        return self._move("tick", lambda: False, end_of(budget), may_wait=False)

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
        """Handle messages until `is_met`; return whether there were any."""
        driver = self._driver
        if driver.is_done or driver.in_callback or not driver.is_entered:
            self._ready(what, waits=True)
        before = driver.messages
        driver.pump_until(is_met, end, may_wait=may_wait)
        if driver.is_done:
            driver.raise_error()
        return driver.messages != before

    def run(self) -> None:
        """Handle messages until the client is closed, by `close` in a callback or another thread.

        Raises:
            Disconnected: the connection was lost (or another error that ended it), unless a call
                in another thread has raised that already.
            LocalProtocolError: this is a callback.
        """
        self._driver.refuse_in_callback("run")
        self._driver.serve()
        self._driver.raise_error()

    def run_threaded(self) -> threading.Thread:
        """Handle messages in a new thread until the client is closed; returns the thread.

        The error that ends the connection is raised by the calls that wait at that moment, or when
        the ``with`` block is left. What a callback raised is raised by the next request or `close`.

        Raises:
            LocalProtocolError: there is such a thread already.
        """
        if self._thread is not None and self._thread.is_alive():
            raise LocalProtocolError("run_threaded was called before")
        self._thread = threading.Thread(
            target=self._driver.serve,
            name=f"spacetime-{self._driver.database}",
            daemon=True,
        )
        self._thread.start()
        return self._thread

    def wait_connected(self, timeout: float | None = None) -> None:
        """Wait until the client is connected; returns at once if it is.

        Args:
            timeout: seconds to wait; None waits as long as attempts to connect go on.

        Raises:
            CallTimeout: it was not connected in time; the text says why, and when the next attempt is.
            Disconnected: the client was closed, or what ended it, such as a ConnectError.
            LocalProtocolError: this is a callback.
        """
        driver, end = self._driver, end_of(timeout)
        driver.refuse_in_callback("wait for the connection")
        driver.move(end)
        is_connected = driver.pump_until(lambda: self.is_connected, end)
        driver.surface()
        if driver.is_done:
            driver.was_told = True
            raise driver.status.error or Disconnected("this client is closed")
        if not is_connected:
            raise self._no_connection("the client did not connect", timeout)

    def wait_closed(self, timeout: float | None = None) -> None:
        """Handle messages until the client is closed, as `run` does, or for `timeout` seconds.

        Raises:
            CallTimeout: it was not closed in time.
            Disconnected: the connection was lost (or another error that ended it), unless a call
                in another thread has raised that already.
            LocalProtocolError: this is a callback.
        """
        driver = self._driver
        driver.refuse_in_callback("wait for the end")
        driver.pump_until(lambda: False, end_of(timeout))
        if not driver.is_done:
            raise CallTimeout.after("the client was not closed", timeout)
        driver.raise_error()

    # --- requests -----------------------------------------------------------------------------

    def _catch_up(self, end: float | None) -> None:
        driver = self._driver
        if driver.is_entered and not driver.in_callback:
            driver.move(end)

    def _ready(
        self,
        what: str,
        call: Call[Any] | None = None,
        *,
        waits: bool = False,
        end: float | None = None,
    ) -> ClientSession[DbT]:
        self._driver.check_process()
        self._catch_up(end)
        return super()._ready(what, call, waits=waits)

    def call(self, call: Call[R], *, timeout: float | None = None) -> R:
        """Call a reducer or procedure and return its value, once its changes are in the cache.

        Args:
            call: what ``module_bindings.reducers.f(...)`` or ``procedures.f(...)`` returned.
            timeout: seconds to wait for the connection, if it is lost, and for the outcome; None
                waits for ever.

        Raises:
            ReducerError: the reducer returned an error.
            InternalError: it panicked, or the host could not run it.
            CallTimeout: no outcome in time; the call is not taken back. Or it was not sent, as there
                was no connection; the text says so.
            Disconnected: the connection ended first; `outcome_unknown` says whether it was sent.
            LocalProtocolError: the call does not fit the schema, or this is a callback (use
                `submit` there).
            Exception: what a callback raised that ran meanwhile.
        """
        value: R = self._request(
            "call", call, timeout, lambda session, done: session.call(call, on_done=done)
        )
        return value

    def query(self, query: Query[T] | str, *, timeout: float | None = None) -> Rows[T]:
        """Run a query once and return its rows, a list that makes dicts and data frames too.

        Nothing enters the cache.

        Raises:
            QueryError: the server refused it.
            CallTimeout, Disconnected, LocalProtocolError: as `call`.
        """
        return self._request(
            "run a query", None, timeout, lambda session, done: session.query(query, on_done=done)
        )

    def _request(
        self,
        what: str,
        call: Call[Any] | None,
        timeout: float | None,
        queue: Callable[[ClientSession[DbT], Callable[..., object]], PendingCall[R]],
    ) -> R:
        """Queue a request as soon as there is a connection, and wait for its outcome."""
        driver, end = self._driver, end_of(timeout)
        waits = driver.options.waits_offline
        while True:
            session = self._ready(what, call, waits=True, end=end)
            with driver.lock:
                pending: PendingCall[R] | None = None
                if session.has_connection or not waits:
                    pending = queue(session, driver.notify)
            if pending is None:
                name = getattr(call, "name", "the query")
                self._await_connection(session, f"{name} was not sent", timeout, end)
                continue
            self._await(pending, what, timeout, end)
            error = pending.error
            was_sent = not isinstance(error, Disconnected) or error.outcome_unknown
            if was_sent or not waits or driver.is_done:
                return driver.outcome(pending)

    def _await(
        self, pending: PendingCall[Any], what: str, timeout: float | None, end: float | None
    ) -> None:
        """Wait for the outcome of a request that was queued."""
        driver = self._driver
        try:
            driver.pump_until(lambda: pending.is_done, end)
        finally:
            if not pending.is_done:
                driver.abandon()
        driver.surface()
        if not pending.is_done:
            if driver.is_done:
                driver.raise_over(what)
            raise CallTimeout.after(f"{pending.name} was not answered", timeout)

    def _await_connection(
        self, session: ClientSession[DbT], what: str, timeout: float | None, end: float | None
    ) -> None:
        """Wait until a request can be sent, or the client is over."""
        driver = self._driver
        is_there = driver.pump_until(lambda: session.has_connection, end)
        driver.surface()
        if not is_there and not driver.is_done:
            raise self._no_connection(what, timeout)

    def _no_connection(self, what: str, timeout: float | None) -> CallTimeout:
        """Return the error for what had to wait for the connection too long."""
        status, session = self._driver.status, self._driver.session
        retry_at, error = status.retry_at, None if session is None else session.close_error
        seconds = 0.0 if retry_at is None else max(0.0, retry_at - time.monotonic())
        then = "one is under way" if retry_at is None else f"the next one is due in {seconds:.3g} s"
        limit = CallTimeout.after(what, timeout)
        failure = CallTimeout(
            f"{limit}: there is no connection ({error}); of the attempts to connect again {then}"
        )
        failure.__cause__ = error
        return failure

    def subscribe(
        self,
        *queries: Query[Any] | str,
        timeout: float | None = None,
        **callbacks: Unpack[SubscribeCallbacks[DbT]],
    ) -> BlockingSubscription:
        """Subscribe to a set of queries; returns when its rows are in the cache.

        Args:
            queries: SQL texts or queries of the builder.
            timeout: seconds to wait for it, and for the connection if it is lost. If the wait fails,
                the subscription is ended.
            callbacks: see `SubscribeCallbacks`.

        Raises:
            SubscriptionError: the server refused it.
            CallTimeout: it was not applied in time.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback (use ``ctx.subscribe`` there).
            Exception: what a callback raised that ran meanwhile.
        """
        end = end_of(timeout)
        driver = self._driver
        session = self._ready("subscribe", waits=True, end=end)
        if not session.has_connection and not driver.options.waits_offline:
            raise session.lost("subscribe")
        handle = self.subscribe_soon(*queries, **callbacks)
        try:
            handle.wait_applied(None if end is None else max(0.0, end - time.monotonic()))
        except CallTimeout:
            self._drop(handle)
            what = "the subscription was not applied"
            if not session.has_connection:
                raise self._no_connection(what, timeout) from session.close_error
            raise CallTimeout.after(what, timeout) from None
        except BaseException:
            self._drop(handle)
            raise
        return handle

    def _drop(self, handle: BlockingSubscription) -> None:
        if not handle.is_ended:
            with contextlib.suppress(SpacetimeError):
                handle.unsubscribe_soon()

    def subscribe_to_all_tables(
        self, *, timeout: float | None = None, **callbacks: Unpack[SubscribeCallbacks[DbT]]
    ) -> BlockingSubscription:
        """Subscribe to every table and view that clients can subscribe to; as `subscribe`.

        What is left out, and why, is in `BlockingSubscription.left_out`, and logged (level INFO).
        """
        return self._say_left_out(self.subscribe(self._all_tables(), timeout=timeout, **callbacks))
