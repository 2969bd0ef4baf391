"""The API of the original Python SDK (0.7), on top of this project's drivers.

Programs for it run with their imports changed and bindings regenerated::

    from spacetime_transports import SpacetimeDBAsyncClient, local_config
    import module_bindings

    client = SpacetimeDBAsyncClient(module_bindings)
    asyncio.run(client.run(token, "localhost:3000", "chat", False, on_connect, queries))

This is `SpacetimeDBAsyncClient`, for asyncio and trio; `SpacetimeDBClient` of `legacy_client` needs
no event loop. docs/legacy.md lists their surface. The bugs of 0.7 are gone: nothing is
polled, messages stay in order, a client can be run again, and several clients live in one process.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from spacetime_proto.bindings.legacy_registry import LegacyReducerEvent as ReducerEvent
from spacetime_proto.bindings.legacy_registry import old_arguments
from spacetime_proto.client.callback_arity import check_callback
from spacetime_proto.client.pending_call import Call
from spacetime_proto.errors import Disconnected, LocalProtocolError, SpacetimeError
from spacetime_proto.types import Identity

from ..aio.driver import AsyncDriver
from .legacy_events import DbEvent, LegacyCallbacks, TransactionUpdateMessage
from .loop import Background, Loop
from .old_names import find_reducer
from .sync_client import (
    Address,
    Registrations,
    SpacetimeDBClient,
    SpacetimeDBException,
    offers_no_protocol,
    server_address,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spacetime_proto.client.pending_call import PendingCall
    from spacetime_proto.client.stats import Stats

__all__ = [
    "Address",
    "DbEvent",
    "Identity",
    "ReducerEvent",
    "SpacetimeDBAsyncClient",
    "SpacetimeDBClient",
    "SpacetimeDBException",
    "SpacetimeDBScheduledEvent",
    "TransactionUpdateMessage",
]


class SpacetimeDBScheduledEvent(msgspec.Struct, eq=False, dict=True):
    """A function that is called later; see `SpacetimeDBAsyncClient.schedule_event`.

    Attributes:
        fire_time: when it is due, on the event loop's clock, in seconds.
        callback: the function.
        args: what it is called with.
    """

    fire_time: float
    callback: Callable[..., object]
    args: tuple[Any, ...]


class SpacetimeDBAsyncClient(Registrations):
    """The client of the 0.7 API under asyncio or trio.

    Either `run` does everything, or `connect`, `call_reducer` and `close` are used one by one.
    Callbacks may be plain functions or coroutine functions.

    Attributes:
        client: holds the registered callbacks and the cache (`SpacetimeDBClient`).
        request_timeout: seconds that `call_reducer` and `close` wait.
        wait_for_server: seconds to go on trying to connect while the server is not there yet; None:
            the first failure counts.
        is_closing: whether `force_close` was called.
    """

    request_timeout: float = 5
    wait_for_server: float | None = None

    def __init__(self, autogen_package: Any) -> None:
        self.client = SpacetimeDBClient(autogen_package)
        self._on_subscription_applied = self.client._on_subscription_applied
        self._on_event = self.client._on_event
        self.is_closing = False
        self.prescheduled_events: list[tuple[float, Callable[..., object], tuple[Any, ...]]] = []
        self._driver: AsyncDriver[Any] | None = None
        self._loop: Loop | None = None
        self._background: Background | None = None
        self._error: BaseException | None = None
        self._has_run = False
        self._stop = anyio.Event()
        # Held while a run begins. So a `force_close` in another thread comes either before the run,
        # which then returns at once, or after its beginning, and then ends it.
        self._beginning = threading.Lock()

    @property
    def is_connected(self) -> bool:
        """Whether requests can be made."""
        driver = self._driver
        return (
            driver is not None and driver.status.is_up and not (driver.is_done or driver.is_forked)
        )

    @property
    def identity(self) -> Identity | None:
        """Who this client is; None before the first connection."""
        return self.client.identity

    @property
    def address(self) -> Address | None:
        """The connection id; None before the first connection."""
        return self.client.address

    # --- requests -----------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """What the client has done so far on its connection, in numbers."""
        return self.client.stats

    def subscribe(self, queries: Sequence[str]) -> None:
        """Subscribe to `queries` instead of all earlier ones, as one difference."""
        self._on_loop(lambda: self.client.subscribe(queries))

    def schedule_event(
        self, delay_secs: float, callback: Callable[..., object], *args: Any
    ) -> None:
        """Call ``callback(*args)`` once, `delay_secs` seconds from now.

        Before the client runs the delay counts from its start. To repeat it, schedule it again in
        the callback. What it raises ends `run`. Allowed in any thread.
        """
        if self._background is None:
            self.prescheduled_events.append((delay_secs, callback, args))
        else:
            self._on_loop(lambda: self._schedule(delay_secs, callback, args))

    def _schedule(
        self, delay: float, callback: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        if self._background is not None:
            event = SpacetimeDBScheduledEvent(anyio.current_time() + delay, callback, args)
            self._background.start_soon(self._fire, event)

    async def _fire(self, event: SpacetimeDBScheduledEvent) -> None:
        await anyio.sleep_until(event.fire_time)
        try:
            result = self.client.run_callback(event.callback, *event.args)
            if result is not None and hasattr(result, "__await__"):
                await result
        except Exception as error:
            self._fail(error)

    def _on_loop(self, function: Callable[[], object]) -> None:
        """Call `function` in the event loop's thread: at once if this is it, else in a task."""
        loop, background = self._loop, self._background
        if loop is None or background is None or loop.is_here:
            function()
            return

        async def run() -> None:
            try:
                function()
            except Exception as error:
                self._fail(error)

        loop.call_soon(lambda: background.start_soon(run))

    def _fail(self, error: Exception) -> None:
        """End the run with an exception of the user's code."""
        if self._error is None:
            self._error = error
        self._stop.set()

    # --- run ----------------------------------------------------------------------------------

    async def run(
        self,
        auth_token: str | None,
        host: str,
        address_or_name: str,
        ssl_enabled: Any = False,
        on_connect: Any = None,
        subscription_queries: Sequence[str] = (),
    ) -> None:
        """Connect, subscribe, and stay until `force_close`.

        The README's form with five arguments, ``run(token, host, name, on_connect, queries)``,
        means no TLS; a scheme in `host` decides as well.

        Args:
            auth_token: token, or None for a new identity.
            host: ``host:port`` or a URL.
            address_or_name: the database.
            ssl_enabled: whether to use TLS.
            on_connect: ``on_connect(auth_token, identity)``, or None.
            subscription_queries: what to subscribe to; class names are understood as tables.

        Raises:
            SpacetimeDBException: no connection, or it was lost, or a query was refused.
            TypeError: `on_connect` does not take its two arguments.
            Exception: whatever a callback raised.
        """
        if callable(ssl_enabled) or isinstance(on_connect, (list, tuple)):
            ssl_enabled, on_connect, subscription_queries = False, ssl_enabled, on_connect or ()
        if on_connect is not None:
            check_callback("on_connect", on_connect, ("auth_token", "identity"))
        if self._begin():
            return
        try:
            await self._open(
                auth_token, host, address_or_name, bool(ssl_enabled), subscription_queries,
                on_connect,
            )  # fmt: skip
            driver = self._driver
            if driver is not None:
                assert self._background is not None
                self._background.start_soon(self._stop_when_done, driver)
                await self._stop.wait()
        finally:
            error = await self._end()
        if error is not None:
            raise _as_legacy(error)

    async def connect(
        self,
        auth_token: str | None,
        host: str,
        address_or_name: str,
        ssl_enabled: bool = False,
        subscription_queries: Sequence[str] = (),
    ) -> tuple[str | None, Identity | None]:
        """Connect and return (token, identity); the client then lives until `close`.

        Not needed with `run`, which connects by itself.

        Raises:
            SpacetimeDBException: no connection.
        """
        if self._begin():
            raise SpacetimeDBException("the client was closed before it was connected")
        try:
            await self._open(
                auth_token, host, address_or_name, ssl_enabled, subscription_queries, None
            )
        except BaseException:
            await self._end()
            raise
        driver = self._driver
        if driver is None:
            error = await self._end()
            raise _as_legacy(error or Disconnected("the client was closed while it connected"))
        return driver.status.own_token, self.identity

    async def call_reducer(
        self, reducer_name: str, *reducer_args: Any
    ) -> TransactionUpdateMessage | None:
        """Call a reducer and return the transaction that it caused, whatever its status.

        Raises:
            SpacetimeDBException: no answer within `request_timeout` seconds, or the connection was
                lost.
            LocalProtocolError: there is no such reducer, the arguments do not fit, or this is a
                callback.
        """
        driver = self._driver
        if driver is None or driver.session is None:
            raise LocalProtocolError("call connect first")
        driver.refuse_in_callback(f"call {reducer_name!r}")
        done = anyio.Event()
        found: list[TransactionUpdateMessage | None] = []

        callbacks = driver.callbacks
        assert isinstance(callbacks, LegacyCallbacks)  # `SpacetimeDBClient.attempts` made them

        def answered(pending: PendingCall[Any]) -> None:
            found.append(callbacks.last_message)
            done.set()

        name = find_reducer(driver.session.module.bound, reducer_name)
        callbacks.expected += 1
        try:
            call = old_arguments(self.client.module, Call("reducer", name, reducer_args))
            pending = driver.session.call(call, on_done=answered)
            driver.flush()
            with anyio.move_on_after(self.request_timeout):
                await done.wait()
            if isinstance(pending.error, Disconnected):
                raise pending.error
        except Disconnected as error:
            driver.was_told = True
            raise SpacetimeDBException(str(error)) from error
        finally:
            callbacks.expected -= 1
        if not found:
            raise SpacetimeDBException(f"the call of {reducer_name!r} timed out")
        return found[0]

    async def close(self) -> None:
        """Close what `connect` opened; returns when it is closed."""
        await self._end()

    def force_close(self) -> None:
        """End `run`; from any thread, at any time, also inside callbacks.

        Before the first `run` it makes that one return at once. Scheduled events that have not
        fired are dropped.
        """
        with self._beginning:
            self.is_closing = True
        self._on_loop(self._stop_now)

    def _stop_now(self) -> None:
        self._stop.set()
        if self._driver is not None:
            self._driver.close()

    # --- inside -------------------------------------------------------------------------------

    def _begin(self) -> bool:
        """Prepare a run; return whether `force_close` was called before the first one."""
        if self._background is not None:
            raise LocalProtocolError("this client is running already")
        stop, loop = anyio.Event(), Loop()
        with self._beginning:
            closed = self.is_closing and not self._has_run
            self._has_run = True
            self.is_closing = False
            self._error = None
            if closed:
                return True
            self._stop, self._loop, self._background = stop, loop, Background(loop)
        scheduled, self.prescheduled_events = self.prescheduled_events, []
        for delay, callback, args in scheduled:
            self._schedule(delay, callback, args)
        return False

    async def _open(
        self,
        token: str | None,
        host: str,
        database: str,
        ssl_enabled: bool,
        queries: Sequence[str],
        on_connect: Callable[..., object] | None,
    ) -> None:
        """Connect, in v1 if the server speaks it; `_driver` is None if it was closed meanwhile.

        Raises:
            SpacetimeDBException: no connection.
        """
        address = server_address(host, ssl_enabled)
        assert self._background is not None
        error: BaseException | None = None
        for driver in self.client.attempts(
            AsyncDriver[Any], address, database, token,
            queries=queries, on_connect=on_connect, loop=self._loop,
            wait_for_server=self.wait_for_server,
        ):  # fmt: skip
            self._driver = driver
            driver.enter()
            self._background.start_soon(driver.run)
            await driver.ready.wait()
            if driver.status.is_up:
                return
            error = driver.take_error()
            if error is None or self.is_closing:
                self._driver = None
                return
            if not offers_no_protocol(error):
                break
        self._driver = None
        assert error is not None
        raise _as_legacy(error)

    async def _stop_when_done(self, driver: AsyncDriver[Any]) -> None:
        await driver.done.wait()
        self._stop.set()

    async def _end(self) -> BaseException | None:
        """Close the connection, end all tasks; return what went wrong."""
        driver, self._driver = self._driver, None
        background, self._background = self._background, None
        if driver is not None and driver.is_forked:
            return None  # the tasks are the parent's
        try:
            if driver is not None:
                await driver.shut()
        finally:
            if background is not None:
                await background.stop()
            self.client._loop = self._loop = None
        if self._error is not None or driver is None:
            return self._error
        return driver.take_error()


def _as_legacy(error: BaseException) -> BaseException:
    """Return what programs for 0.7 expect to catch; an exception of a callback stays as it is."""
    if isinstance(error, SpacetimeDBException) or not isinstance(error, SpacetimeError):
        return error
    wrapped = SpacetimeDBException(str(error))
    wrapped.__cause__ = error
    return wrapped
