"""Threads around one client: web workers on a blocking one, threads beside an event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import Disconnected
from spacetime_transports import ReconnectPolicy, blocking, connect
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from spacetime_transports.server import ThreadServer


def test_workers_share_a_blocking_client_and_lose_the_connection(server: ThreadServer) -> None:
    """Each request waits for the connection to come back; what was cut off says that it was."""
    policy = ReconnectPolicy(first_delay=0.01, max_delay=0.05)
    halfway = threading.Barrier(5)

    def work(client: Any, number: int) -> int:
        done = 0
        for step in range(20):
            if step == 10:
                halfway.wait(PATIENCE)  # the connection is lost now
                halfway.wait(PATIENCE)
            call = client.module.procedures.add(lhs=number, rhs=step)
            try:
                assert client.call(call, timeout=PATIENCE) == number + step
            except Disconnected as error:
                assert error.outcome_unknown
            else:
                done += 1
        return done

    with blocking.connect(server.url, "world", reconnect=policy) as client:
        with ThreadPoolExecutor(4) as pool:
            results = [pool.submit(work, client, number) for number in range(4)]
            halfway.wait(PATIENCE)
            server.drop_connections()
            halfway.wait(PATIENCE)
            assert all(result.result() >= 18 for result in results)
        assert client.state == "connected"
        assert client.stats.connections == 2


def test_a_client_that_another_thread_opened_and_a_third_closes(server: ThreadServer) -> None:
    def run(function: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function).result(PATIENCE)

    client: Any = run(lambda: blocking.connect(server.url, "world"))
    client.call(client.module.reducers.nothing())
    run(client.close)
    assert client.state == "closed"


def test_each_thread_has_its_event_loop(server: ThreadServer) -> None:
    async def use(number: int) -> int:
        async with connect(server.url, "world") as client:
            return await client.call(client.module.procedures.add(lhs=number, rhs=1))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda number: asyncio.run(use(number)), range(6))) == [*range(1, 7)]


def test_threads_beside_an_event_loop(server: ThreadServer) -> None:
    """They hand their requests to the loop, and read the cache under the lock."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with connect(server.url, "world") as client:
            await client.subscribe("SELECT * FROM note")

            def work() -> int:
                call = client.module.reducers.write_note(text=threading.current_thread().name)
                asyncio.run_coroutine_threadsafe(client.call(call), loop).result(PATIENCE)
                with client.lock:
                    return int(client.db.note.count())

            counts = await asyncio.gather(*(asyncio.to_thread(work) for _ in range(8)))
            assert all(counts)

    asyncio.run(main())


@pytest.mark.parametrize("is_daemon", [False, True])
def test_a_program_that_ends_without_closing(server: ThreadServer, is_daemon: bool) -> None:
    """Neither the keeper nor a thread in `run` keeps the interpreter from ending."""
    from tests.support.processes import ended, finish, python_text

    program = """
        import sys
        from spacetime_transports import blocking
        client = blocking.connect(sys.argv[1], "world")
        client.subscribe("SELECT * FROM note")
        if sys.argv[2] == "True":
            client.run_threaded()
        print("end of the program")
    """
    with ended(python_text(program, server.url, str(is_daemon))) as process:
        assert "end of the program" in finish(process)
