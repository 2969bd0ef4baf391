"""What a call is awaited with, under each event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
import trio

from spacetime_transports.aio.waiting import clock, waiter_factory

BACKENDS = ("asyncio", "trio")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_task_goes_on_when_it_is_woken(backend: str) -> None:
    async def main() -> None:
        make = waiter_factory()
        before, after = make(), make()
        before.set()
        before.set()
        await before.wait()
        log: list[str] = []

        async def wait() -> None:
            await after.wait()
            log.append("woken")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            assert log == []
            after.set("the call that is done")
            after.set()
        assert log == ["woken"]

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wait_can_be_cancelled_and_woken_later(backend: str) -> None:
    async def main() -> None:
        waiter = waiter_factory()()
        with anyio.move_on_after(0.01) as scope:
            await waiter.wait()
        assert scope.cancelled_caught
        waiter.set()

    anyio.run(main, backend=backend)


def test_trio_as_a_guest_of_asyncio_is_trio() -> None:
    async def guest() -> Any:
        make = waiter_factory()
        waiter = make()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter.wait)
            await trio.lowlevel.checkpoint()
            waiter.set()
        return type(waiter).__name__

    async def host() -> Any:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        outcome = await done
        assert type(waiter_factory()()).__name__ == "_AsyncioWaiter"
        return outcome.unwrap()

    assert asyncio.run(host()) == "_TrioWaiter"


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_clock_is_the_event_loop_s_in_any_thread(backend: str) -> None:
    async def main() -> None:
        now = clock()
        before = anyio.current_time()
        in_between = await anyio.to_thread.run_sync(now)
        assert before <= in_between <= anyio.current_time()

    anyio.run(main, backend=backend)
