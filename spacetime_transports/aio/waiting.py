"""A task that waits for one thing once, at the price of the event loop's own primitive.

`anyio.Event` finds out anew at every construction which event loop this is, and keeps a list of those
who wait. A call has one waiter, who is known: a future of asyncio's own is enough for it. Part of what
halved the CPU of awaited calls (benchmarks/TRIED.md).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

__all__ = ["Waiter", "waiter_factory"]


class Waiter(Protocol):
    """Something that one task waits for."""

    def set(self, *_: object) -> None:
        """Let it go on; from the event loop's own thread, once or several times."""

    def wait(self) -> Awaitable[object]:
        """Wait for `set`, which may have come before; cancelling the wait is harmless."""
        ...


class _AsyncioWaiter:
    __slots__ = ("_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future: asyncio.Future[None] = loop.create_future()

    def set(self, *_: object) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def wait(self) -> Awaitable[object]:
        return self._future


class _TrioWaiter:
    __slots__ = ("_event",)

    def __init__(self, event: Any) -> None:
        self._event = event

    def set(self, *_: object) -> None:
        self._event.set()

    def wait(self) -> Awaitable[object]:
        waiting: Awaitable[object] = self._event.wait()
        return waiting


def waiter_factory() -> Callable[[], Waiter]:
    """Return what makes waiters for the event loop that runs this task."""
    trio = sys.modules.get("trio")
    if trio is not None:
        # Asked first: as a guest of asyncio, trio's tasks run inside a loop of that.
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            pass
        else:
            return lambda: _TrioWaiter(trio.Event())
    import asyncio

    loop = asyncio.get_running_loop()
    return lambda: _AsyncioWaiter(loop)
