"""Ctrl-C ends every wait at once, and the program can still clean up."""

from __future__ import annotations

import signal
import socket
import textwrap
import threading
from typing import TYPE_CHECKING

import pytest

from spacetime_transports import blocking
from spacetime_transports.server import serve_in_thread
from tests.scenarios.world import make_module
from tests.support.processes import ended, finish, python_text, until_state, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_transports.server import ThreadServer


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """A shell that runs tests in the background has them, and their children, ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


#: What the program has: `client`, connected to `URL`; `SILENT` and `NOBODY`, where a connection is
#: accepted and never answered, and where none is accepted.
BLOCKING = """
    import signal, sys, threading, time
    from spacetime_transports import HttpClient, ReconnectPolicy, blocking
    from spacetime_proto import errors
    URL, SILENT, NOBODY = sys.argv[1:]

    def main(client):
        print("waiting", flush=True)
        begun = time.monotonic()
        try:
            WAIT
        except KeyboardInterrupt:
            print(f"interrupted after {time.monotonic() - begun:.1f} s", flush=True)
        else:
            print("not interrupted")

    with blocking.connect(URL, "world", OPTIONS) as client:
        client.subscribe("SELECT * FROM item")
        main(client)
        assert client.call(client.module.procedures.add(lhs=1, rhs=2), timeout=60) == 3
    # A thread that holds nothing up may take its time to end.
    print("done", [t.name for t in threading.enumerate()[1:] if not t.daemon])
"""

CLIENT_WAITS = {
    "call": "client.call(client.module.procedures.wait(micros=10**9))",
    "run": "client.run()",
    "one message": "client.advance_one_message(60)",
    "wait_closed": "client.wait_closed()",
    "connecting": "blocking.connect(SILENT, 'world', client.module, connect_timeout=60)",
    "the schema": "blocking.connect(SILENT, 'world', connect_timeout=60)",
    "a server that is not there": "blocking.connect(NOBODY, 'world', wait_for_server=60)",
    "an HTTP request": "HttpClient(SILENT).schema('world')",
}


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the URL of a listener that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """Return the URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("wait", CLIENT_WAITS)
def test_a_blocking_program(server: ThreadServer, silent: str, nobody: str, wait: str) -> None:
    program = BLOCKING.replace("WAIT", CLIENT_WAITS[wait]).replace("OPTIONS", "")
    with ended(python_text(program, server.url, silent, nobody)) as process:
        wait_for(process, "waiting")
        until_state(process, "S")
        process.send_signal(signal.SIGINT)
        wait_for(process, "interrupted after")
        assert finish(process) == "done []\n"


def test_while_a_blocking_client_starts_its_keeper(
    server: ThreadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if thread.name == "spacetime-keeper":
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        blocking.connect(server.url, "world")
    assert caught.value.__context__ is None


OFFLINE_WAITS = {
    "call": "client.call(client.module.reducers.nothing(), timeout=60)",
    "query": "client.query('SELECT * FROM item', timeout=60)",
    "subscribe": "client.subscribe('SELECT * FROM note', timeout=60)",
    "wait_connected": "client.wait_connected()",
    "close": "client.close()",
}


@pytest.mark.parametrize("wait", OFFLINE_WAITS)
def test_a_blocking_program_whose_server_is_away(wait: str) -> None:
    """The waits for a connection that may come back; `close` needs none, and ends by itself."""
    program = (
        BLOCKING.replace("WAIT", OFFLINE_WAITS[wait])
        .replace("OPTIONS", "reconnect=ReconnectPolicy(first_delay=30)")
        .replace(
            'print("waiting", flush=True)',
            'print("up", flush=True)\n        sys.stdin.readline()\n        print("waiting", flush=True)',
        )
        .replace("assert client.call", "client.close(); sys.exit('closed') #")
    )
    with serve_in_thread(make_module(), database="world") as server:
        process = python_text(program, server.url, "", "")
        wait_for(process, "up")
    with ended(process):
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        wait_for(process, "waiting")
        if wait != "close":
            until_state(process, "S")
            process.send_signal(signal.SIGINT)
            wait_for(process, "interrupted after")
        assert "Traceback" not in process.communicate(timeout=60)[0]


ASYNC = """
    import sys, threading
    import RUNNER as runner
    from spacetime_transports import connect
    URL, SILENT, NOBODY = sys.argv[1:]

    async def main():
        async with connect(URL, "world") as client:
            await client.subscribe("SELECT * FROM item")
            print("waiting", flush=True)
            try:
                WAIT
            finally:
                print("cleaning up", flush=True)

    try:
        runner.run(main) if "RUNNER" == "trio" else runner.run(main())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print("done", [t.name for t in threading.enumerate() if t.name.startswith("spacetime")])
"""

ASYNC_WAITS = {
    "call": "await client.call(client.module.procedures.wait(micros=10**9))",
    "wait_closed": "await client.wait_closed()",
    "changes": "async for change in client.db.item.changes(): pass",
    "connecting": "async with connect(SILENT, 'world', client.module, connect_timeout=60): pass",
    "the schema": "async with connect(SILENT, 'world', connect_timeout=60): pass",
    "a server that is not there": (
        "async with connect(NOBODY, 'world', client.module, wait_for_server=60): pass"
    ),
}


@pytest.mark.parametrize("runner", ["asyncio", "trio", "uvloop"])
@pytest.mark.parametrize("wait", ASYNC_WAITS)
def test_an_async_program(
    server: ThreadServer, silent: str, nobody: str, runner: str, wait: str
) -> None:
    program = ASYNC.replace("RUNNER", runner).replace("WAIT", ASYNC_WAITS[wait])
    with ended(python_text(program, server.url, silent, nobody)) as process:
        wait_for(process, "waiting")
        until_state(process, "S")
        process.send_signal(signal.SIGINT)
        assert finish(process) == "cleaning up\ninterrupted\ndone []\n"


def test_a_notebook_like_client_that_was_awaited(server: ThreadServer) -> None:
    """Without a block to leave: `asyncio.run` ends the client, and nothing complains."""
    program = """
        import asyncio, sys
        from spacetime_transports import connect

        async def main():
            client = await connect(sys.argv[1], "world")
            print("waiting", flush=True)
            await client.wait_closed()

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """
    with ended(python_text(textwrap.dedent(program), server.url)) as process:
        wait_for(process, "waiting")
        until_state(process, "S")
        process.send_signal(signal.SIGINT)
        assert finish(process) == "interrupted\n"
