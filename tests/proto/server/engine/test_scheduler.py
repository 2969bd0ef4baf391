"""`scheduler`: tasks run in order of time."""

from __future__ import annotations

from spacetime_proto.server.engine.scheduler import Scheduler
from spacetime_proto.types import Timestamp


def test_tasks_run_when_they_are_due_in_order() -> None:
    scheduler = Scheduler()
    assert scheduler.deadline is None
    ran: list[tuple[str, int]] = []
    for name, at in (("late", 30), ("first", 10), ("second", 10)):
        scheduler.add(
            Timestamp(at),
            lambda now, name=name: ran.append((name, now.micros_since_unix_epoch)),  # type: ignore[misc]
        )
    assert scheduler.deadline == Timestamp(10)
    scheduler.run(Timestamp(9))
    assert ran == []
    scheduler.run(Timestamp(20))
    assert ran == [("first", 20), ("second", 20)]
    scheduler.run(Timestamp(30))
    assert ran[2:] == [("late", 30)]


def test_a_task_that_enters_another_does_not_run_it_at_once() -> None:
    scheduler = Scheduler()
    ran: list[int] = []

    def task(now: Timestamp) -> None:
        ran.append(now.micros_since_unix_epoch)
        scheduler.add(now, task)

    scheduler.add(Timestamp(0), task)
    scheduler.run(Timestamp(5))
    assert ran == [5]
    assert scheduler.deadline == Timestamp(5)
