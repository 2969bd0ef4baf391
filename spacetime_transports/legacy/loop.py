"""Tasks that belong to an event loop and to no task group.

Only the 0.7 API needs this: its ``connect`` returns while tasks go on in the background, under trio
too.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

import anyio

from ..aio.event_loop import EventLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine


class Loop(EventLoop):
    """A running event loop that is given tasks; made inside it."""

    def spawn(self, function: Callable[[], Coroutine[Any, Any, None]]) -> object:
        """Start a task that belongs to the loop; the result keeps it alive.

        The function must not raise anything except its cancellation.
        """
        if not self.is_trio:
            loop: asyncio.AbstractEventLoop = self._native
            return loop.create_task(function())
        import trio

        return trio.lowlevel.spawn_system_task(
            function, name="spacetime", context=contextvars.copy_context()
        )


class Background:
    """Tasks that can be ended together."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._scopes: set[anyio.CancelScope] = set()
        self._tasks: dict[object, object] = {}
        self._stopping = False
        self._empty = anyio.Event()

    def start_soon(self, function: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Start ``function(*args)``, which must not raise anything except its cancellation.

        Does nothing once `stop` was called.
        """
        if self._stopping:
            return
        key = object()
        self._tasks[key] = None

        async def run() -> None:
            scope = anyio.CancelScope()
            try:
                with scope:
                    self._scopes.add(scope)
                    if not self._stopping:
                        await function(*args)
            finally:
                self._scopes.discard(scope)
                del self._tasks[key]
                if self._stopping and not self._tasks:
                    self._empty.set()

        task = self._loop.spawn(run)
        if key in self._tasks:  # with asyncio's eager tasks it may be over already
            self._tasks[key] = task

    async def stop(self) -> None:
        """Cancel every task and wait until all have ended."""
        self._stopping = True
        for scope in list(self._scopes):
            scope.cancel()
        if self._tasks:
            with anyio.CancelScope(shield=True):
                await self._empty.wait()
