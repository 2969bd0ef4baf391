"""One way to write a scenario for four drivers.

A scenario is an ``async def`` test that takes `kit`. Under asyncio, uvloop and trio it runs in that
event loop; under ``blocking`` it runs as a coroutine that never suspends, on the blocking client.
`Client` gives all of them the same face; what only one colour has is reached through `Client.raw`.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from spacetime_transports import blocking, connect
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from spacetime_proto.bindings import Module
    from spacetime_transports.server import ThreadServer

DRIVERS = ("asyncio", "uvloop", "trio", "blocking")
ASYNC_DRIVERS = DRIVERS[:3]


class Client:
    """A client of any colour."""

    def __init__(self, raw: Any, *, is_blocking: bool) -> None:
        self.raw = raw
        self._is_blocking = is_blocking

    @property
    def db(self) -> Any:
        return self.raw.db

    @property
    def reducers(self) -> Any:
        return self.raw.module.reducers

    @property
    def procedures(self) -> Any:
        return self.raw.module.procedures

    async def _do(self, result: Any) -> Any:
        return await result if inspect.isawaitable(result) else result

    async def call(self, call: Any, **options: Any) -> Any:
        return await self._do(self.raw.call(call, **options))

    async def query(self, query: Any, **options: Any) -> list[Any]:
        return await self._do(self.raw.query(query, **options))

    async def subscribe(self, *queries: Any, **options: Any) -> Any:
        return await self._do(self.raw.subscribe(*queries, **options))

    async def unsubscribe(self, subscription: Any) -> None:
        await self._do(subscription.unsubscribe())

    async def close(self) -> None:
        await self._do(self.raw.close())

    async def pause(self, seconds: float) -> None:
        """Let time pass, with the client moving."""
        if self._is_blocking:
            self.raw._driver.pump_until(lambda: False, time.monotonic() + seconds)
        else:
            await anyio.sleep(seconds)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, "it never became so"
            if self._is_blocking:
                self.raw._driver.pump_until(is_so, time.monotonic() + 0.05)
            else:
                await anyio.sleep(0.002)


class Kit:
    """What a scenario has to work with."""

    def __init__(self, driver: str, server: ThreadServer, frames: str = "fast") -> None:
        self.driver = driver
        self.server = server
        self.frames = frames
        self.is_blocking = driver == "blocking"

    @asynccontextmanager
    async def connect(
        self,
        module: Module[Any] | None = None,
        *,
        url: str | None = None,
        database: str = "world",
        prepare: Callable[[Any], None] = lambda raw: None,
        **options: Any,
    ) -> AsyncIterator[Client]:
        """Connect a client; `prepare` gets it before anything is done with it."""
        host = self.server.url if url is None else url
        options.setdefault("frames", self.frames)
        if self.is_blocking:
            with blocking.connect(host, database, module, **options) as raw:
                prepare(raw)
                yield Client(raw, is_blocking=True)
        else:
            async with connect(host, database, module, **options) as raw:
                prepare(raw)
                yield Client(raw, is_blocking=False)

    def run(self, scenario: Callable[..., Coroutine[Any, Any, None]], **fixtures: Any) -> None:
        """Run a scenario to its end."""

        async def run() -> None:
            await scenario(**fixtures)

        if self.is_blocking:
            finish(run())
        else:
            run_async(self.driver, run)

    def both_colours(self, function: Callable[..., Any]) -> list[Callable[..., Any]]:
        """Return `function` as the callbacks that this driver can run: plain, and async if it may."""

        async def coloured(*args: Any) -> None:
            await anyio.lowlevel.checkpoint()
            function(*args)

        return [function] if self.is_blocking else [function, coloured]


def run_async(driver: str, function: Callable[[], Awaitable[None]]) -> None:
    """Run an async function under asyncio, uvloop or trio."""
    if driver == "uvloop":
        anyio.run(function, backend="asyncio", backend_options={"use_uvloop": True})
    else:
        anyio.run(function, backend=driver)


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that has no reason to suspend."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("a blocking scenario waited for an event loop")


def no_tasks_left() -> bool:
    """Whether the running asyncio loop has no task but this one; True on trio."""
    try:
        return len(asyncio.all_tasks()) == 1
    except RuntimeError:
        return True
