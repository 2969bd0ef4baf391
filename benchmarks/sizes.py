"""Cost against size: 1,000 to 1,000,000 rows in one subscription, 1 to 256 subscriptions."""

from __future__ import annotations

import sys
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, Final

from .work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from .build import Command

__all__ = ["measure", "table"]

ROWS: Final = (1_000, 10_000, 100_000, 1_000_000)
SETS: Final = (1, 4, 16, 64, 256)
ROWS_PER_SET: Final = 1_000
#: The fastest of this many runs counts: this is about growth, not about the clock.
RUNS: Final = 3
CLIENTS: Final = ("typescript", "rust", "asyncio")

Sizes = dict[str, dict[str, dict[str, float]]]


def measure(
    commands: dict[str, Command],
    url: str,
    run: Callable[[Command, str, Work, str], dict[str, float]],
) -> Sizes:
    """Return CPU milliseconds by kind of growth, client and size."""
    rows = [(size, Work("rows", "", "subscribe", 1, size)) for size in ROWS]
    sets = [(size, Work("sets", "", "sets", size, ROWS_PER_SET)) for size in SETS]
    found: Sizes = {}
    for kind, works in (("rows", rows), ("sets", sets)):
        for size, work in works:
            for peer in CLIENTS:
                if peer in commands:
                    times = [run(commands[peer], url, work, peer)["cpu_ms"] for _ in range(RUNS)]
                    found.setdefault(kind, {}).setdefault(peer, {})[str(size)] = min(times)
            print(f"{kind}: {size} done", file=sys.stderr)
    return found


def table(sizes: Sizes) -> str:
    """Return the cost of each size, and by how much it grew where the size doubled."""
    texts = []
    for kind, peers in sizes.items():
        what = "rows in one subscription" if kind == "rows" else f"sets of {ROWS_PER_SET:,} rows"
        names = [f"{int(size):,}" for size in next(iter(peers.values()))]
        texts.append(f"\n| {what}, CPU ms | {' | '.join(names)} |\n")
        texts.append(f"| --- | {' | '.join('---:' for _ in names)} |\n")
        for peer, costs in peers.items():
            pairs = [(float(size), cost) for size, cost in costs.items()]
            grown = [
                2 ** (log(after / before) / log(more / less))
                for (less, before), (more, after) in pairwise(pairs)
            ]
            cells = [f"{pairs[0][1]:.1f}"]
            cells += [f"{c:.1f} (x{g:.2f})" for (_, c), g in zip(pairs[1:], grown, strict=True)]
            texts.append(f"| {peer} | {' | '.join(cells)} |\n")
    return "".join(texts)
