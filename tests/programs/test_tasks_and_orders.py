"""Where an async client may begin and where it may end: in any task, in any order."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.errors import Disconnected, LocalProtocolError
from spacetime_transports import connect
from tests.scenarios.kit import no_tasks_left, run_async
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from spacetime_transports.server import ThreadServer

    Main = Callable[[], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    """Return what runs a program's ``main`` and sees that no task outlives it."""

    def run(main: Main) -> None:
        async def whole() -> None:
            await main()
            await until(no_tasks_left)

        run_async(request.param, whole)

    return run


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not is_so():  # noqa: ASYNC110  # what is waited for has no event
            await anyio.sleep(0.002)


async def in_a_task(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.create_task(coroutine)


async def opened(server: ThreadServer, **options: Any) -> Any:
    return await connect(server.url, "world", **options)


async def use(client: Any) -> None:
    """Do what programs do: subscribe, call, query, look."""
    await client.subscribe("SELECT * FROM item")
    before = client.db.item.count()
    await client.call(client.module.reducers.add_item(name="x", amount=1))
    assert client.db.item.count() == before + 1
    assert len(await client.query("SELECT * FROM item")) == before + 1


def test_one_task_opens_another_uses_a_third_closes(run: Any, server: ThreadServer) -> None:
    async def main() -> None:
        client = await in_a_task(opened(server))
        assert client.state == "connected"
        await in_a_task(use(client))
        await in_a_task(client.close())
        assert client.state == "closed"
        await client.wait_closed()
        await client.close()

    run(main)


def test_clients_are_closed_in_the_order_in_which_they_were_opened(
    run: Any, server: ThreadServer
) -> None:
    async def main() -> None:
        first, second = await opened(server), await opened(server)
        await use(first)
        await first.close()
        await use(second)
        await second.close()

    run(main)


def test_contexts_are_left_in_the_order_in_which_they_were_entered(
    run: Any, server: ThreadServer
) -> None:
    async def main() -> None:
        contexts = [connect(server.url, "world") for _ in range(2)]
        clients = [await context.__aenter__() for context in contexts]
        for context, client in zip(contexts, clients, strict=True):
            await use(client)
            await context.__aexit__(None, None, None)

    run(main)


def test_an_exit_stack_is_unwound_in_another_task(run: Any, server: ThreadServer) -> None:
    async def main() -> None:
        stack = AsyncExitStack()

        async def start() -> list[Any]:
            return [await stack.enter_async_context(connect(server.url, "world")) for _ in range(2)]

        clients = await in_a_task(start())
        for client in clients:
            await use(client)
        await in_a_task(stack.aclose())
        assert [client.state for client in clients] == ["closed", "closed"]

    run(main)


class Bot:
    """Runs its hooks as the libraries for chat bots do: each event is a task."""

    def __init__(self, server: ThreadServer) -> None:
        self.server = server
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Bot:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def start(self) -> None:
        await self.setup_hook()
        for number in range(3):
            self.tasks.append(asyncio.create_task(self.on_message(f"message {number}")))
        await asyncio.gather(*self.tasks)

    async def setup_hook(self) -> None:
        self.spacetime = await opened(self.server)
        await self.spacetime.subscribe("SELECT * FROM note")

    async def on_message(self, text: str) -> None:
        await self.spacetime.call(self.spacetime.module.reducers.write_note(text=text))

    async def close(self) -> None:
        await self.spacetime.close()


def test_the_hooks_of_a_bot(run: Any, server: ThreadServer) -> None:
    async def main() -> None:
        bot = Bot(server)
        async with bot:
            await in_a_task(bot.start())
            assert bot.spacetime.db.note.count() == 3
        assert bot.spacetime.state == "closed"

    run(main)


def test_a_bot_that_one_of_its_handlers_ends(run: Any, server: ThreadServer) -> None:
    async def main() -> None:
        bot = Bot(server)
        await in_a_task(bot.setup_hook())
        await in_a_task(bot.close())
        await bot.close()

    run(main)


def test_a_generator_that_yields_a_client(run: Any, server: ThreadServer) -> None:
    """Dependencies of web frameworks and fixtures are entered in one task and left in another."""

    @asynccontextmanager
    async def resource() -> AsyncIterator[Any]:
        async with connect(server.url, "world") as client:
            yield client

    async def main() -> None:
        context = resource()
        client = await in_a_task(context.__aenter__())
        await use(client)
        await in_a_task(context.__aexit__(None, None, None))

    run(main)


def test_any_thread_ends_it_soon(run: Any, server: ThreadServer) -> None:
    async def main() -> None:
        client = await opened(server)
        thread = threading.Thread(target=client.close_soon)
        thread.start()
        await client.wait_closed(PATIENCE)
        thread.join()
        client.close_soon()

    run(main)


def test_a_program_that_waits_for_the_end_is_told_the_reason(
    run: Any, server: ThreadServer
) -> None:
    async def main() -> None:
        client = await opened(server)
        server_loses = asyncio.get_running_loop().run_in_executor(None, server.drop_connections)
        with pytest.raises(Disconnected):
            await client.wait_closed(PATIENCE)
        await server_loses
        assert client.state == "closed"
        await client.close()

    run(main)


def test_an_end_that_nobody_waited_for_is_raised_by_the_next_request(
    run: Any, server: ThreadServer
) -> None:
    async def main() -> None:
        client = await opened(server)
        await asyncio.get_running_loop().run_in_executor(None, server.drop_connections)
        await until(lambda: client.state == "closed")
        with pytest.raises(Disconnected):
            await client.query("SELECT * FROM item")
        await client.close()

    run(main)


def test_giving_up_on_connecting_leaves_nothing_behind(run: Any) -> None:
    async def main() -> None:
        async def silent(reader: Any, writer: Any) -> None:
            await reader.read()
            writer.close()

        listener = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]

        async def open_it() -> Any:
            return await connect(f"http://127.0.0.1:{port}", "world")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(open_it(), 0.1)
        listener.close()

    run(main)


def test_giving_up_on_a_call_leaves_a_working_client(run: Any, server: ThreadServer) -> None:
    async def main() -> None:
        client = await opened(server)
        call = client.module.procedures.wait(micros=1_000_000_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.call(call), 0.1)
        await use(client)
        await client.close()

    run(main)


def test_the_task_that_opened_it_may_be_cancelled(run: Any, server: ThreadServer) -> None:
    async def main() -> None:
        clients: list[Any] = []
        is_open = asyncio.Event()

        async def keep() -> None:
            clients.append(await opened(server))
            is_open.set()
            await asyncio.sleep(PATIENCE)

        task = asyncio.create_task(keep())
        await is_open.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await use(clients[0])
        await clients[0].close()

    run(main)


def test_one_program_runs_one_event_loop_after_another(run: Any, server: ThreadServer) -> None:
    modules: list[Any] = []

    async def main() -> None:
        async with connect(server.url, "world", *modules) as client:
            await use(client)
            modules[:] = [client.module]

    run(main)
    run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_in_a_task_group(server: ThreadServer, backend: str) -> None:
    async def main() -> None:
        client: Any = connect(server.url, "world")
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                await tasks.start(client.run)
                assert client.state == "connected"
                await use(client)
                await client.close()
        assert client.state == "closed"

    run_async(backend, main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_group_that_is_cancelled(server: ThreadServer, backend: str) -> None:
    async def main() -> None:
        client: Any = connect(server.url, "world")
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                await tasks.start(client.run)
                await use(client)
                tasks.cancel_scope.cancel()
        assert client.state == "closed"

    run_async(backend, main)


def test_trio_says_how_it_is_done_there(server: ThreadServer) -> None:
    async def main() -> None:
        with pytest.raises(LocalProtocolError, match=r"nursery\.start"):
            await connect(server.url, "world")

    run_async("trio", main)
