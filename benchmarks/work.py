"""The rows of the comparison, the clients that do them, and the goals, as data."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = ["FLOOR", "GOALS", "OURS", "PEERS", "WORK", "Goal", "Work", "at_scale"]

#: This project's client, by the driver it runs under.
OURS: Final = ("asyncio", "uvloop", "trio", "blocking")
#: The official clients it is measured against.
PEERS: Final = ("typescript", "rust")
#: A socket that understands nothing; see peers/bare.py.
FLOOR: Final = "floor"

Protocol = Literal["v2", "v3"]
ONLY_V2: Final = frozenset({"rust", FLOOR})


class Work(msgspec.Struct, frozen=True):
    """One thing that every client does.

    Attributes:
        name: what it is called in results and on the command line.
        title: what it is called in tables.
        scenario: what the peers call it (see replay.py).
        count: how often the thing is done.
        rows: rows in the table.
        unit: unit of the table's figure: ms for all of it, us or ns for each of `count`.
        protocol: the version that clients use that can; the others use version 2.
        counts: another `count` for clients that are far faster or slower than others at it.
        has_floor: whether the floor is measured too.
        scales: whether a quick run does less of it; not if a fraction is too short to measure.
    """

    name: str
    title: str
    scenario: str
    count: int
    rows: int
    unit: Literal["ms", "us", "ns"] = "ms"
    protocol: Protocol = "v3"
    counts: dict[str, int] = {}
    has_floor: bool = False
    scales: bool = True

    def count_for(self, peer: str) -> int:
        """Return how often `peer` does it."""
        return self.counts.get(peer, self.count)

    def protocol_for(self, peer: str) -> Protocol:
        """Return the version that `peer` does it with."""
        return "v2" if peer in ONLY_V2 else self.protocol

    def needs_connection(self) -> bool:
        """Whether there is a server in it."""
        return not self.scenario.startswith("decode_")


WORK: Final = (
    Work("connect", "process start to connected", "connect", 1, 1),
    Work("subscribe", "first subscription", "subscribe", 1, 100_000, has_floor=True),
    Work("listen", "the same, a callback per row", "listen", 1, 100_000),
    Work("updates-v2", "one-row transaction", "updates", 20_000, 100_000, "us", "v2"),
    Work("updates-v3", "one-row transaction", "updates", 20_000, 100_000, "us"),
    Work("batches-v2", "row update, 100 to a transaction", "batches", 50_000, 100_000, "us", "v2"),
    Work("batches-v3", "row update, 100 to a transaction", "batches", 50_000, 100_000, "us"),
    Work("calls-v2", "call, 256 in flight", "calls", 50_000, 1, "us", "v2", has_floor=True),
    Work("calls-v3", "call, 256 in flight", "calls", 50_000, 1, "us"),
    Work(
        "find",
        "find by key",
        "find",
        100_000,
        100_000,
        "ns",
        counts={"typescript": 20, "rust": 200_000},
        scales=False,
    ),
    Work(
        "filter",
        "100 rows by a btree column",
        "filter",
        5_000,
        100_000,
        "us",
        counts={"typescript": 20, "rust": 20},
    ),
    Work("decode-player", "decode a player row", "decode_player", 100_000, 1, "ns"),
    Work("decode-location", "decode a location row", "decode_location", 100_000, 1, "ns"),
)


def at_scale(work: Work, scale: float) -> Work:
    """Return `work` with fewer rows and repetitions, for a quick run."""
    if not work.scales:
        return work
    return msgspec.structs.replace(
        work,
        count=max(1, round(work.count * scale)),
        rows=max(1, round(work.rows * scale)),
    )


class Goal(msgspec.Struct, frozen=True):
    """At most `factor` times what `peer` takes, or at most `most` (in the unit of `metric`).

    Attributes:
        work: name of the row of `WORK`.
        metric: ms, or a name of memory figures.
        peer: who to compare with, or None for a fixed figure.
        factor: how many times the peer's figure is allowed.
        most: the fixed figure.
        unit: the fixed figure's unit.
        title: what it is called, if not as the row.
    """

    work: str
    metric: str = "ms"
    peer: str | None = None
    factor: float = 1.0
    most: float = 0.0
    unit: str = ""
    title: str = ""


GOALS: Final = (
    Goal("connect", "start_ms", "typescript"),
    Goal("subscribe", peer="rust", factor=0.5),
    Goal("listen", peer="typescript", title="first subscription, a callback per row"),
    Goal("updates-v2", peer="typescript", title="one-row transaction, v2"),
    Goal("updates-v3", peer="rust", title="one-row transaction, v3 against v2"),
    Goal("batches-v2", peer="typescript", title="transaction of 100, v2"),
    Goal("batches-v3", peer="typescript", title="transaction of 100, v3"),
    Goal("calls-v2", peer="typescript", title="call, v2"),
    Goal("calls-v3", peer="typescript", title="call, v3"),
    Goal("find", peer="rust"),
    Goal("filter", most=20.0, unit="us"),
    Goal("subscribe", "bytes_per_row", "rust", 0.6, title="memory per row"),
    Goal("subscribe", "read_bytes_per_row", "rust", 1.2, title="memory per row, all read"),
    # 1.5 times the 43 bytes of a row, above what is kept.
    Goal("subscribe", "peak_above", most=64.5, unit="B", title="memory per row, peak above that"),
)
