"""TypeScript connection_manager: coming back after a loss.

| row | where |
|---|---|
| state snapshots | embedded |
| reconnect after disconnect | embedded |
| reconnect after connect error | embedded |
| backoff grows | unit |
| backoff is capped | unit |
| backoff resets | unit |
| manual disconnect does not reconnect | embedded |
| revive a silently dead socket | scripted |
| rebuild with a new builder | embedded |

Connections shared by key, reference counts and remounting are about React components; an async
client is shared by handing it on. "Rebuild" is a token callable, asked again for each attempt.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto import Reconnected
from spacetime_proto.client import events as ev
from spacetime_proto.client.retry import Backoff
from spacetime_proto.errors import ConnectError, Disconnected, LocalProtocolError
from spacetime_transports import ReconnectPolicy, connect
from spacetime_transports.server import serve_in_thread
from tests.conformance.kit import protocols
from tests.conformance.modules import event_table as event_table_module
from tests.conformance.scripted import ScriptedClient
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.kit import World

FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.02)


@asynccontextmanager
async def logged(world: World, log: list[Any], **options: Any) -> AsyncIterator[Any]:
    """Connect a client that comes back, and log the ups and downs of its connection."""
    async with world.connect(
        reconnect=FAST,
        on_connect=lambda *args: log.append("up"),
        on_disconnect=lambda ctx, error: log.append(type(error).__name__),
        **options,
    ) as client:
        yield client


async def test_state_snapshots(connect_disconnect: World) -> None:
    raw = connect_disconnect.client()
    assert not raw.is_connected
    for name in ("identity", "connection_id", "token"):
        with pytest.raises(LocalProtocolError, match=f"no {name} yet: it was never connected"):
            getattr(raw, name)
    async with raw:
        assert raw.is_connected
        assert raw.protocol.startswith(connect_disconnect.protocol)
        identity, connection_id = raw.identity, raw.connection_id
        assert None not in (identity, connection_id, raw.token)
    assert (raw.is_connected, raw.identity) == (False, identity)


async def test_reconnect_after_disconnect(connect_disconnect: World) -> None:
    log: list[Any] = []
    world: Any = connect_disconnect
    async with logged(world, log) as client:
        client.watch("connected")
        handle = await client.subscribe(client.all_of("connected"))
        identity, first_id = client.raw.identity, client.raw.connection_id
        client.log.clear()
        await world.server.drop_connections()
        # on_connect comes with the greeting, the connection is back when the rows are.
        await client.until(lambda: log.count("up") == 2 and client.raw.is_connected)
        assert client.raw.identity == identity
        assert client.raw.connection_id != first_id
        # The table is a set: that the same identity came again is no change, so nothing is told.
        await client.settle()
        assert client.take() == []
        assert handle.is_active
        async with world.connect():
            await client.until(lambda: client.log)
        assert [change.kind for change in client.log] == ["insert"]
        assert not isinstance(client.log[0].event, Reconnected)
    assert log == ["up", "Disconnected", "up", "NoneType"]


@protocols("v3", "v1.bsatn")
async def test_reconnect_after_connect_error(protocol: str) -> None:
    """The server is gone for a while: attempts fail and are told, until one does not."""
    log: list[Any] = []
    with serve_in_thread(event_table_module.make_module(), database="x") as first:
        port, database = first.server.port, first.server.database
        authority, url = first.server.host.authority, first.url
        client = connect(
            url,
            "x",
            protocols={protocol},
            reconnect=FAST,
            on_connect=lambda *args: log.append("up"),
            on_connect_error=lambda ctx, error: log.append(error),
        )
        await client.__aenter__()
    try:
        with anyio.fail_after(PATIENCE):
            while len(log) < 3:  # noqa: ASYNC110  # the callbacks only keep a list
                await anyio.sleep(0.005)
            assert all(isinstance(error, ConnectError) for error in log[1:])
            with serve_in_thread(database, database="x", port=port, authority=authority):
                while log.count("up") < 2:  # noqa: ASYNC110
                    await anyio.sleep(0.005)
                assert client.is_connected
                await client.close()
    finally:
        await client.__aexit__(None, None, None)


def ceilings(backoff: Backoff, count: int) -> list[float | None]:
    return [backoff.next_delay() for _ in range(count)]


def test_backoff_grows() -> None:
    backoff = Backoff(ReconnectPolicy(), entropy=lambda count: b"\xff" * count)
    assert ceilings(backoff, 5) == [1, 2, 4, 8, 16]


def test_backoff_is_capped() -> None:
    backoff = Backoff(ReconnectPolicy(), entropy=lambda count: b"\xff" * count)
    assert ceilings(backoff, 9)[4:] == [16, 30, 30, 30, 30]
    # Unlike the original's, the delays are spread, so that clients do not come back in step.
    low = Backoff(ReconnectPolicy(), entropy=bytes)
    assert ceilings(low, 3) == [0, 0, 0]


def test_backoff_resets() -> None:
    backoff = Backoff(ReconnectPolicy(), entropy=lambda count: b"\xff" * count)
    ceilings(backoff, 4)
    backoff.reset()
    assert ceilings(backoff, 2) == [1, 2]


async def test_manual_disconnect_does_not_reconnect(connect_disconnect: World) -> None:
    log: list[Any] = []
    async with logged(connect_disconnect, log) as client:
        await client.raw.close()
        await anyio.sleep(0.1)
        assert not client.raw.is_connected
    assert log == ["up", "NoneType"]


def test_revive_a_silently_dead_socket(protocol: str) -> None:
    """Nothing comes, not even the answer to a ping: the connection counts as lost."""
    client = ScriptedClient(protocol, keepalive=(30.0, 30.0), will_reconnect=True)
    client.open()
    handle = client.subscribe()
    client.now = 30.0
    client.session.tick(now=30.0)
    assert client.session.data_to_send() != b""  # the ping
    assert client.session.deadline == 60.0
    client.session.tick(now=60.0)
    [ended] = client.events()
    assert isinstance(ended, ev.Ended)
    assert isinstance(ended.error, Disconnected)
    # The next connection begins where this one ended: the subscription is sent again.
    client.open()
    assert tuple(getattr(client.request(), "query_strings", handle.queries)) == handle.queries


async def test_rebuild_with_a_new_builder(connect_disconnect: World) -> None:
    world: Any = connect_disconnect
    async with world.connect() as other:
        token = other.raw.token
    asked: list[int] = []

    def fresh() -> str:
        asked.append(len(asked))
        return str(token)

    log: list[Any] = []
    async with logged(world, log, token=fresh) as client:
        await world.server.drop_connections()
        await client.until(lambda: log.count("up") == 2)
        assert client.raw.identity == other.raw.identity
    assert asked == [0, 1]
