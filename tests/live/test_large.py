"""A million rows in one subscription."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.large import mix, player

if TYPE_CHECKING:
    from tests.live.kit import LiveKit
    from tests.live.target import Target

ROWS = int(os.environ.get("SPACETIMEDB_LIVE_ROWS", "1000000"))
SEED = 11

#: Runs in a process of its own, whose peak memory is that of the subscription.
_CHILD = f"""
import resource, sys, time
from pathlib import Path
from tests.live.target import Target
from tests.live.test_large import digest_of
from spacetime_transports import blocking

url, database, token, protocol = sys.argv[1:]
target = Target(url, database, token)
module = target.module
empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
with blocking.connect(url, database, module, protocols={{protocol}}, compression="none") as client:
    client.subscribe("SELECT * FROM player", timeout=300)
    took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    players = client.db.player
    assert players.count() == {ROWS}, players.count()
    count, digest = digest_of(players)
    assert players.id.find({ROWS} - 1).name == "player-{ROWS - 1}"
    print(count, digest, round(took, 1), empty // 1024, peak // 1024)
"""


def digest_of(rows: Any) -> tuple[int, int]:
    """Return count and checksum of rows, whatever their order: sums of hashes of all columns."""
    count = total = 0
    for row in rows:
        count += 1
        total += hash((row.id, row.x, row.y, row.z, row.level, row.online))
        total += int(row.name.removeprefix("player-"))
    return count, total & (1 << 64) - 1


class _Player:
    """A row as the module computes it."""

    __slots__ = ("id", "level", "name", "online", "x", "y", "z")

    def __init__(self, columns: tuple[Any, ...]) -> None:
        self.id, self.name, self.x, self.y, self.z, self.level, self.online = columns


@pytest.fixture
def full(whole_target: Target) -> Target:
    """Return the database with a million players."""
    whole_target.call("clear_all")
    for _ in range(10):
        whole_target.call("fill_players", ROWS // 10, SEED)
    return whole_target


@pytest.mark.timeout(400)
def test_a_million_rows(full: Target, record_property: Any) -> None:
    wanted = digest_of(_Player(player(SEED, id)) for id in range(ROWS))
    counted = full.http.sql(full.database, "SELECT COUNT(*) AS n FROM player").raw_rows
    assert counted == [[ROWS]]
    for protocol in full.protocols[:1]:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, full.url, full.database, full.token, protocol],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        count, digest, took, before, peak = done.stdout.split()
        assert (int(count), int(digest)) == wanted
        record_property(
            "measured",
            f"{ROWS:,} rows over {protocol}: {took} s, count and checksum {digest} right,"
            f" peak memory {peak} MiB, {before} MiB of them before",
        )
    began = time.monotonic()
    full.call("clear_players")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    record_property(
        "measured", f"cleared in {time.monotonic() - began:.1f} s; the suite: {own} MiB"
    )


async def test_updates_of_many_rows(kit: LiveKit, target: Target) -> None:
    """Thousands of rows of both kinds, changed and deleted by the thousand."""
    async with kit.connect() as client:
        reducers = client.reducers
        await client.call(reducers.fill_players(3000, SEED))
        await client.subscribe("SELECT * FROM player", "SELECT * FROM location")
        await client.call(reducers.fill_locations(3000, SEED))
        updated: list[Any] = []
        client.db.player.on_update(lambda ctx, old, new: updated.append((old.level, new.level)))
        await client.call(reducers.advance_players(500, 2000))
        assert len(updated) == 2000
        assert all((old + 1) % (1 << 32) == new for old, new in updated)
        await client.call(reducers.delete_players(0, 1000))
        await client.call(reducers.delete_chunk(3))
        assert client.db.player.count() == 2000
        assert client.db.location.count() == 3000 - 256
        assert client.db.location.chunk.filter(3) == []
        assert len(client.db.location.chunk.filter(2)) == 256
        for row in client.db.location:
            bits = mix(SEED, row.id)
            x, z = bits & 0xFFFFFFFF, bits >> 32
            assert (row.x % (1 << 32), row.z % (1 << 32), row.dimension) == (x, z, bits >> 62)
        for name in ("player", "location"):
            assert target.rows(name) == target.encoded(name, client.db[name]), name


def test_the_checksum_tells(whole_target: Target) -> None:
    """The checksum above depends on every column."""
    columns = player(SEED, 5)
    digests = {digest_of([_Player(columns)])[1]}
    for at, other in enumerate((6, "player-6", 0.5, 0.25, 0.125, 999, not columns[6])):
        changed = (*columns[:at], other, *columns[at + 1 :])
        digests.add(digest_of([_Player(changed)])[1])
    assert len(digests) == 8
