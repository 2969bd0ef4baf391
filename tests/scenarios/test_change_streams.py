"""Table changes as streams: as context managers, and across reconnects."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.client.table_handles import Insert
from spacetime_transports import ReconnectPolicy

if TYPE_CHECKING:
    from tests.scenarios.kit import Client, Kit

FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.05)
ITEMS = "SELECT * FROM item"


async def following(kit: Kit, client: Client, number: int) -> list[Any]:
    """Read so many changes in a block that closes the stream."""
    found = []
    if kit.is_blocking:
        with client.db.item.changes() as changes:
            for change in changes:
                found.append(change)
                if len(found) == number:
                    break
    else:
        async with client.db.item.changes() as changes:
            async for change in changes:
                found.append(change)
                if len(found) == number:
                    break
    assert "over" in repr(changes)
    return found


async def test_leaving_the_block_closes_the_stream(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe(ITEMS)
        client.raw.submit(client.reducers.add_items(count=2))
        found = await following(kit, client, 2)
        assert [type(change) for change in found] == [Insert, Insert]
        assert not client.db.item.listeners.wants_rows  # nothing listens any more


async def test_the_other_colour_says_what_to_write(kit: Kit) -> None:
    async with kit.connect() as client:
        changes = client.db.item.changes()
        if kit.is_blocking:
            with pytest.raises(TypeError, match="a plain with"):
                await changes.__aenter__()
        else:
            with pytest.raises(TypeError, match="async with"), changes:
                pytest.fail("entered")
        changes.close()


async def test_a_stream_goes_on_after_a_reconnect(kit: Kit) -> None:
    lost: list[Any] = []
    async with kit.connect(
        reconnect=FAST, on_disconnect=lambda ctx, error: lost.append(error)
    ) as client:
        await client.subscribe(ITEMS)
        changes = client.db.item.changes()
        kit.server.drop_connections()
        async with kit.connect() as other:
            await other.call(other.reducers.add_item(name="meanwhile", amount=1))
        await client.until(lambda: bool(lost) and client.db.item.count() == 1)
        await client.call(client.reducers.add_item(name="after", amount=1))
        names = []
        if kit.is_blocking:
            with changes:
                names = [change.row.name for change in islice(changes, 2)]
        else:
            async with changes:
                async for change in changes:
                    names.append(change.row.name)
                    if len(names) == 2:
                        break
        assert names == ["meanwhile", "after"]
