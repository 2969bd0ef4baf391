"""Waiting for a state of the client, with and without a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import (
    CallTimeout,
    LocalProtocolError,
    SpacetimeError,
)
from spacetime_transports import ReconnectPolicy
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit


FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.05)


@pytest.mark.only("async")
async def test_waits_with_a_limit(kit: Kit) -> None:
    async with kit.connect(reconnect=ReconnectPolicy(first_delay=60)) as client:
        raw = client.raw
        await raw.wait_connected()
        await raw.wait_connected(0)
        texts = []
        for timeout in (0, 0.01):
            with pytest.raises(CallTimeout) as caught:
                await raw.wait_closed(timeout)
            texts.append(str(caught.value))
        kit.server.drop_connections()
        await client.until(lambda: not raw.is_connected)
        for timeout in (0, 0.01):
            with pytest.raises(CallTimeout) as caught:
                await raw.wait_connected(timeout)
            texts.append(str(caught.value))
        assert all("0 s" not in text and "None" not in text for text in texts)
        assert "0.01 s" in texts[-1]
        pending = raw.subscribe_soon("SELECT * FROM item")
        with pytest.raises(CallTimeout, match=r"SELECT \* FROM item"):
            await pending.wait_applied(0.01)
        with pytest.raises(CallTimeout):
            await raw.subscribe("SELECT * FROM item", timeout=0.01)
        await pending.unsubscribe()
        await pending.unsubscribe()
        with pytest.raises(LocalProtocolError, match="before it was applied"):
            await pending.wait_applied()
    with pytest.raises(SpacetimeError, match="closed"):
        await raw.wait_connected()
    await raw.wait_closed()


@pytest.mark.only("async")
async def test_waiting_to_be_connected_again(kit: Kit) -> None:
    lost: list[Any] = []
    async with kit.connect(
        reconnect=FAST, on_disconnect=lambda ctx, error: lost.append(error)
    ) as client:
        for _ in range(3):
            kit.server.drop_connections()
            await client.until(lambda: bool(lost))
            lost.clear()
            await client.raw.wait_connected(PATIENCE)
            await client.call(client.reducers.nothing())
