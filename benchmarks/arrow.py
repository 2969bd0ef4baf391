"""Prints how many rows a second become an Arrow table. Run: python benchmarks/arrow.py [--rows N]

From encoded rows as the client cache holds them, for the two tables of the comparison; `player` with
names of one length, which makes all rows equally long, and with names of different lengths. Each
figure is that of the fastest of several rounds, so that other work on the machine matters least.
Needs the extra ``arrow``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cache import MODULE, location, player
from spacetime_proto.dataframes.arrow import rows_to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(make: Callable[[int], bytes], table: str, count: int, rounds: int) -> float:
    """Return millions of rows per second of CPU time."""
    rows = [make(number) for number in range(count)]
    bound = MODULE.tables[table]
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        made = rows_to_arrow(bound, rows, checked=True)  # as those in the cache are
        best = min(best, time.process_time() - started)
        assert made.num_rows == count
    return count / best / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = {
        "location": measure(location, "location", options.rows, options.rounds),
        "player, names of one length": measure(player, "player", options.rows, options.rounds),
        "player, names of different lengths": measure(
            lambda number: player(number, is_even=False), "player", options.rows, options.rounds
        ),
    }
    if options.json:
        print(json.dumps({name: round(value, 2) for name, value in found.items()}))
        return
    for name, value in found.items():
        print(f"{value:8.2f} million rows/s  {name}")


if __name__ == "__main__":
    main()
