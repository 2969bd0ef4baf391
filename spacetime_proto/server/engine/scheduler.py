"""Tasks for later, in order of time: scheduled rows and sleeping procedures."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TypeAlias

from ...types import Timestamp

#: Called with the time at which it runs.
Task: TypeAlias = Callable[[Timestamp], None]


class Scheduler:
    """A queue of tasks by time; tasks of one time run in the order in which they were entered."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Task]] = []
        self._count = 0

    @property
    def deadline(self) -> Timestamp | None:
        """When the next task is due, or None."""
        return Timestamp(self._heap[0][0]) if self._heap else None

    def add(self, at: Timestamp, task: Task) -> None:
        """Enter a task; one whose time is past runs at the next `run`."""
        self._count += 1
        heapq.heappush(self._heap, (at.micros_since_unix_epoch, self._count, task))

    def run(self, now: Timestamp) -> None:
        """Run the tasks that are due; tasks that they add wait for the next call."""
        due = []
        while self._heap and self._heap[0][0] <= now.micros_since_unix_epoch:
            due.append(heapq.heappop(self._heap)[2])
        for task in due:
            task(now)
