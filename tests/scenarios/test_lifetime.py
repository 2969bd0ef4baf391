"""How an async client may be begun and ended: by any task, in any order, with nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.errors import (
    ConnectError,
    Disconnected,
    LocalProtocolError,
)
from spacetime_transports import connect
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from spacetime_transports import AsyncClient
    from tests.scenarios.kit import Kit

ON_ASYNCIO = pytest.mark.only("asyncio", "uvloop")


def open_sockets() -> int:
    """Return how many sockets this process has open."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
        except OSError:
            continue
    return found


@pytest.fixture
def nothing_left(kit: Kit, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Afterwards asyncio must have had nothing to complain about."""
    with caplog.at_level(logging.DEBUG, "asyncio"):
        yield
        gc.collect()  # a task that was destroyed, or an exception that nobody asked for, is told now
    assert [one.getMessage() for one in caplog.records if one.levelno > logging.DEBUG] == []


def begin(kit: Kit, **options: Any) -> AsyncClient[Any]:
    return connect(kit.server.url, "world", frames=kit.frames, **options)


def others() -> list[str]:
    """Return the names of the running loop's tasks, this one excepted."""
    me = asyncio.current_task()
    return [task.get_name() for task in asyncio.all_tasks() if task is not me]


# --- awaited ------------------------------------------------------------------------------------


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_awaited_and_closed_by_another_task(kit: Kit) -> None:
    client = await begin(kit)
    assert client.is_connected
    assert sorted(others()) == ["spacetime-world", "spacetime-world-write"]
    assert await client.call(client.module.procedures.add(lhs=1, rhs=2)) == 3
    await asyncio.create_task(client.close())
    assert others() == []
    await client.wait_closed()
    await client.close()


@ON_ASYNCIO
async def test_an_awaited_client_serves_as_a_context_manager_too(kit: Kit) -> None:
    async with await begin(kit) as client:
        await client.call(client.module.reducers.nothing())
    assert not client.is_connected
    with pytest.raises(LocalProtocolError, match="entered once"):
        await client
    with pytest.raises(LocalProtocolError, match="entered once"):
        await client.__aenter__()


@pytest.mark.only("trio")
async def test_trio_says_how_else(kit: Kit) -> None:
    client = begin(kit)
    with pytest.raises(LocalProtocolError, match=r"async with .*nursery\.start\(.*\.run\)"):
        await client
    async with client:  # nothing was used up
        await client.call(client.module.reducers.nothing())


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_two_clients_closed_in_the_order_in_which_they_were_opened(kit: Kit) -> None:
    first, second = begin(kit), begin(kit)
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    await second.call(second.module.reducers.nothing())
    await second.__aexit__(None, None, None)
    third, fourth = await begin(kit), await begin(kit)
    await third.close()
    await fourth.call(fourth.module.reducers.nothing())
    await fourth.close()
    assert others() == []


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_an_exit_stack_unwound_by_another_task(kit: Kit) -> None:
    stack = AsyncExitStack()
    client = await stack.enter_async_context(begin(kit))
    await client.subscribe("SELECT * FROM item")
    await asyncio.create_task(stack.aclose())
    assert others() == []


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_a_bot_with_setup_hook_and_close(kit: Kit) -> None:
    """Discord's library calls both of them, in tasks of its choice."""

    class Bot:
        async def setup_hook(self) -> None:
            self.client = await begin(kit)

        async def close(self) -> None:
            await self.client.close()

    bot = Bot()
    await asyncio.wait_for(bot.setup_hook(), PATIENCE)
    await asyncio.create_task(bot.client.call(bot.client.module.reducers.nothing()))
    await asyncio.create_task(bot.close())
    assert others() == []


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_the_lifespan_of_a_web_framework(kit: Kit) -> None:
    """Servers step through an async generator, each step perhaps in another task and timeout."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[AsyncClient[Any]]:
        async with begin(kit) as client:
            yield client

    context = lifespan()
    async with asyncio.timeout(PATIENCE):
        client = await asyncio.create_task(context.__aenter__())
    await asyncio.wait_for(client.call(client.module.reducers.nothing()), PATIENCE)
    await asyncio.create_task(context.__aexit__(None, None, None))
    assert others() == []


# --- run ----------------------------------------------------------------------------------------


@pytest.mark.only("async")
@pytest.mark.usefixtures("nothing_left")
async def test_a_task_group_starts_it(kit: Kit) -> None:
    async with anyio.create_task_group() as tasks:
        client = await tasks.start(begin(kit).run)
        assert client.is_connected
        await client.call(client.module.reducers.nothing())
        await client.close()
    async with anyio.create_task_group() as tasks:
        client = await tasks.start(begin(kit).run)
        tasks.cancel_scope.cancel()
    assert not client.is_connected
    with pytest.raises(Disconnected, match="cancelled"):
        await client.call(client.module.reducers.nothing())


@pytest.mark.only("async")
async def test_a_nursery_of_trio_starts_it_too(kit: Kit) -> None:
    if kit.driver != "trio":
        return
    import trio

    async with trio.open_nursery() as nursery:
        client = await nursery.start(begin(kit).run)
        await client.call(client.module.reducers.nothing())
        client.close_soon()


@pytest.mark.only("async")
async def test_run_raises_what_nobody_was_told(kit: Kit) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as tasks:
            client = await tasks.start(begin(kit).run)
            kit.server.drop_connections()
            await anyio.sleep_forever()
    assert caught.group_contains(Disconnected)
    with pytest.raises(Disconnected):
        await client.wait_connected()


@pytest.mark.only("async")
async def test_start_raises_why_there_is_no_connection(kit: Kit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises((ConnectError, ExceptionGroup)) as caught:
        async with anyio.create_task_group() as tasks:
            await tasks.start(connect(f"http://127.0.0.1:{port}", "world").run)
    error: Any = caught.value
    assert isinstance(error, ConnectError) or error.exceptions[0].__class__ is ConnectError


@pytest.mark.only("async")
async def test_run_in_a_task_that_has_not_started(kit: Kit) -> None:
    client = begin(kit)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run)
        await client.wait_connected(PATIENCE)
        await client.call(client.module.reducers.nothing())
        await client.close()


@pytest.mark.only("async")
async def test_a_client_is_begun_once_whichever_way(kit: Kit) -> None:
    async with anyio.create_task_group() as tasks:
        client = await tasks.start(begin(kit).run)
        with pytest.raises(LocalProtocolError, match="entered once"):
            await client.run()
        await client.close()


# --- cancelled ----------------------------------------------------------------------------------


@ON_ASYNCIO
@pytest.mark.parametrize("awaited", [True, False])
@pytest.mark.usefixtures("nothing_left")
async def test_cancelled_while_connecting(kit: Kit, *, awaited: bool) -> None:
    """At every step of it: the server accepts and says nothing, and at a few earlier points."""
    anyio_version = tuple(map(int, version("anyio").split(".")[:2]))
    if kit.driver == "uvloop" and anyio_version < (4, 16):
        pytest.skip(
            "cancelled, connect_tcp of anyio before 4.16 leaves the transport of uvloop open"
        )
    before = open_sockets()

    async def enter(client: AsyncClient[Any]) -> None:
        if awaited:
            await client
        else:
            async with client:
                pytest.fail("connected")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for steps in (0, 1, 2, 5, 20, 200):
            task = asyncio.create_task(enter(connect(url, "world", frames=kit.frames)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert others() == []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await enter(connect(url, "world", frames=kit.frames))
        with anyio.move_on_after(0.02) as scope:
            await enter(connect(url, "world", frames=kit.frames))
        assert scope.cancelled_caught
    assert others() == []
    await asyncio.sleep(0)  # asyncio closes an aborted socket in the next round
    await asyncio.sleep(0)
    assert open_sockets() == before


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_cancelled_in_the_block(kit: Kit) -> None:
    before = open_sockets()
    entered = asyncio.Event()

    async def work() -> None:
        async with begin(kit) as client:
            entered.set()
            await client.call(client.module.procedures.wait(micros=60_000_000))

    task = asyncio.create_task(work())
    await entered.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert others() == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await work()
    assert others() == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert open_sockets() <= before + 2  # the server's ends of them may close a little later


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_cancelling_one_waiter_leaves_the_others_alone(kit: Kit) -> None:
    async with begin(kit) as client:
        wait = client.module.procedures.wait
        slow = asyncio.create_task(client.call(wait(micros=60_000_000)))
        mine = asyncio.create_task(client.call(wait(micros=100_000)))
        ending = asyncio.create_task(client.wait_closed())
        await asyncio.sleep(0)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.wait_closed()
        assert await mine is not None
        assert client.is_connected
        await client.close()
        await ending


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_a_close_that_was_cancelled_goes_on(kit: Kit) -> None:
    client = await begin(kit)
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    closing.cancel()
    await client.wait_closed(PATIENCE)
    assert not client.is_connected


@pytest.mark.only("asyncio")
@pytest.mark.parametrize("in_block", [True, False])
@pytest.mark.usefixtures("nothing_left")
def test_a_program_that_ends_with_the_client_open(
    kit: Kit, recwarn: pytest.WarningsRecorder, *, in_block: bool
) -> None:
    before = open_sockets()

    async def main() -> None:
        entered = asyncio.Event()

        async def forever() -> None:
            async with begin(kit):
                entered.set()
                await asyncio.sleep(3600)

        if in_block:
            task = asyncio.create_task(forever())
            await entered.wait()
            del task
        else:
            await begin(kit)

    asyncio.run(main())
    gc.collect()
    assert [str(one.message) for one in recwarn] == []
    assert open_sockets() <= before + 1


# --- an error that nobody awaits ----------------------------------------------------------------


@ON_ASYNCIO
async def test_an_error_that_nobody_awaits(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    client = await begin(kit)
    kit.server.drop_connections()
    background = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.wait(background, timeout=PATIENCE)
    assert others() == []
    lines = [one for one in caplog.records if one.name == "spacetimedb.client"]
    assert [one.levelname for one in lines if one.levelno >= logging.ERROR] == ["ERROR"]
    assert "world" in lines[-1].getMessage()
    assert "connection" in lines[-1].getMessage()
    with pytest.raises(Disconnected, match="connection"):
        await client.wait_closed()
    await client.close()
    with pytest.raises(Disconnected, match=r"cannot call 'nothing'.*connection"):
        await client.call(client.module.reducers.nothing())
    with pytest.raises(Disconnected, match="connection"):
        client.submit(client.module.reducers.nothing())
    with pytest.raises(Disconnected, match="connection"):
        await client.wait_closed()
