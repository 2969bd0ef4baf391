"""What a client says of itself: `state` and `retry_in`, wherever it is in its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import Disconnected
from spacetime_transports import ClientState, ReconnectPolicy, blocking, connect
from spacetime_transports.options import resolve

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit

SLOW = ReconnectPolicy(first_delay=3600.0, max_delay=3600.0)


async def test_a_client_that_is_connected_and_closed(kit: Kit) -> None:
    told: list[str] = []
    async with kit.connect(on_connect=lambda ctx, *facts: told.append("greeted")) as client:
        raw = client.raw
        assert raw.state is ClientState.CONNECTED and raw.retry_in is None
        raw.on_disconnect(lambda ctx, error: told.append(raw.state))
    assert raw.state == "closed" and raw.retry_in is None
    assert "closed" in repr(raw)
    assert told == ["greeted", "closed"]


async def test_a_client_that_waits_for_its_next_attempt(kit: Kit) -> None:
    async with kit.connect(reconnect=SLOW) as client:
        raw = client.raw
        kit.server.drop_connections()
        await client.until(lambda: raw.state is ClientState.WAITING)
        retry_in = raw.retry_in
        assert 0.0 <= retry_in <= 3600.0
        assert "waiting, next attempt in " in repr(raw)
        assert not raw.is_connected
    assert raw.state is ClientState.CLOSED and raw.retry_in is None


@pytest.mark.parametrize("has_bindings", [True, False])
@pytest.mark.only("async")
async def test_an_async_client_that_is_closed_before_it_is_entered(
    kit: Kit, has_bindings: bool
) -> None:
    async with kit.connect() as other:
        module: Any = other.raw.module if has_bindings else None
    client = connect(kit.server.url, "world", module)
    assert client.state is ClientState.NEW and client.retry_in is None
    await client.close()
    assert client.state is ClientState.CLOSED
    with pytest.raises(Disconnected, match="closed before it was connected"):
        async with client:
            pytest.fail("it connected")


@pytest.mark.only("blocking")
async def test_a_blocking_client_that_is_closed_before_it_connects(kit: Kit) -> None:
    async with kit.connect() as other:
        module = other.raw.module
    client = blocking.BlockingClient(kit.server.url, "world", module, resolve())
    assert client.state is ClientState.NEW
    client.close()
    assert client.state is ClientState.CLOSED
