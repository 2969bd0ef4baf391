"""A thousand sessions over a network that fails at random: nothing lost, nothing twice, nothing left."""

from __future__ import annotations

import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.client.retry import ReconnectPolicy
from spacetime_proto.errors import ConnectError, Disconnected, SpacetimeError
from tests.scenarios.chaos import ChaosRelay
from tests.scenarios.kit import no_tasks_left
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from tests.scenarios.kit import Client, Kit

#: Sessions in one test; 250 each on asyncio, uvloop, trio and blocking make 1,000.
BATCH = 50
BATCHES = 5
CALLS = 6
AT_ONCE = ReconnectPolicy(first_delay=0.001, max_delay=0.004)


def describe(client: Client) -> tuple[Any, ...]:
    """Return what the cache holds."""
    return (
        sorted((row.id, row.name, row.amount) for row in client.db.item),
        sorted(row.text for row in client.db.note),
    )


async def session(kit: Kit, relay: ChaosRelay, module: Any, seed: int) -> None:
    relay.begin(seed)
    for attempt in itertools.count():
        try:
            async with kit.connect(
                module,
                url=relay.url,
                reconnect=AT_ONCE,
                offline="wait",
                keepalive=(0.05, 0.05),
                connect_timeout=0.3,
                compression="none",
            ) as client:
                await live_through(client, relay, seed)
            return
        except (ConnectError, Disconnected) as error:
            # Only a first connection that never came to be may end like this.
            assert isinstance(error, ConnectError), error
            assert attempt < 10


async def live_through(client: Client, relay: ChaosRelay, seed: int) -> None:
    seen: list[Any] = []
    client.db.item.on_insert(lambda ctx, row: seen.append(("+", row.id)))
    client.db.item.on_delete(lambda ctx, row: seen.append(("-", row.id)))
    await client.subscribe("SELECT * FROM item", "SELECT * FROM note")
    committed, unknown = [], []
    for number in range(CALLS):
        name = f"{seed}.{number}"
        try:
            await client.call(client.reducers.add_item(name=name, amount=number))
            committed.append(name)
        except Disconnected as error:
            assert error.outcome_unknown
            unknown.append(name)
    assert len(committed) + len(unknown) == CALLS  # every call was answered, and once
    relay.heal()
    while True:
        try:
            items = await client.query("SELECT * FROM item")
            notes = await client.query("SELECT * FROM note")
        except SpacetimeError:
            continue
        break
    expected = (
        sorted((row.id, row.name, row.amount) for row in items),
        sorted(row.text for row in notes),
    )
    await client.until(lambda: describe(client) == expected)
    names = [row.name for row in items]
    for name in committed:
        assert names.count(name) == 1
    for name in unknown:
        assert names.count(name) <= 1
    # What callbacks were told adds up to what is there: each row came once more than it went.
    there = {row.id for row in client.db.item}
    balance: dict[int, int] = {}
    for sign, row_id in seen:
        balance[row_id] = balance.get(row_id, 0) + (1 if sign == "+" else -1)
    assert {row_id for row_id, count in balance.items() if count} == there
    assert set(balance.values()) <= {0, 1}
    for row in items[: max(0, len(items) - 5)]:
        # Only to keep the table small. A pong that a busy machine delays ends the connection here too.
        with contextlib.suppress(Disconnected):
            await client.call(client.reducers.remove_item(id=row.id))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("batch", range(BATCHES))
async def test_sessions_over_a_bad_network(kit: Kit, batch: int) -> None:
    async with kit.connect() as direct:
        module = direct.raw.module
    with ChaosRelay(kit.server.url) as relay:
        for seed in range(batch * BATCH, (batch + 1) * BATCH):
            await session(kit, relay, module, seed)
        end = time.monotonic() + PATIENCE
        while relay.open_connections:  # it needs a moment to see the last client go
            assert time.monotonic() < end
            time.sleep(0.01)  # noqa: ASYNC251  # the relay lives in a thread of its own
        if not kit.is_blocking:
            assert no_tasks_left()
        assert sum(relay.faults.values()) > BATCH / 2
