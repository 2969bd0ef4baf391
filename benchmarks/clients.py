"""Many clients in one asyncio process, on the embedded server: memory of each, and one broadcast.

Run: ``python benchmarks/clients.py [--clients 1000] [--json]``. Every client subscribes to the table
`player`; then one of them inserts a row, and the time until all of them have seen it is taken. The
server is a process of its own; what is measured is the process that the clients share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers.usage import resident
from spacetime_proto.bindings import Call, dynamic_module
from spacetime_transports import connect
from spacetime_transports.bindings_writer import module_from_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_proto.bindings import Module
    from spacetime_transports import AsyncClient

HERE = Path(__file__).resolve().parent
#: Connections made at the same time.
AT_ONCE = 50


@contextmanager
def embedded_server() -> Iterator[str]:
    """Serve module.py from a process of its own; gives the URL."""
    command = ["-m", "spacetime_transports.cli", "serve", str(HERE / "module.py")]
    where = ["--listen", "127.0.0.1:0", "--database", "bench"]
    with subprocess.Popen(
        [sys.executable, *command, *where], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()
            server.wait(10)


def allow_files(count: int) -> None:
    """Let this process, and the server after it, have `count` sockets open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard < 0 else min(count, hard), hard))


class Crowd:
    """Clients that live in a task each, until `leave` is set."""

    def __init__(self, url: str, module: Module[Any]) -> None:
        self.url = url
        self.module = module
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.leave = asyncio.Event()
        self.clients: list[AsyncClient[Any]] = []
        self.entered = asyncio.Event()

    async def live(self, until: int) -> None:
        """Be one client; `entered` is set once there are `until` of them."""
        async with AsyncExitStack() as stack:
            async with self.turns:
                client = connect(self.url, "bench", self.module)
                await stack.enter_async_context(client)
                await client.subscribe("SELECT * FROM player")
            self.clients.append(client)
            if len(self.clients) == until:
                self.entered.set()
            await self.leave.wait()


async def measure(url: str, module: Module[Any], count: int) -> dict[str, float]:
    """Connect `count` clients, broadcast one row, and return what it took."""
    crowd = Crowd(url, module)
    async with asyncio.TaskGroup() as tasks:
        # The first one pays for what they all share: imports, codecs.
        tasks.create_task(crowd.live(1))
        await crowd.entered.wait()
        crowd.entered.clear()
        before, started = resident(), time.perf_counter()
        for _ in range(count - 1):
            tasks.create_task(crowd.live(count))
        await crowd.entered.wait()
        connected = time.perf_counter() - started
        each = (resident() - before) / (count - 1)
        everybody = asyncio.Event()
        waiting = count

        def on_insert(ctx: object, row: object) -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                everybody.set()

        for client in crowd.clients:
            client.db.player.on_insert(on_insert)
        started, cpu = time.perf_counter(), time.process_time()
        crowd.clients[0].submit(Call("reducer", "add_player", (1, "everybody")))
        await everybody.wait()
        found = {
            "clients": count,
            "connect_ms_each": 1e3 * connected / (count - 1),
            "kilobytes_each": each / 1024,
            "broadcast_ms": 1e3 * (time.perf_counter() - started),
            "broadcast_cpu_ms": 1e3 * (time.process_time() - cpu),
        }
        crowd.leave.set()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.clients < 2:
        parser.error("--clients: at least 2")
    allow_files(2 * options.clients + 100)
    module = dynamic_module(module_from_python(HERE / "module.py"))
    with embedded_server() as url:
        found = asyncio.run(measure(url, module, options.clients))
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{value:11.1f}  {name}")


if __name__ == "__main__":
    main()
