"""A client that has nothing to do does nothing: no polling anywhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.scenarios.relay import Relay
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scenarios.kit import Kit

PING, PONG_SIZE = b"\x89\x00", 6


async def test_an_idle_client_uses_no_cpu(kit: Kit) -> None:
    """The bound is loose because the server lives in this process; the 0.7 SDK's polling of its
    queue ten times a second would still be far beyond it with 20 clients."""
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        before = time.process_time()
        await client.pause(1.0)
        assert time.process_time() - before < 0.05


async def test_ten_minutes_of_pings_are_answered_while_nobody_does_anything(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server pings every 15 seconds; here the next ping comes when the last one was answered."""
    monkeypatch.setattr("spacetime_transports.blocking.keeper.INTERVAL", 0.001)
    with Relay(kit.server.url) as relay:
        async with kit.connect(url=relay.url) as client:
            await client.subscribe("SELECT * FROM item")
            for _ in range(10 * 60 // 15):
                heard = relay.heard
                relay.say(PING)
                await idle_until(kit, lambda heard=heard: relay.heard >= heard + PONG_SIZE)
            assert client.raw.is_connected
            await client.call(client.reducers.nothing())


async def idle_until(kit: Kit, is_so: Callable[..., Any]) -> None:
    """Wait for something without using the client."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it never became so"
        if kit.is_blocking:
            time.sleep(0.001)  # noqa: ASYNC251  # no event loop here
        else:
            await anyio.sleep(0.001)
