"""A program without file descriptors left: the error says so, and the client recovers."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ended, finish, python_text

if TYPE_CHECKING:
    from spacetime_transports.server import ThreadServer

#: `exhausted` is a block in which no descriptor can be had; what it gives takes those that become free
#: meanwhile, that of a lost connection for example. `explain` says what an error came from.
PRELUDE = """
    import contextlib, errno, os, resource, sys, threading, time
    from spacetime_transports import ReconnectPolicy, blocking, connect
    from spacetime_proto.errors import ConnectError
    URL = sys.argv[1]
    RETRY = ReconnectPolicy(first_delay=1.0, max_delay=1.0)

    @contextlib.contextmanager
    def exhausted():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken = []

        def fill():
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.open("/dev/null", os.O_RDONLY))

        fill()
        try:
            yield fill
        finally:
            while taken:
                os.close(taken.pop())

    def explain(error):
        said = str(error)
        while error.__cause__ is not None:
            error = error.__cause__
        assert isinstance(error, OSError) and error.errno == errno.EMFILE, repr(error)
        assert os.strerror(errno.EMFILE) in said, said
"""

BLOCKING = """
    with blocking.connect(URL, "world") as client:
        module = client.module
    with exhausted():
        try:
            blocking.connect(URL, "world", module)
        except ConnectError as error:
            explain(error)
    with blocking.connect(URL, "world", module) as client:
        client.call(client.module.reducers.nothing())
    print("recovered")
"""

BLOCKING_AGAIN = """
    errors, lost = [], [lambda: None]
    with blocking.connect(
        URL, "world", reconnect=RETRY, on_connect_error=lambda ctx, error: errors.append(error),
        on_disconnect=lambda ctx, error: lost[0](),
    ) as client:
        client.call(client.module.reducers.nothing())
        with exhausted() as lost[0]:
            print("lose it", flush=True)
            sys.stdin.readline()
            end = time.monotonic() + 60
            while not errors and time.monotonic() < end:
                client.advance_one_message(0.05)
        lost[0] = lambda: None
        explain(errors[0])
        client.call(client.module.reducers.nothing(), timeout=60)
    print("recovered")
"""

ASYNC = """
    import anyio

    async def main():
        async with connect(URL, "world") as client:
            module = client.module
        with exhausted():
            try:
                async with connect(URL, "world", module):
                    pass
            except ConnectError as error:
                explain(error)
        async with connect(URL, "world", module) as client:
            await client.call(client.module.reducers.nothing())
        print("recovered")

    anyio.run(main, backend="BACKEND")
"""

ASYNC_AGAIN = """
    import anyio

    async def main():
        errors, lost = [], [lambda: None]
        async with connect(
            URL, "world", reconnect=RETRY, offline="wait",
            on_connect_error=lambda ctx, error: errors.append(error),
            on_disconnect=lambda ctx, error: lost[0](),
        ) as client:
            await client.call(client.module.reducers.nothing())
            await anyio.to_thread.run_sync(lambda: None)  # its thread is there now
            with exhausted() as lost[0]:
                print("lose it", flush=True)
                await anyio.to_thread.run_sync(sys.stdin.readline)
                with anyio.fail_after(60):
                    while not errors:
                        lost[0]()  # a socket is closed a moment after its loss is told
                        await anyio.lowlevel.checkpoint()
            lost[0] = lambda: None
            explain(errors[0])
            await client.call(client.module.reducers.nothing(), timeout=60)
        print("recovered")

    anyio.run(main, backend="BACKEND")
"""


def colours(blocking: str, coloured: str) -> list[object]:
    """Return the program of every colour."""
    return [
        pytest.param(blocking, id="blocking"),
        *(pytest.param(coloured.replace("BACKEND", name), id=name) for name in ("asyncio", "trio")),
    ]


def program(text: str) -> str:
    return textwrap.dedent(PRELUDE) + textwrap.dedent(text)


@pytest.mark.parametrize("text", colours(BLOCKING, ASYNC))
def test_connecting(server: ThreadServer, text: str) -> None:
    with ended(python_text(program(text), server.url)) as process:
        assert finish(process) == "recovered\n"


@pytest.mark.parametrize("text", colours(BLOCKING_AGAIN, ASYNC_AGAIN))
def test_coming_back(server: ThreadServer, text: str) -> None:
    with ended(python_text(program(text), server.url)) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "lose it\n"
        server.drop_connections()
        process.stdin.write("\n")
        process.stdin.flush()
        assert finish(process) == "recovered\n"
