"""This project's client, measured: python_peer.py DRIVER URL SCENARIO COUNT ROWS PROTOCOL

DRIVER is asyncio, uvloop, trio or blocking. Prints one JSON object; the scenarios are those of
../replay.py. The bindings (`module_bindings`, generated from ../module.py) must be importable.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import module_bindings as mb
from usage import Stopwatch, forget_peak, peak, resident

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto import Context
    from spacetime_transports import AsyncClient, BlockingClient

IN_FLIGHT = 256
PLAYERS, LOCATIONS = "SELECT * FROM player", "SELECT * FROM location"


class Run:
    """One scenario on one connected client: `start` begins it, `finish` is called at its end."""

    def __init__(self, client: Any, scenario: str, count: int, rows: int) -> None:
        self.client: AsyncClient[mb.Db] | BlockingClient[mb.Db] = client
        self.db = client.db
        self.scenario = scenario
        self.count = count
        self.rows = rows
        self.watch = Stopwatch()
        self.result: dict[str, float] = {"connected_at": time.time()}
        self.finish: Callable[[], object] = lambda: None

    def start(self) -> None:
        scenario: Callable[[], None] = getattr(self, self.scenario)
        scenario()

    def note(self) -> None:
        self.result["ms"], self.result["cpu_ms"] = self.watch.ms, self.watch.cpu_ms

    def stop(self) -> None:
        self.watch.stop()
        self.note()
        self.finish()

    def subscribe_then(self, query: str, then: Callable[[], object]) -> None:
        self.client.subscribe_soon(query, on_applied=lambda ctx: then())

    def connect(self) -> None:
        self.finish()

    def subscribe(self) -> None:
        forget_peak()
        self.before = resident()
        self.watch.start()
        self.subscribe_then(PLAYERS, self.stop)

    def after_subscribe(self) -> None:
        """Note what rows cost: as they came, and once each of them has been looked at."""
        at_most, unread = peak(), resident()
        assert len(self.db.player) == self.rows
        started = time.perf_counter()
        assert sum(row.level for row in self.db.player) == 0
        self.result["read_ms"] = 1e3 * (time.perf_counter() - started)
        read = resident()
        self.result["bytes_per_row"] = (unread - self.before) / self.rows
        self.result["read_bytes_per_row"] = (read - self.before) / self.rows
        self.result["peak_per_row"] = (at_most - self.before) / self.rows

    def listen(self) -> None:
        """The same, with a callback per row that reads one column."""
        seen = levels = 0

        def on_insert(ctx: Context, row: mb.Player) -> None:
            nonlocal seen, levels
            levels += row.level
            seen += 1
            if seen == self.rows:
                self.stop()

        self.db.player.on_insert(on_insert)
        self.watch.start()
        self.subscribe_then(PLAYERS, lambda: None)

    def updates(self) -> None:
        """Row updates begin when the server has had a call."""
        seen = levels = 0

        def on_update(ctx: Context, before: mb.Player, after: mb.Player) -> None:
            nonlocal seen, levels
            levels += after.level
            seen += 1
            if seen == self.count:
                self.stop()

        def begin() -> None:
            self.watch.start()
            self.client.submit(mb.reducers.no_op())

        self.db.player.on_update(on_update)
        self.subscribe_then(PLAYERS, begin)

    batches = updates

    def calls(self) -> None:
        """Calls from callbacks, as a blocking program makes them (async ones await: `lanes`)."""
        sent = answered = 0

        def on_reducer(ctx: Context) -> None:
            nonlocal sent, answered
            answered += 1
            if sent < self.count:
                sent += 1
                ctx.submit(mb.reducers.no_op())
            elif answered == self.count:
                self.stop()

        self.client.on_reducer(on_reducer)
        self.watch.start()
        # A blocking client handles what has arrived before it queues a call, so the first callbacks
        # may run in here, and send calls of their own.
        while sent < min(IN_FLIGHT, self.count):
            sent += 1
            self.client.submit(mb.reducers.no_op())

    async def lanes(self) -> None:
        """The same number in flight, each awaited by a task."""
        import anyio

        client: Any = self.client
        sent = 0

        async def lane() -> None:
            nonlocal sent
            while sent < self.count:
                sent += 1
                await client.call(mb.reducers.no_op())

        self.watch.start()
        async with anyio.create_task_group() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.start_soon(lane)
        self.stop()

    def find(self) -> None:
        """COUNT different keys, twice: a row becomes an object when it is first looked at."""
        find, rows = self.db.player.id.find, self.rows

        def lap() -> None:
            self.watch.start()
            for number in range(self.count):
                if find(number * 7919 % rows) is None:
                    raise LookupError(number)
            self.watch.stop()

        def look() -> None:
            lap()
            self.result["first_ms"] = self.watch.ms
            lap()
            self.note()
            self.finish()

        self.subscribe_then(PLAYERS, look)

    def filter(self) -> None:
        def look() -> None:
            chosen = self.db.location.chunk.filter
            chunks = max(1, self.rows // 100)
            chosen(0)  # the index is made on first use; `first_ms` has that
            self.result["first_ms"] = 1e3 * (time.perf_counter() - started)
            found = 0
            self.watch.start()
            for number in range(self.count):
                found += len(chosen(number % chunks))
            self.stop()
            self.result["rows_each"] = found / self.count

        started = time.perf_counter()
        self.subscribe_then(LOCATIONS, look)

    def sets(self) -> None:
        """COUNT subscriptions, each of which holds the same rows."""
        applied = 0

        def one() -> None:
            nonlocal applied
            applied += 1
            if applied == self.count:
                self.stop()

        self.watch.start()
        for _ in range(self.count):
            self.subscribe_then(PLAYERS, one)

    def report(self) -> None:
        if self.scenario == "subscribe":
            self.after_subscribe()
        print(json.dumps(self.result), flush=True)


def decode(path: str, table: str, count: int) -> None:
    """Decode COUNT rows of a file, one by one and all at once; no server."""
    from spacetime_proto.sats.rows import RowList

    codec = mb.MODULE.bound.tables[table].codec
    data = Path(path).read_bytes()
    watch, one, decoded = Stopwatch(), codec.decode, []
    position = 0
    watch.start()
    for _ in range(count):
        row, position = one(data, position)
        decoded.append(row)
    watch.stop()
    assert position == len(data)
    singly = watch.ms
    rows = RowList(data, 0, len(data), len(data) // count)
    watch.start()
    decoded = codec.decode_rows(rows)
    watch.stop()
    assert decoded[-1].id == count - 1
    print(json.dumps({"ms": watch.ms, "cpu_ms": watch.cpu_ms, "first_ms": singly}))


def run_blocking(url: str, database: str, scenario: tuple[str, int, int]) -> None:
    from spacetime_transports import blocking

    with blocking.connect(url, database, mb.MODULE, compression="none") as client:
        run = Run(client, *scenario)
        run.finish = client.close_soon
        run.start()
        client.run()
        run.report()


async def run_async(url: str, database: str, scenario: tuple[str, int, int]) -> None:
    import anyio

    from spacetime_transports import connect

    async with connect(url, database, mb.MODULE, compression="none") as client:
        run = Run(client, *scenario)
        if run.scenario == "calls":
            await run.lanes()
        else:
            done = anyio.Event()
            run.finish = done.set
            run.start()
            await done.wait()
        run.report()
        # As the other peers do: tearing a big cache down is not what is measured.
        os._exit(0)


def main() -> None:
    driver, url, name, count, rows, protocol = sys.argv[1:]
    database = f"{name}-{count}-{rows}-{protocol}"
    scenario = (name, int(count), int(rows))
    if name.startswith("decode_"):
        decode(url, name.removeprefix("decode_"), int(count))
    elif driver == "blocking":
        run_blocking(url, database, scenario)
    elif driver == "trio":
        import trio

        trio.run(run_async, url, database, scenario)
    else:
        import asyncio

        if driver == "uvloop":
            import uvloop

            uvloop.run(run_async(url, database, scenario))
        else:
            asyncio.run(run_async(url, database, scenario))


if __name__ == "__main__":
    main()
