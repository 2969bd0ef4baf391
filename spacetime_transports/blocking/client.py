"""The client for programs without an event loop: scripts, threads, game loops.

The same names as the async client, without await. There is no thread unless you ask for one:
messages are handled while you wait for something (`call`, `subscribe`, `query`, `run`), when you
call `frame_tick` or `advance_one_message`, or in the thread of `run_threaded`. In between nothing
answers the server's pings, and after 30 seconds the server drops the client.

Several threads may use one client. Callbacks run one at a time, in the thread that handles the
message. They are plain functions; registering an ``async def`` raises TypeError.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeVar

from spacetime_proto.errors import CallTimeout, LocalProtocolError, SpacetimeError

from ..client_base import ClientBase, DbT
from ..options import resolve
from .driver import BlockingDriver
from .handles import BlockingChangeStream, BlockingSubscription, end_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from typing_extensions import Unpack

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.pending_call import Call, PendingCall
    from spacetime_proto.dataframes.query_rows import Rows
    from spacetime_proto.query.builder import Query

    from ..client_base import SubscribeCallbacks
    from ..options import Options

__all__ = ["BlockingChangeStream", "BlockingClient", "BlockingSubscription", "connect"]

R = TypeVar("R")
T = TypeVar("T", default=Any)  # the rows of a query that is text


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

        Raises:
            SchemaMismatch: in place of an error that bindings explain which no longer fit.
        """
        self.close()
        self._driver.raise_last(error)

    def close(self) -> None:
        """End the connection: what was queued is sent, then the close handshake. Idempotent.

        Inside a callback it returns at once; the end comes after the callback has returned.
        """
        driver = self._driver
        if driver.is_done and self._thread is None:
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
        """Handle messages until `is_met`; return whether there were any."""
        self._ready(what, waits=True)
        driver = self._driver
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
        self._driver.pump_until(lambda: False, None)
        self._driver.raise_error()

    def run_threaded(self) -> threading.Thread:
        """Handle messages in a new thread until the client is closed; returns the thread.

        The error that ends the connection is raised by the calls that wait at that moment, or when
        the ``with`` block is left.

        Raises:
            LocalProtocolError: there is such a thread already.
        """
        if self._thread is not None and self._thread.is_alive():
            raise LocalProtocolError("run_threaded was called before")
        self._thread = threading.Thread(
            target=self._driver.pump_until,
            args=(lambda: False, None),
            name=f"spacetime-{self._driver.database}",
            daemon=True,
        )
        self._thread.start()
        return self._thread

    # --- requests -----------------------------------------------------------------------------

    def call(self, call: Call[R], *, timeout: float | None = None) -> R:
        """Call a reducer or procedure and return its value, once its changes are in the cache.

        Args:
            call: what ``module_bindings.reducers.f(...)`` or ``procedures.f(...)`` returned.
            timeout: seconds to wait for the outcome; None waits for ever.

        Raises:
            ReducerError: the reducer returned an error.
            InternalError: it panicked, or the host could not run it.
            CallTimeout: no outcome in time; the call is not taken back.
            Disconnected: the connection ended first; `outcome_unknown` says whether it was sent.
            LocalProtocolError: the call does not fit the schema, or this is a callback (use
                `submit` there).
        """
        session = self._ready("call", call, waits=True)
        driver = self._driver
        with driver.lock:
            pending: PendingCall[R] = session.call(call, on_done=driver.notify)
        return self._settled(pending, timeout)

    def query(self, query: Query[T] | str, *, timeout: float | None = None) -> Rows[T]:
        """Run a query once and return its rows, a list that makes dicts and data frames too.

        Nothing enters the cache.

        Raises:
            QueryError: the server refused it.
            CallTimeout, Disconnected, LocalProtocolError: as `call`.
        """
        session = self._ready("run a query", waits=True)
        driver = self._driver
        with driver.lock:
            pending = session.query(query, on_done=driver.notify)
        return self._settled(pending, timeout)

    def _settled(self, pending: PendingCall[R], timeout: float | None) -> R:
        """Wait for the outcome of a request."""
        driver = self._driver
        driver.pump_until(lambda: pending.is_done, end_of(timeout))
        if not pending.is_done:
            raise CallTimeout(f"{pending.name} was not answered within {timeout or 0:g} s")
        return driver.outcome(pending)

    def subscribe(
        self,
        *queries: Query[Any] | str,
        timeout: float | None = None,
        **callbacks: Unpack[SubscribeCallbacks[DbT]],
    ) -> BlockingSubscription:
        """Subscribe to a set of queries; returns when its rows are in the cache.

        Args:
            queries: SQL texts or queries of the builder.
            timeout: seconds to wait for it. If the wait fails, the subscription is ended.
            callbacks: see `SubscribeCallbacks`.

        Raises:
            SubscriptionError: the server refused it.
            CallTimeout: it was not applied in time.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback (use ``ctx.subscribe`` there).
        """
        self._ready("subscribe", waits=True)
        handle = self.subscribe_soon(*queries, **callbacks)
        try:
            handle.wait_applied(timeout)
        except BaseException:
            if not handle.is_ended:
                with contextlib.suppress(SpacetimeError):
                    handle.unsubscribe_soon()
            raise
        return handle

    def subscribe_to_all_tables(
        self, *, timeout: float | None = None, **callbacks: Unpack[SubscribeCallbacks[DbT]]
    ) -> BlockingSubscription:
        """Subscribe to every table and view that clients can subscribe to; as `subscribe`.

        What is left out, and why, is in `BlockingSubscription.left_out`, and logged (level INFO).
        """
        return self._say_left_out(self.subscribe(self._all_tables(), timeout=timeout, **callbacks))
