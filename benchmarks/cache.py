"""Prints what the client cache costs: time per row, transaction and lookup, and memory per row.

Run: python benchmarks/cache.py [--rows N] [--rounds N] [--scale] [--json]

The tables are those of the comparison with the official clients: `player` {id u64 key, name string,
x, y, z f32, level u32, online bool}, whose rows come with one size when all names are equally long and
with offsets when not, and `location` {id u64 key, chunk u64 btree, x, z i32, dimension u32}. Nothing
but the cache is measured: messages are already split into row lists. Each time is that of the fastest
round, so that other work on the machine matters least; memory is what `tracemalloc` counts. With
`--scale`, cost against size: 1,000 to 1,000,000 rows, and 1 to 256 query sets.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
import tracemalloc
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spacetime_proto.cache import Cache, Range, TableChange, TableView
from spacetime_proto.sats.algebraic import Element, Primitive, ProductType, Typespace
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.model import ColumnDef, IndexDef, ModuleDef, TableDef, TypeDef

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLAYER = {"id": "U64", "name": "String", "x": "F32", "y": "F32", "z": "F32", "level": "U32"}
PLAYER["online"] = "Bool"
LOCATION = {"id": "U64", "chunk": "U64", "x": "I32", "z": "I32", "dimension": "U32"}
PER_CHUNK = 100

_LOCATION_ROW = Struct("<QQiiI")


def make_module() -> BoundModule:
    """Return the module with the two tables."""
    types, tables = [], []
    for ref, (name, columns) in enumerate((("location", LOCATION), ("player", PLAYER))):
        elements = [(column, Primitive(ty)) for column, ty in columns.items()]
        types.append(ProductType(tuple(Element(column, ty) for column, ty in elements)))
        tables.append(
            TableDef(
                name,
                name,
                ref,
                tuple(ColumnDef(column, ty, at) for at, (column, ty) in enumerate(elements)),
                primary_key=0,
                unique_columns=(0,),
                indexes=(IndexDef(None, None, "btree", (1,)),) if name == "location" else (),
            )
        )
    names = (TypeDef("Location", 0), TypeDef("Player", 1))
    return BoundModule(ModuleDef(Typespace(tuple(types)), names, tuple(tables)))


MODULE = make_module()


def player(number: int, level: int = 0, *, is_even: bool = True) -> bytes:
    """Return an encoded `player` row, 43 bytes long if `is_even`."""
    name = f"player{number:08}" if is_even else f"player{number}"
    size = len(name)
    return Struct(f"<QI{size}s3fI?").pack(
        number, size, name.encode(), 1.0, 2.0, 3.0, level, number % 2 == 0
    )


def location(number: int) -> bytes:
    """Return an encoded `location` row, 28 bytes long; 100 of them share a chunk."""
    return _LOCATION_ROW.pack(number, number // PER_CHUNK, number, -number, 1)


def payload(inserts: Sequence[bytes], deletes: Sequence[bytes]) -> tuple[RowList, RowList]:
    """Return row lists that share one buffer, as in a message."""
    first, second = RowList.from_rows(inserts), RowList.from_rows(deletes)
    data = b"header" + first.data + second.data
    middle, end = 6 + first.end, 6 + first.end + second.end
    return (
        RowList(data, 6, middle, first.row_size, first.offsets),
        RowList(data, middle, end, second.row_size, second.offsets),
    )


def subscribed(rows: RowList, table: str = "player", query_set: int = 1) -> Cache:
    """Return a cache with these rows, as after a first subscription that nobody listens to."""
    cache = Cache(MODULE)
    cache.apply(cache.plan([TableChange(query_set, table, rows)]), want=())
    return cache


def view(cache: Cache, table: str) -> Any:
    """Return the readers' view of a table."""
    found: TableView[Any] = TableView(MODULE.tables[table])
    found.attach(cache.tables[table])
    return found


def run(cache: Cache, messages: Sequence[TableChange]) -> int:
    """Apply messages one by one and look at the new row of each update, as a callback would."""
    seen = 0
    for message in messages:
        for diff in cache.apply(cache.plan((message,))):
            for _, new in diff.updated:
                seen += new.level
    return seen


class Bench:
    """Runs work several times and notes the fastest round."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.found: dict[str, float] = {}

    def note(
        self,
        name: str,
        work: Callable[[Any], object],
        *,
        per: int,
        unit: float,
        fresh: Callable[[], Any] = lambda: None,
    ) -> None:
        """Measure `work(fresh())`; note the seconds, divided by `per`, in `unit` (1e9: ns)."""
        best = float("inf")
        for _ in range(self.rounds):
            argument = fresh()
            gc.collect()
            start = time.perf_counter()
            result = work(argument)
            best = min(best, time.perf_counter() - start)
            del argument, result
        self.found[name] = best / per * unit


def measure(number: int, rounds: int) -> dict[str, float]:
    """Return the figures by name; each name ends with its unit."""
    bench = Bench(rounds)
    even = RowList.from_rows([player(at) for at in range(number)])
    offsets = RowList(even.data, 0, even.end, 0, tuple(range(0, even.end, even.row_size)))
    uneven = RowList.from_rows([player(at, is_even=False) for at in range(number)])
    more = RowList.from_rows([player(at) for at in range(number, 2 * number)])
    places = RowList.from_rows([location(at) for at in range(number)])
    for name, rows, table in (
        ("player, one size", even, "player"),
        ("player, offsets", offsets, "player"),
        ("player, names of any length", uneven, "player"),
        ("location", places, "location"),
    ):
        bench.note(
            f"first subscription of {number} rows, {name} [ms]",
            lambda _, rows=rows, table=table: subscribed(rows, table),
            per=1,
            unit=1e3,
        )

    def listened(_: None) -> int:
        cache = Cache(MODULE)
        (diff,) = cache.apply(cache.plan([TableChange(1, "player", even)]))
        return sum(row.level for row in diff.inserted)

    bench.note(
        f"first subscription of {number} player rows, each read [ms]", listened, per=1, unit=1e3
    )
    for name, rows in (("other", more), ("the same", even)):
        bench.note(
            f"a second query set with {name} {number} rows [ms]",
            lambda cache, rows=rows: cache.apply(
                cache.plan([TableChange(2, "player", rows)]), want=()
            ),
            per=1,
            unit=1e3,
            fresh=lambda: subscribed(even),
        )
    _transactions(bench, even, number)
    _lookups(bench, even, places, number)
    return {**bench.found, **memory({"one size": even, "offsets": uneven})}


def _transactions(bench: Bench, even: RowList, number: int) -> None:
    """Measure updates."""
    count = min(number, 20_000)
    single = [
        TableChange(1, "player", *payload([player(at, 1)], [player(at)])) for at in range(count)
    ]
    hundreds = [
        TableChange(
            1,
            "player",
            *payload(
                [player(at, 1) for at in range(first, first + 100)],
                [player(at) for at in range(first, first + 100)],
            ),
        )
        for first in range(0, min(number, 50_000) // 100 * 100, 100)
    ]

    def indexed() -> Cache:
        cache = subscribed(even)
        cache.tables["player"].index((0,)).build()
        return cache

    def unread(cache: Cache) -> None:
        for message in single:
            cache.apply(cache.plan((message,)))

    for name, work, fresh in (
        ("rows not looked at", unread, lambda: subscribed(even)),
        ("both rows read", lambda cache: run(cache, single), lambda: subscribed(even)),
        ("both rows read, key index in use", lambda cache: run(cache, single), indexed),
    ):
        bench.note(f"one-row update, {name} [ns]", work, per=count, unit=1e9, fresh=fresh)
    bench.note(
        "row of an update of 100, both rows read [ns]",
        lambda cache: run(cache, hundreds),
        per=100 * len(hundreds),
        unit=1e9,
        fresh=lambda: subscribed(even),
    )


def _lookups(bench: Bench, even: RowList, places: RowList, number: int) -> None:
    """Measure find and filter on rows that have been read before, in random order."""
    players, locations = (
        view(subscribed(even), "player"),
        view(subscribed(places, "location"), "location"),
    )
    keys = random.Random(1).sample(range(number), number)
    chunks = random.Random(2).sample(range(number // PER_CHUNK), min(1000, number // PER_CHUNK))

    def find(_: None) -> None:
        get = players.id.find
        for key in keys:
            get(key)

    def filter_chunks(_: None) -> None:
        get = locations.chunk.filter
        for chunk in chunks:
            get(chunk)

    def filter_ranges(_: None) -> None:
        get = locations.chunk.filter
        for chunk in chunks:
            get(Range(chunk, chunk))

    locations.rows()
    filter_ranges(None)
    bench.note(f"find among {number} [ns]", find, per=number, unit=1e9)
    name = f"filter {PER_CHUNK} rows among {number}"
    bench.note(f"{name}, equal [us]", filter_chunks, per=len(chunks), unit=1e6)
    bench.note(f"{name}, range [us]", filter_ranges, per=len(chunks), unit=1e6)
    bench.note(f"all {number} rows as a list [ms]", lambda _: players.rows(), per=1, unit=1e3)


def memory(lists: dict[str, RowList]) -> dict[str, float]:
    """Return bytes per cached `player` row; the payload itself is not counted."""
    found: dict[str, float] = {}
    for name, rows in lists.items():
        number = len(rows)
        subscribed(RowList.from_rows([player(1)])).tables["player"].all_rows()  # compile
        gc.collect()
        tracemalloc.start()
        base = tracemalloc.get_traced_memory()[0]
        cache = subscribed(rows)
        unread, peak = (value - base for value in tracemalloc.get_traced_memory())
        cache.tables["player"].all_rows()
        gc.collect()
        read = tracemalloc.get_traced_memory()[0] - base
        cache.tables["player"].index((0,)).build()
        gc.collect()
        indexed = tracemalloc.get_traced_memory()[0] - base
        tracemalloc.stop()
        found[f"memory per player row, {name}, not read [B]"] = unread / number
        found[f"memory per player row, {name}, peak while applying [B]"] = peak / number
        found[f"memory per player row, {name}, read [B]"] = read / number
        found[f"memory per player row, {name}, read and found by key [B]"] = indexed / number
    return found


def scale(rounds: int) -> dict[str, float]:
    """Return the cost per row against the number of rows and of query sets."""
    bench = Bench(rounds)
    for number in (1_000, 10_000, 100_000, 1_000_000):
        rows = RowList.from_rows([player(at) for at in range(number)])
        bench.note(
            f"first subscription of {number} rows, per row [ns]",
            lambda _, rows=rows: subscribed(rows),
            per=number,
            unit=1e9,
        )
        count = min(number, 10_000)
        messages = [
            TableChange(1, "player", *payload([player(at, 1)], [player(at)])) for at in range(count)
        ]
        bench.note(
            f"one-row update among {number} [ns]",
            lambda cache, messages=messages: run(cache, messages),
            per=count,
            unit=1e9,
            fresh=lambda rows=rows: subscribed(rows),
        )
    for sets in (1, 4, 16, 64, 256):
        rows = RowList.from_rows([player(at) for at in range(1000)])

        def subscribe(_: None, rows: RowList = rows, sets: int = sets) -> Cache:
            cache = Cache(MODULE)
            for query_set in range(sets):
                change = TableChange(query_set, "player", rows)
                cache.apply(cache.plan([change]), want=())
            return cache

        bench.note(
            f"{sets} query sets with the same 1000 rows, per row and set [ns]",
            subscribe,
            per=1000 * sets,
            unit=1e9,
        )
    return bench.found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", action="store_true", help="cost against size instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = scale(options.rounds) if options.scale else measure(options.rows, options.rounds)
    if options.json:
        print(json.dumps({name: round(value, 2) for name, value in found.items()}))
        return
    for name, value in found.items():
        print(f"{value:11.2f}  {name}")


if __name__ == "__main__":
    main()
