"""Programs that fork: a child cannot use the parent's client, and cannot harm it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ended, finish, python_text

if TYPE_CHECKING:
    from spacetime_transports.server import ThreadServer

#: From 3.12 on Python warns of every fork in a program with threads, the keeper's among them.
FORKS = "ignore:This process:DeprecationWarning"

BLOCKING = """
    import multiprocessing, sys
    from spacetime_proto.errors import LocalProtocolError
    from spacetime_transports import blocking

    def attempt(action):
        try:
            action()
        except LocalProtocolError as error:
            return str(error)
        return "no error"

    def in_the_child(number):
        call = client.module.reducers.write_note(text="from the child")
        told = [
            attempt(lambda: client.call(call)),
            attempt(lambda: client.submit(call)),
            attempt(lambda: client.query("SELECT * FROM note")),
            attempt(lambda: client.subscribe("SELECT * FROM note")),
        ]
        client.close()  # lets go of the child's copy, in silence
        # One of its own is fine.
        with blocking.connect(sys.argv[1], "world") as own:
            own.call(own.module.reducers.write_note(text=f"child {number}"))
        return told

    with blocking.connect(sys.argv[1], "world", reconnect=RECONNECT) as client:
        client.subscribe("SELECT * FROM note")
        before = client.connection_id
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for told in pool.map(in_the_child, range(4)):
                assert all("process" in text for text in told), told
            pool.close()
            pool.join()
        client.call(client.module.reducers.nothing())
        print(sorted(row.text for row in client.db.note), client.state)
        assert client.connection_id == before
"""

ASYNCIO = """
    import asyncio, multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    from spacetime_proto.errors import LocalProtocolError
    from spacetime_transports import connect

    async def attempt(action):
        try:
            await action
        except LocalProtocolError as error:
            return str(error)
        return "no error"

    async def use(number):
        call = client.module.reducers.write_note(text="from the child")
        told = [
            await attempt(client.call(call, timeout=5)),
            await attempt(client.query("SELECT * FROM note")),
            await attempt(client.subscribe("SELECT * FROM note")),
        ]
        await client.close()  # lets go of the child's copy, in silence
        async with connect(sys.argv[1], "world") as own:
            await own.call(own.module.reducers.write_note(text=f"child {number}"))
        return told

    def in_the_child(number):
        return asyncio.run(use(number))

    async def main():
        global client
        async with connect(sys.argv[1], "world") as client:
            await client.subscribe("SELECT * FROM note")
            before = client.connection_id
            loop = asyncio.get_running_loop()
            with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
                for number in range(4):
                    told = await loop.run_in_executor(pool, in_the_child, number)
                    assert all("process" in text for text in told), told
            await client.call(client.module.reducers.nothing())
            print(sorted(row.text for row in client.db.note), client.state)
            assert client.connection_id == before

    asyncio.run(main())
"""

#: A child that only ends: what is collected and closed at its exit is the parent's too.
ENDING = """
    import os, sys
    from spacetime_transports import blocking

    with blocking.connect(sys.argv[1], "world") as client:
        child = os.fork()
        if child == 0:
            sys.exit(0)
        os.waitpid(child, 0)
        client.call(client.module.reducers.nothing())
        print("still", client.state)
"""


@pytest.mark.parametrize(
    "program",
    [
        BLOCKING.replace("RECONNECT", "False"),
        BLOCKING.replace("RECONNECT", "True"),
        ASYNCIO,
    ],
    ids=["blocking", "blocking with reconnect", "asyncio"],
)
def test_a_pool_of_forked_processes(server: ThreadServer, program: str) -> None:
    with ended(python_text(program, server.url, ignoring=FORKS)) as process:
        output = finish(process)
    assert "['child 0', 'child 1', 'child 2', 'child 3'] connected" in output


def test_a_forked_child_that_ends_with_the_client_in_it(server: ThreadServer) -> None:
    """`sys.exit` in the child leaves the ``with`` block, as it does in the parent."""
    program = ENDING
    with ended(python_text(program, server.url, ignoring=FORKS)) as process:
        output = process.communicate(timeout=60)[0]
    assert "still connected" in output
