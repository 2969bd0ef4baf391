"""A task that waits for one thing once, at the price of the event loop's own primitive.

Each new `anyio.Event` looks up which event loop runs, and supports any number of waiting tasks. A
call is awaited by one task, so a plain asyncio future does. This is part of the change that halved
the CPU time of awaited calls (benchmarks/TRIED.md).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    import trio


class Waiter(Protocol):
    """Something that one task waits for."""

    def set(self, *_: object) -> None:
        """Wake the task; in the event loop's own thread, once or several times.

        The arguments are ignored: this serves as the ``on_done`` callback of a call.
        """

    def wait(self) -> Awaitable[object]:
        """Wait for `set`; returns at once if that was called before. May be cancelled."""
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

    def __init__(self, event: trio.Event) -> None:
        self._event = event

    def set(self, *_: object) -> None:
        self._event.set()

    def wait(self) -> Awaitable[object]:
        return self._event.wait()


def waiter_factory() -> Callable[[], Waiter]:
    """Return what makes waiters for the event loop that runs this task."""
    trio = _running_trio()
    if trio is not None:
        return lambda: _TrioWaiter(trio.Event())
    import asyncio

    loop = asyncio.get_running_loop()
    return lambda: _AsyncioWaiter(loop)


def clock() -> Callable[[], float]:
    """Return the clock of the event loop that runs this task: `anyio.current_time`, for any thread."""
    trio = _running_trio()
    if trio is not None:
        return trio.lowlevel.current_clock().current_time  # type: ignore[no-any-return]  # a module
    import asyncio

    return asyncio.get_running_loop().time


def _running_trio() -> Any:
    """Return the module trio if it runs this task, else None."""
    trio = sys.modules.get("trio")
    if trio is not None:
        # Trio is tried first: in guest mode its tasks run inside an asyncio loop, and both are found.
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            return None
    return trio
