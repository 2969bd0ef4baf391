"""Prints what the generated codec costs, in nanoseconds per row. Run: python benchmarks/codec.py

The two row types of the comparison with the official clients (`player`, `location`), each as the
server sends them when all rows have one size and when they do not, and a row of every scalar type.
Each figure is the best of several rounds, so that other work on the machine matters least.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spacetime_proto.sats.algebraic import (
    IDENTITY,
    TIMESTAMP,
    UNIT,
    Element,
    Primitive,
    ProductType,
    SumType,
    Typespace,
    Variant,
    option,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.rows import RowList
from spacetime_proto.types import Identity, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.sats.algebraic import AlgebraicType


def _product(**fields: AlgebraicType | str) -> ProductType:
    return ProductType(
        tuple(
            Element(name, Primitive(ty) if isinstance(ty, str) else ty)
            for name, ty in fields.items()
        )
    )


_COLOR = SumType((Variant("red", UNIT), Variant("green", UNIT)))

TYPES = Typespace(
    (
        _product(id="U64", name="String", x="F32", y="F32", z="F32", level="U32", online="Bool"),
        _product(id="U64", chunk="U64", x="I32", z="I32", dimension="U32"),
        _product(
            identity=IDENTITY,
            name=option(Primitive("String")),
            seen=TIMESTAMP,
            color=_COLOR,
            big="U128",
            score="F64",
            tags="String",
        ),
    )
)
NAMES = {0: "Player", 1: "Location", 2: "User"}


def _rows(context: TypeContext, ref: int, number: int, *, is_even: bool) -> list[Any]:
    """Make rows; with `is_even` all of one encoded size."""
    cls = context.classes[ref]
    name = "player-0001" if is_even else "player-{}"
    color: Any = context.codec(_COLOR).decode_exact(b"\1")
    rows: list[Any] = []
    for index in range(number):
        text = name.format(index)
        if ref == 0:
            rows.append(cls(index, text, 1.5, -2.5, 0.25, index % 100, index % 2 == 0))
        elif ref == 1:
            rows.append(cls(index, index // 16, -index, index, 1))
        else:
            owner, seen = Identity.from_int(index), Timestamp(index)
            rows.append(cls(owner, text, seen, color, 1 << 100, 0.5, "tag"))
    return rows


def _best(work: Callable[[], object], rounds: int) -> float:
    """Return the time of the fastest round, in seconds."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(number: int, rounds: int) -> dict[str, float]:
    """Return nanoseconds per row by name of the measurement."""
    context = TypeContext(TYPES, NAMES)
    found: dict[str, float] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        work()
        found[name] = _best(work, rounds) / number * 1e9

    for ref, table in NAMES.items():
        codec = context.row_codec(ref)
        for is_even, kind in ((True, "one size"), (False, "offsets")):
            if ref == 1 and not is_even:
                continue
            rows = _rows(context, ref, number, is_even=is_even)
            encoded = [codec.encode(row) for row in rows]
            listed = RowList.from_rows(encoded)
            label = f"{table}, {kind}"
            note(f"{label}: decode_rows", lambda c=codec, r=listed: c.decode_rows(r))
            note(
                f"{label}: decode one by one",
                lambda c=codec, e=encoded: [c.decode(b, 0) for b in e],
            )
            note(f"{label}: decode_row", lambda c=codec, e=encoded: [c.decode_row(b) for b in e])
            note(f"{label}: keys", lambda c=codec, r=listed: c.keys(r, 0))
            note(f"{label}: slices", listed.slices)
            note(f"{label}: encode", lambda c=codec, v=rows: [c.encode(row) for row in v])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the generated codec costs per row.")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = measure(options.rows, options.rounds)
    if options.json:
        print(json.dumps({name: round(value, 1) for name, value in found.items()}))
        return
    for name, value in found.items():
        print(f"{value:9.1f} ns/row  {name}")


if __name__ == "__main__":
    main()
