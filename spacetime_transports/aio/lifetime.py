"""How an async client begins and ends: ``async with``, ``await``, ``run``, `close`.

Under asyncio the client's work is a task of its own that belongs to nobody, so one task may open a
client and another close it. Under trio it is a child of the nursery in which it was started.

What a callback raises that is no Exception (KeyboardInterrupt, SystemExit) ends the client and goes
on as it is: under asyncio to whoever runs the event loop, as from any task; under trio out of the
``async with`` block, which it cancels, or out of the nursery that was given `run`. Requests that wait
get `Disconnected`, with it as the cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from spacetime_proto.errors import CallTimeout, LocalProtocolError

from ..client_base import ClientBase, DbT
from .driver import AsyncDriver
from .event_loop import EventLoop
from .handles import AsyncSubscription

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Self

    from anyio.abc import TaskGroup, TaskStatus


class Lifetime(ClientBase[AsyncDriver[Any], AsyncSubscription, DbT]):
    """The part of `AsyncClient` that begins and ends it."""

    _driver_type = AsyncDriver
    _subscription_type = AsyncSubscription
    _nursery: TaskGroup | None = None
    """Of the ``async with`` block, under trio."""
    _was_awaited = False
    """Whether it was begun with ``await`` and by no ``async with`` since."""
    _fatal: BaseException | None = None
    """What cancelled the ``async with`` block, under trio."""

    def __await__(self) -> Generator[Any, Any, Self]:
        """Connect, as ``async with`` does; the client then lives until `close`. Under asyncio only.

        An error that ends it while nothing waits is logged, and raised by the next request and by
        `wait_closed`.

        Raises:
            ConnectError: nothing to connect to, or the server refused: AuthError,
                DatabaseNotFound, HandshakeError.
            LocalProtocolError: the client was used before, or this is trio.
        """
        return self._open().__await__()

    async def _open(self) -> Self:
        if EventLoop().is_trio:
            raise LocalProtocolError(
                "trio has no tasks that belong to nobody: use `async with connect(...) as client:`"
                " or `client = await nursery.start(connect(...).run)`"
            )
        self._driver.enter()
        await self._begin()
        self._was_awaited = True
        return self

    async def __aenter__(self) -> Self:
        """Connect; returns once the server has greeted and ``on_connect`` has run.

        A client that was awaited is connected already; the block then closes it.

        Raises:
            ConnectError: nothing to connect to, or the server refused: AuthError,
                DatabaseNotFound, HandshakeError.
            LocalProtocolError: the client was used before.
        """
        if self._was_awaited:
            self._was_awaited = False
            return self
        self._driver.enter()
        await self._begin()
        return self

    async def _begin(self) -> None:
        """Start the background and wait until it is connected."""
        driver = self._driver
        if driver.loop.is_trio:
            self._nursery = await anyio.create_task_group().__aenter__()
            self._nursery.start_soon(self._run_in, self._nursery)
        else:
            name = f"spacetime-{driver.database}"
            driver.loop.create_task(driver.run(), name, driver.finish)
        try:
            await driver.ready.wait()
        except BaseException as error:
            await self._abort(error)
            raise
        if not driver.status.is_up:
            await self._abort()
            driver.raise_not_up()

    async def _run_in(self, nursery: TaskGroup) -> None:
        """Run the client in a nursery of its own."""
        driver = self._driver
        try:
            await driver.run()
        except BaseException as error:
            if driver.loop.is_cancelled(error):
                raise
            self._fatal = error  # a nursery would wrap it
            nursery.cancel_scope.cancel()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Close, and raise the error that ended the connection if no call has raised it.

        Raises:
            SchemaMismatch: in place of an error that bindings explain which no longer fit.
        """
        driver = self._driver
        if driver.is_forked:
            return
        try:
            # If the block was cancelled there is no waiting for the close handshake.
            if error is None or isinstance(error, Exception):
                await driver.shut()
        except BaseException as cancelled:
            await self._abort(cancelled)
            raise
        await self._abort(error)
        await driver.raise_last(error)

    async def _abort(self, error: BaseException | None = None) -> None:
        """End the background now, whatever it is doing.

        Args:
            error: what this task is about to raise.

        Raises:
            BaseException: what a callback raised that ends more than the client, under trio.
        """
        driver, nursery = self._driver, self._nursery
        driver.abort()
        if nursery is None:
            with anyio.CancelScope(shield=True):
                await driver.done.wait()
            return
        nursery.cancel_scope.cancel()
        # What the nursery itself has cancelled, to end the block because of `_fatal`, ends there.
        is_its_own = self._fatal is not None and (
            isinstance(error, BaseExceptionGroup)
            or (error is not None and driver.loop.is_cancelled(error))
        )
        if error is not None and is_its_own:
            await nursery.__aexit__(type(error), error, error.__traceback__)
        else:
            await nursery.__aexit__(None, None, None)
        if self._fatal is not None:
            raise self._fatal

    async def run(self, *, task_status: TaskStatus[Self] | None = None) -> None:
        """Connect, and stay until the client is closed; for a task of yours.

        With trio's nurseries and anyio's task groups ``client = await nursery.start(connect(...).run)``
        returns when it is connected. Without `start`, `wait_connected` waits for that. Cancelling it
        ends the client at once.

        Raises:
            ConnectError: as ``async with``; by `start`, if that was used.
            Disconnected: it was closed before it was connected. Any other error that ended the
                client is raised as it is, unless something else has raised it.
            LocalProtocolError: the client was used before.
        """
        driver = self._driver
        driver.enter()
        if task_status is not None:
            driver.when_up = lambda: task_status.started(self)
        await driver.run()
        if driver.status.is_up:
            await driver.raise_last(None)
        elif driver.status.error is not None or task_status is not None:
            driver.raise_not_up()

    # --- the end --------------------------------------------------------------------------------

    async def close(self) -> None:
        """End the connection: what was queued is sent, then the close handshake. Idempotent.

        Any task may call it. It returns when everything is over: if the server or a callback does
        not finish, a second after the option ``close_timeout``. Inside a callback it returns at
        once; the end comes after the callback has returned.
        """
        driver = self._driver
        if driver.is_forked:
            return
        if not driver.is_entered or driver.in_callback:
            driver.close()
            return
        await driver.shut()
        driver.abort()
        await driver.done.wait()

    async def wait_connected(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # raises CallTimeout
        """Wait until requests can be made; returns at once if they can.

        A client that was not begun yet is waited for too, because `run` may be in a task that has
        not started.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            CallTimeout: not connected in time.
            Disconnected: the client is over. Any other error that ended it is raised as it is.
            LocalProtocolError: this is a callback.
        """
        driver = self._driver
        what = "wait for the connection"
        driver.refuse_in_callback(what)
        if not await driver.until(lambda: driver.is_up, driver.connecting, timeout):
            raise CallTimeout.after("the client was not connected", timeout)
        if driver.is_done:
            driver.raise_ended(what)

    async def wait_closed(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # raises CallTimeout
        """Wait until the client is over, for whatever reason; does not end it.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            CallTimeout: it was not over in time.
            Disconnected: the connection was lost. Any other error that ended it is raised as it is.
                Both only if nothing else has raised it, unless the client was begun with ``await``.
            LocalProtocolError: this is a callback, or the client was not begun.
        """
        driver = self._driver
        if not driver.is_done:
            self._ready("wait for the end", waits=True)
        if not await driver.until(lambda: False, set(), timeout):
            raise CallTimeout.after("the client was not closed", timeout)
        if not driver.in_callback:
            await driver.done.wait()
        if self._was_awaited and driver.status.error is not None:
            driver.raise_ended("wait for the end")  # no block will be left that could raise it
        driver.raise_error()
