"""A relay that misbehaves by plan: it stops, splits, delays and resets, but never lies.

What it forwards it forwards in order, once, unchanged. The plan of a session follows from its seed:
so many connections with a fault, and then only good ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ChaosRelay"]

FAULTS = ("reset", "end", "stop", "split", "delay")


class ChaosRelay:
    """Forwards to a server, one seeded session after another.

    Attributes:
        url: where it listens.
        open_connections: how many are open now.
        faults: how often each fault happened.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._target = (address.hostname, address.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chaos relay")
        self._ready = threading.Event()
        self._random = random.Random()
        self._faulty_left = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.url = ""
        self.open_connections = 0
        self.faults = dict.fromkeys(FAULTS, 0)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def begin(self, seed: int) -> None:
        """Plan the next session."""
        self._random = random.Random(seed)
        self._faulty_left = self._random.randint(1, 4)

    def heal(self) -> None:
        """From now on every connection is a good one."""
        self._faulty_left = 0

    # --- in its own thread ----------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open_connections += 1
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = None
        if self._faulty_left:
            self._faulty_left -= 1
            fault = self._random.choice(FAULTS)
            self.faults[fault] += 1
        budget = self._random.randint(0, 2500)
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        copies = [
            asyncio.ensure_future(self._copy(reader, upstream_writer, fault, budget)),
            asyncio.ensure_future(self._copy(upstream_reader, writer, fault, budget)),
        ]
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            upstream_writer.transport.abort()
        if fault == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fault: str | None,
        budget: int,
    ) -> None:
        """Forward one direction until it ends, or until the fault's budget of bytes is spent."""
        most = 7 if fault == "split" else 65536
        limited = fault in ("reset", "end", "stop")
        while True:
            data = await reader.read(min(most, budget) if limited and budget else most)
            if not data:
                return
            if limited:
                if not budget:
                    while fault == "stop" and data:  # swallows the rest, until that end is closed
                        data = await reader.read(65536)
                    return
                budget -= len(data)
            if fault == "delay":
                await asyncio.sleep(0.002)
            writer.write(data)
            await writer.drain()
