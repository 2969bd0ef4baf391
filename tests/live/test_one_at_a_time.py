"""A connection that is lost unnoticed by the server: its successor is the same session.

The server still has the old connection when the client comes back. Since 2.11 it ends the old one
first, so that the module never sees two of one client, nor a goodbye of the old one after the
greeting of the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.recording.format import Session
from spacetime_transports import ReconnectPolicy
from tests.live.kit import Log
from tests.live.module_log import comings_and_goings, one_after_the_other
from tests.scenarios.relay import Relay

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.kit import LiveKit
    from tests.live.target import Target

POLICY = ReconnectPolicy(first_delay=0.05, max_delay=1.0)

pytestmark = [
    pytest.mark.owner,
    pytest.mark.since("2.11", "the server knows no sessions"),
]


async def test_the_module_sees_one_connection_at_a_time(kit: LiveKit, target: Target) -> None:
    connections: list[Any] = []
    with Relay(target.url) as relay:
        relay.hides_ends = True
        async with kit.connect() as watcher:
            await watcher.subscribe("SELECT * FROM connected", "SELECT * FROM disconnected")
            async with kit.connect(
                url=relay.url,
                reconnect=POLICY,
                offline="wait",
                on_connect=lambda ctx, *_: connections.append(ctx.connection_id),
            ) as client:
                log = Log(client, "attempt")
                await client.subscribe("SELECT * FROM attempt")
                await client.call(client.reducers.insert_attempt("before"))
                for number in range(1, 4):
                    relay.hides_ends = True
                    relay.lose_clients()
                    await client.until(lambda number=number: len(connections) > number)
                    await watcher.call(watcher.reducers.insert_attempt(f"meanwhile {number}"))
                    await client.until(lambda number=number: len(log) == 1 + number)
                await client.call(client.reducers.insert_attempt("after"))
                assert [what for what, *_ in log] == ["insert"] * 5
                assert len(set(connections)) == 4
                assert target.rows("attempt") == target.encoded("attempt", client.db.attempt)
                await watcher.call(watcher.reducers.no_op())
                *old, now = connections
                there = {row.connection_id for row in watcher.db.connected}
                gone = {row.connection_id for row in watcher.db.disconnected}
                assert now in there
                assert there.isdisjoint(old)
                assert gone.issuperset(old)
    known = set(map(str, connections))
    seen = [(what, one) for what, one in comings_and_goings(target) if one in known]
    assert seen[: 2 * len(known) - 1] == one_after_the_other(connections)


async def test_query_sets_come_back_together(kit: LiveKit, target: Target, tmp_path: Path) -> None:
    """On v2 and v3 one SubscribeBatch asks for all of them again; on v1 each is asked for."""
    connections: list[Any] = []
    with Relay(target.url) as relay:
        async with kit.connect(
            url=relay.url,
            reconnect=POLICY,
            offline="wait",
            on_connect=lambda ctx, *_: connections.append(ctx.connection_id),
            recorder=tmp_path / "session.jsonl",
        ) as client:
            sets = [
                await client.subscribe("SELECT * FROM attempt"),
                await client.subscribe("SELECT * FROM pk_u_32 WHERE key < 5"),
                await client.subscribe("SELECT * FROM pk_u_32 WHERE key > 3", "SELECT * FROM user"),
            ]
            log = Log(client, "pk_u_32", "attempt")
            await client.call(client.reducers.insert_pk_u_32(4, 0))
            relay.hides_ends = True
            relay.lose_clients()
            target.call("insert_pk_u_32", 9, 0)
            target.call("delete_pk_u_32", 4)
            await client.until(lambda: len(connections) == 2)
            await client.until(lambda: len(log) == 3)
            assert all(one.is_active for one in sets)
            await client.unsubscribe(sets[1])
            await client.call(client.reducers.insert_pk_u_32(1, 0))
            await client.call(client.reducers.insert_attempt("after"))
            changes = [(what, table, getattr(row, "key", None)) for what, table, row in log]
    assert changes[0] == ("insert", "pk_u_32", 4)
    assert sorted(changes[1:3]) == [("delete", "pk_u_32", 4), ("insert", "pk_u_32", 9)]
    assert changes[3:] == [("insert", "attempt", None)]
    first, again = sorted(requests_in(tmp_path), key=lambda kinds: "Unsubscribe" in "".join(kinds))
    assert len(first) == 4
    wanted = ["SubscribeMulti"] * 3 if kit.is_v1 else ["SubscribeBatch"]
    assert again[:-3] == wanted


def requests_in(folder: Path) -> list[list[str]]:
    """Return the kinds of a client's messages by connection; one that was refused sent none."""
    sessions = [Session.from_text(recording.read_text()) for recording in folder.iterdir()]
    kinds = [
        [type(message).__name__ for who, message in session.decode() if who == "client"]
        for session in sessions
    ]
    return [found for found in kinds if found]
