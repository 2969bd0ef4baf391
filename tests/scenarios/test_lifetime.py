"""How an async client may be begun and ended: by any task, in any order, with nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.errors import (
    CallTimeout,
    ConnectError,
    Disconnected,
    LocalProtocolError,
    SpacetimeError,
)
from spacetime_transports import ReconnectPolicy, connect
from tests.scenarios.kit import run_async
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from spacetime_transports import AsyncClient
    from tests.scenarios.kit import Kit

ON_ASYNCIO = pytest.mark.only("asyncio", "uvloop")
FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.05)


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
    assert others() == ["spacetime-world"]
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
        async def forever() -> None:
            async with begin(kit):
                await asyncio.sleep(3600)

        if in_block:
            task = asyncio.create_task(forever())
            while not others() or "spacetime-world" not in others():
                await asyncio.sleep(0)
            del task
        else:
            await begin(kit)

    asyncio.run(main())
    gc.collect()
    assert [str(one.message) for one in recwarn] == []
    assert open_sockets() <= before + 1


# --- what a callback raises that is no Exception ------------------------------------------------


class Fatal(BaseException):
    """Like KeyboardInterrupt, without asyncio's special treatment."""


@pytest.mark.only("async")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Fatal])
def test_it_surfaces_as_it_is(kit: Kit, kind: type[BaseException]) -> None:
    """asyncio lets the first two through to whoever runs the loop; of others a client says only that
    it is over. Under trio all of them come out of the block."""
    seen: list[BaseException] = []

    async def explode(ctx: Any, row: Any) -> None:
        await anyio.sleep(0)
        raise kind("mine")

    async def main() -> None:
        async with begin(kit) as client:
            client.db.item.on_insert(explode)
            await client.subscribe("SELECT * FROM item")
            client.submit(client.module.reducers.add_item(name="x", amount=1))
            try:
                await client.wait_closed()
            except BaseException as error:
                seen.append(error)
                raise

    with pytest.raises(kind, match="mine"):
        run_async(kit.driver, main)


@ON_ASYNCIO
@pytest.mark.usefixtures("nothing_left")
async def test_a_callback_whose_work_was_cancelled_is_no_cancellation(kit: Kit) -> None:
    async def explode(ctx: Any, row: Any) -> None:
        work = asyncio.create_task(asyncio.sleep(3600))
        work.cancel()
        await work

    with pytest.raises(LocalProtocolError, match=r"explode raised CancelledError") as caught:
        async with begin(kit) as client:
            client.db.item.on_insert(explode)
            await client.subscribe("SELECT * FROM item")
            client.submit(client.module.reducers.add_item(name="x", amount=1))
            await client.wait_closed()
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


# --- an error that nobody awaits ----------------------------------------------------------------


@ON_ASYNCIO
async def test_an_error_that_nobody_awaits(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    client = await begin(kit)
    kit.server.drop_connections()
    with anyio.fail_after(PATIENCE):
        while others():
            await anyio.sleep(0.001)
    lines = [one for one in caplog.records if one.name == "spacetimedb.client"]
    assert [one.levelname for one in lines if one.levelno >= logging.ERROR] == ["ERROR"]
    assert "world" in lines[-1].getMessage()
    assert "without a close frame" in lines[-1].getMessage()
    with pytest.raises(Disconnected, match="without a close frame"):
        await client.wait_closed()
    await client.close()
    with pytest.raises(Disconnected, match="cannot call 'nothing'.*without a close frame"):
        await client.call(client.module.reducers.nothing())
    with pytest.raises(Disconnected, match="without a close frame"):
        client.submit(client.module.reducers.nothing())


# --- close_soon ---------------------------------------------------------------------------------


@pytest.mark.only("async")
async def test_close_soon_in_another_thread(kit: Kit) -> None:
    async with kit.connect() as client:
        thread = threading.Thread(target=client.raw.close_soon)
        thread.start()
        await client.raw.wait_closed(PATIENCE)
        thread.join()
        client.raw.close_soon()  # over already
    client.raw.close_soon()


def test_close_soon_of_a_blocking_client(kit: Kit) -> None:
    if not kit.is_blocking:
        return

    async def scenario() -> None:
        async with kit.connect() as client:
            thread = threading.Thread(target=client.raw.close_soon)
            thread.start()
            client.raw.run()
            thread.join()
            client.raw.close_soon()
        client.raw.close_soon()

    kit.run(scenario)


@pytest.mark.only("async")
@pytest.mark.parametrize("with_bindings", [True, False])
async def test_close_soon_before_it_is_entered(kit: Kit, *, with_bindings: bool) -> None:
    async with kit.connect() as other:
        module = other.raw.module if with_bindings else None
    client = connect(kit.server.url, "world", module)
    client.close_soon()
    with pytest.raises(Disconnected, match="closed before it was connected"):
        async with client:
            pytest.fail("connected")
    runs = connect(kit.server.url, "world", module)
    runs.close_soon()
    await runs.run()


@pytest.mark.only("async")
async def test_close_soon_while_connecting(kit: Kit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(f"http://127.0.0.1:{silent.getsockname()[1]}", "world")
        threading.Timer(0.02, client.close_soon).start()
        with pytest.raises(Disconnected, match="closed before it was connected"):
            async with client:
                pytest.fail("connected")


@pytest.mark.only("asyncio")
def test_close_soon_in_a_signal_handler_and_after_the_loop_has_ended(kit: Kit) -> None:
    clients: list[AsyncClient[Any]] = []

    async def main() -> None:
        async with begin(kit) as client:
            clients.append(client)
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            await client.wait_closed(PATIENCE)

    before = signal.signal(signal.SIGUSR1, lambda *_: clients[0].close_soon())
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGUSR1, before)
    clients[0].close_soon()

    async def other_loop() -> None:
        clients[0].close_soon()

    asyncio.run(other_loop())


@ON_ASYNCIO
async def test_close_soon_in_the_loops_own_thread_needs_no_wake_up(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kit.connect() as client:
        loop = client.raw._driver.loop
        monkeypatch.setattr(loop, "call_soon", lambda function: pytest.fail("woken"))
        client.raw.close_soon()
        await client.raw.wait_closed(PATIENCE)


# --- limits of waits ----------------------------------------------------------------------------


@pytest.mark.only("async")
async def test_waits_with_a_limit(kit: Kit) -> None:
    async with kit.connect(reconnect=ReconnectPolicy(first_delay=60)) as client:
        raw = client.raw
        await raw.wait_connected()
        await raw.wait_connected(0)
        texts = []
        for timeout in (0, 0.01):
            with pytest.raises(CallTimeout) as caught:
                await raw.wait_closed(timeout)
            texts.append(str(caught.value))
        kit.server.drop_connections()
        await client.until(lambda: not raw.is_connected)
        for timeout in (0, 0.01):
            with pytest.raises(CallTimeout) as caught:
                await raw.wait_connected(timeout)
            texts.append(str(caught.value))
        assert all("0 s" not in text and "None" not in text for text in texts)
        assert "0.01 s" in texts[-1]
        pending = raw.subscribe_soon("SELECT * FROM item")
        with pytest.raises(CallTimeout, match=r"SELECT \* FROM item"):
            await pending.wait_applied(0.01)
        with pytest.raises(CallTimeout):
            await raw.subscribe("SELECT * FROM item", timeout=0.01)
        await pending.unsubscribe()
        await pending.unsubscribe()
        with pytest.raises(LocalProtocolError, match="before it was applied"):
            await pending.wait_applied()
    with pytest.raises(SpacetimeError, match="closed"):
        await raw.wait_connected()
    await raw.wait_closed()


@pytest.mark.only("async")
async def test_waiting_to_be_connected_again(kit: Kit) -> None:
    async with kit.connect(reconnect=FAST) as client:
        for _ in range(3):
            kit.server.drop_connections()
            await client.until(lambda: not client.raw.is_connected)
            await client.raw.wait_connected(PATIENCE)
            await client.call(client.reducers.nothing())
