"""A connection that is lost unnoticed by the server: its successor is the same session.

The server still has the old connection when the client comes back. Since 2.11 it ends the old one
first, so that the module never sees two of one client, nor a goodbye of the old one after the
greeting of the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_transports import ReconnectPolicy
from tests.live.kit import Log
from tests.live.module_log import comings_and_goings, one_after_the_other
from tests.scenarios.relay import Relay

if TYPE_CHECKING:
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
