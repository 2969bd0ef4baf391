"""Coming back: the session of before is taken over, and all query sets return as one step."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.server import U64, Context, Faults, Module, column
from spacetime_transports import ReconnectPolicy
from spacetime_transports.server import serve_in_thread
from tests.scenarios.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_transports.server import ThreadServer
    from tests.scenarios.kit import Kit

FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.05)


@contextmanager
def serving(*, faults: Faults | None = None) -> Iterator[tuple[ThreadServer, list[str]]]:
    """Serve two tables; the list tells who came and who went."""
    module = Module()
    seen: list[str] = []

    @module.table(public=True)
    class Left:
        id: U64 = column(primary_key=True)

    @module.table(public=True)
    class Right:
        id: U64 = column(primary_key=True)

    @module.client_connected
    def come(ctx: Context) -> None:
        seen.append(f"+{ctx.connection_id}")

    @module.client_disconnected
    def go(ctx: Context) -> None:
        seen.append(f"-{ctx.connection_id}")

    @module.reducer
    def add(ctx: Context, id: U64) -> None:
        ctx.db.left.insert(Left(id=id))
        ctx.db.right.insert(Right(id=id))

    with serve_in_thread(module, database="pair", faults=faults) as server:
        yield server, seen


@pytest.mark.parametrize("protocol", ["v1.bsatn", "v2.bsatn", "v3.bsatn"])
async def test_a_connection_that_died_unseen_is_ended_before_the_next_begins(
    kit: Kit, protocol: str
) -> None:
    told: list[str] = []
    ids: list[str] = []
    with serving() as (server, seen), Relay(server.url) as relay:
        async with kit.connect(
            url=relay.url,
            database="pair",
            protocols=[f"{protocol}.spacetimedb"],
            reconnect=FAST,
            on_connect=lambda ctx, identity, token: ids.append(str(ctx.connection_id)),
            on_connect_error=lambda ctx, error: told.append(str(error)),
        ) as client:
            left = await client.subscribe("SELECT * FROM left")
            right = await client.subscribe("SELECT * FROM right")
            await client.call(client.reducers.add(id=1))
            sizes: list[tuple[int, int]] = []
            look = lambda ctx, row: sizes.append((len(client.db.left), len(client.db.right)))  # noqa: E731
            client.db.left.on_insert(look)
            client.db.right.on_insert(look)
            relay.hides_ends = True
            relay.lose_clients()
            async with kit.connect(url=server.url, database="pair") as other:
                await other.call(other.reducers.add(id=2))
                await client.until(lambda: len(sizes) == 2)
                first, watcher, second = ids[0], str(other.raw.connection_id), ids[1]
                assert [one for one in seen if one[1:] != watcher] == [
                    f"+{first}", f"-{first}", f"+{second}",
                ]  # fmt: skip
            assert sizes == [(2, 2), (2, 2)]
            assert left.is_active and right.is_active
            assert told and all("still has an earlier connection" in text for text in told)
            await client.call(client.reducers.add(id=3))
            assert len(client.db.right) == 3


@pytest.mark.parametrize("protocol", ["v2.bsatn", "v3.bsatn"])
async def test_a_server_before_2_11_costs_one_connection_once(kit: Kit, protocol: str) -> None:
    losses: list[Any] = []
    with serving(faults=Faults(before_2_11=True)) as (server, _):
        async with kit.connect(
            url=server.url,
            database="pair",
            protocols=[f"{protocol}.spacetimedb"],
            reconnect=FAST,
            offline="wait",
            on_disconnect=lambda ctx, error: losses.append(error),
        ) as client:
            left = await client.subscribe("SELECT * FROM left")
            right = await client.subscribe("SELECT * FROM right")
            for count, expected in ((1, 2), (2, 3)):
                before = len(losses)
                server.drop_connections()
                await client.until(lambda before=before: len(losses) > before)
                # It waits through the connection that the batch costs.
                await client.call(client.reducers.add(id=count))
                assert len(losses) == expected
                assert len(client.db.left) == len(client.db.right) == count
            assert [error.code for error in losses] == [None, 1011, None]
            assert left.is_active and right.is_active
        losses.clear()
        # Every other client of this process knows it of this server.
        async with kit.connect(
            url=server.url,
            database="pair",
            protocols=[f"{protocol}.spacetimedb"],
            reconnect=FAST,
            offline="wait",
            on_disconnect=lambda ctx, error: losses.append(error),
        ) as client:
            await client.subscribe("SELECT * FROM left")
            await client.subscribe("SELECT * FROM right")
            server.drop_connections()
            await client.until(lambda: losses)
            await client.call(client.reducers.add(id=3))
            assert [error.code for error in losses] == [None]
            assert len(client.db.right) == 3
