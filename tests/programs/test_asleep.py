"""A laptop that sleeps, and a server that hangs: SIGSTOP and SIGCONT of either side."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import (
    ended,
    finish,
    python,
    python_text,
    type_line,
    until_state,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_transports.server import ThreadServer

#: Longer than the client waits for a pong.
NAP = 1.5

PROGRAMS = {
    "blocking": """
    import sys
    from spacetime_transports import ReconnectPolicy, blocking

    def lost(ctx, error):
        print("lost:", error, "|", repr(error.__cause__), flush=True)

    with blocking.connect(
        sys.argv[1], "world", keepalive=(0.2, 0.3), on_disconnect=lambda ctx, e: e and lost(ctx, e),
        on_connect=lambda ctx, *_: print("connected", flush=True),
        reconnect=ReconnectPolicy(first_delay=0.1, max_delay=0.1), connect_timeout=60,
    ) as client:
        client.subscribe("SELECT * FROM note")
        client.run_threaded()
        for line in sys.stdin:
            client.call(client.module.reducers.write_note(text=line.strip()), timeout=60)
            with client.lock:
                print(f"{line.strip()}: {client.db.note.count()} notes", flush=True)
    """,
    "asyncio": """
    import anyio, sys
    from spacetime_transports import ReconnectPolicy, connect

    def lost(ctx, error):
        print("lost:", error, "|", repr(error.__cause__), flush=True)

    async def main():
        async with connect(
            sys.argv[1], "world", keepalive=(0.2, 0.3), on_disconnect=lambda ctx, e: e and lost(ctx, e),
            on_connect=lambda ctx, *_: print("connected", flush=True),
            reconnect=ReconnectPolicy(first_delay=0.1, max_delay=0.1), connect_timeout=60,
            offline="wait",
        ) as client:
            await client.subscribe("SELECT * FROM note")
            while line := await anyio.to_thread.run_sync(sys.stdin.readline):
                await client.call(client.module.reducers.write_note(text=line.strip()), timeout=60)
                print(f"{line.strip()}: {client.db.note.count()} notes", flush=True)

    anyio.run(main, backend=BACKEND)
    """,
}
PROGRAMS["trio"] = PROGRAMS["asyncio"].replace("BACKEND", "'trio'")
PROGRAMS["asyncio"] = PROGRAMS["asyncio"].replace("BACKEND", "'asyncio'")


@pytest.mark.parametrize("colour", PROGRAMS)
def test_a_client_that_sleeps(server: ThreadServer, colour: str) -> None:
    """The pong came while it slept: bytes are looked at before the clock."""
    with ended(python_text(PROGRAMS[colour], server.url)) as process:
        type_line(process, "before")
        wait_for(process, "before: 1 notes")
        process.send_signal(signal.SIGSTOP)
        until_state(process, "T")
        time.sleep(NAP)  # what is tested is that time passes
        process.send_signal(signal.SIGCONT)
        type_line(process, "after")
        wait_for(process, "after: 2 notes")
        finish(process)


@pytest.fixture
def module_file(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(
        "from spacetime_proto.server import Context, Module\n"
        "module = Module()\n"
        "@module.table(public=True)\n"
        "class Note:\n"
        "    text: str\n"
        "@module.reducer\n"
        "def write_note(ctx: Context, text: str) -> None:\n"
        "    ctx.db.note.insert(Note(text=text))\n"
    )
    return path


@pytest.fixture
def served(module_file: Path) -> Iterator[tuple[object, str]]:
    serve = python(
        "-m", "spacetime_transports.cli", "serve", str(module_file), "--database", "world",
        "--listen", "127.0.0.1:0",
    )  # fmt: skip
    with ended(serve):
        (url,) = [word for word in wait_for(serve, "http://").split() if word.startswith("http://")]
        yield serve, url


@pytest.mark.parametrize("colour", PROGRAMS)
def test_a_server_that_hangs_for_a_while(served: tuple[object, str], colour: str) -> None:
    """The client notices, says why, and comes back by itself."""
    server, url = served
    with ended(python_text(PROGRAMS[colour], url)) as process:
        type_line(process, "before")
        wait_for(process, "before: 1 notes")
        server.send_signal(signal.SIGSTOP)  # type: ignore[attr-defined]
        said = wait_for(process, "lost:")
        assert "ping" in said or "0.3 s" in said
        server.send_signal(signal.SIGCONT)  # type: ignore[attr-defined]
        wait_for(process, "connected")
        type_line(process, "after")
        wait_for(process, "after: 2 notes")
        finish(process)
