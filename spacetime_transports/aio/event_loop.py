"""The event loop that runs a client: asyncio or trio, reached from its own thread or any other."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

#: The tasks of clients. An asyncio loop keeps only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


class EventLoop:
    """A running event loop; made inside it.

    Attributes:
        is_trio: whether it is trio; else it is asyncio (or uvloop, or another one with its API).
    """

    def __init__(self) -> None:
        token = anyio.lowlevel.current_token()
        # anyio 4.11 wrapped what was the native object before.
        self._native: Any = getattr(token, "native_token", token)
        self._thread = threading.get_ident()
        self.is_trio = not hasattr(self._native, "call_soon_threadsafe")

    @property
    def is_here(self) -> bool:
        """Whether this is the loop's own thread."""
        return threading.get_ident() == self._thread

    def call_soon(self, function: Callable[[], object]) -> None:
        """Let the loop call `function`, if it still runs; from any thread."""
        with contextlib.suppress(RuntimeError):  # it has ended; trio.RunFinishedError is one too
            if self.is_trio:
                self._native.run_sync_soon(function)
            else:
                self._native.call_soon_threadsafe(function)

    def interrupt(self, function: Callable[[], object]) -> None:
        """Let the loop call `function`, if it still runs; from any thread and from signal handlers.

        A signal handler runs in the loop's own thread between any two steps of the program, so
        `function` is never called right here. If no task is running, the loop may be waiting for
        its sockets, and only the thread-safe call wakes it.
        """
        if not self.is_trio and self.is_here:
            import asyncio

            if asyncio.current_task(self._native) is not None:
                with contextlib.suppress(RuntimeError):
                    self._native.call_soon(function)
                return
        self.call_soon(function)

    def create_task(
        self, coroutine: Coroutine[Any, Any, None], name: str, when_done: Callable[[], object]
    ) -> asyncio.Task[None]:
        """Start a task of asyncio that belongs to nobody; `when_done` is called when it is over.

        What it raises is nobody's concern here, except that asyncio itself lets KeyboardInterrupt and
        SystemExit through to whoever runs the loop.
        """

        def over(task: asyncio.Task[None]) -> None:
            _tasks.discard(task)
            if not task.cancelled():
                task.exception()  # asked for, so asyncio does not say that nobody did
            when_done()

        task: asyncio.Task[None] = self._native.create_task(coroutine, name=name)
        _tasks.add(task)
        task.add_done_callback(over)
        return task

    def is_cancelled(self, error: BaseException) -> bool:
        """Whether `error` is the cancellation of this task, by whatever means.

        A callback can also raise asyncio's CancelledError without that: it awaited something that
        was cancelled.
        """
        if not isinstance(error, anyio.get_cancelled_exc_class()):
            return False
        if self.is_trio:
            return True  # trio makes them only for a cancelled scope
        import asyncio

        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
