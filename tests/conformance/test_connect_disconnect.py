"""Rust connect_disconnect_client.

| row | where |
|---|---|
| connect | embedded |
| disconnect | embedded |
| disconnected-row | embedded |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.client.pending_call import Call
from spacetime_proto.errors import SpacetimeError

if TYPE_CHECKING:
    from tests.conformance.kit import World


async def test_connect(connect_disconnect: World) -> None:
    """A row for my own connection, written by the module when I connected."""
    told: list[Any] = []
    async with connect_disconnect.connect(
        on_connect=lambda ctx, identity, token: told.append((identity, token))
    ) as client:
        client.watch("connected")
        await client.subscribe(client.all_of("connected"))
        [change] = client.log
        assert client.raw.identity in change.values
        assert told == [(client.raw.identity, client.raw.token)]


async def test_disconnect(connect_disconnect: World) -> None:
    """After a disconnect of one's own there is no error, and the client is not active any more."""
    told: list[Any] = []
    async with connect_disconnect.connect() as client:

        def on_disconnect(ctx: Any, error: object) -> None:
            with pytest.raises(SpacetimeError):
                ctx.submit(Call("reducer", "anything"))
            told.append((error, ctx.event.error, client.raw.is_connected))

        client.raw.on_disconnect(on_disconnect)
        assert client.raw.is_connected
        await client.raw.close()
        assert told == [(None, None, False)]
        with pytest.raises(SpacetimeError):
            await client.subscribe(client.all_of("connected"))
    assert len(told) == 1


async def test_disconnected_row(connect_disconnect: World) -> None:
    """A second connection sees what the module wrote when the first one went."""
    async with connect_disconnect.connect() as first:
        pass
    async with connect_disconnect.connect() as second:
        assert second.raw.identity != first.raw.identity
        second.watch("disconnected")
        await second.subscribe(second.all_of("disconnected"))
        # On a server of many somebody else may have gone, too.
        mine = (first.raw.identity,)
        await second.until(lambda: mine in [change.values for change in second.log])
        gone = [change.values for change in second.log]
        assert (gone.count(mine), gone.count((second.raw.identity,))) == (1, 0)
