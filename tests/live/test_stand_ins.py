"""Rows of the official suites on the tables of the live module, which look different: as `row` says.

They run under every driver and on 1.x servers too, where `test_conformance` cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spacetime_proto.bindings import Call
from tests.live.kit import Log

if TYPE_CHECKING:
    from tests.live.kit import LiveKit


@pytest.mark.row("test_connect_disconnect", "connect")
async def test_my_own_connection(kit: LiveKit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM connected")
        mine = client.db.connected.connection_id.find(client.raw.connection_id)
        assert mine.identity == client.raw.identity


@pytest.mark.row("test_sdk_subscriptions", "row-deduplication-join-r-and-s")
async def test_a_table_and_a_join_with_it(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "r", "s")
        await client.subscribe("SELECT * FROM s", "SELECT r.* FROM r JOIN s ON r.x = s.x")
        await client.call(client.reducers.insert_s(1, 42, False))
        assert [(what, table) for what, table, *_ in log.take()] == [("insert", "s")]
        await client.call(client.reducers.put_r_and_s(1, 42, "r", True))
        assert [(what, table) for what, table, *_ in log.take()] == [
            ("insert", "r"),
            ("update", "s"),
        ]
        assert (client.db.r.count(), client.db.s.count()) == (1, 1)


@pytest.mark.row("test_sdk_subscriptions", "row-deduplication-r-join-s-and-r-joint")
async def test_two_joins_that_give_the_same_row(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "r")
        await client.subscribe(
            "SELECT r.* FROM r JOIN s ON r.x = s.x", "SELECT r.* FROM r JOIN t ON r.x = t.x"
        )
        for name, *args in (
            ("insert_s", 1, 42, True),
            ("insert_r", 1, 42, "r"),
            ("insert_t", 42, 0),
            ("delete_s", 1),
        ):
            await client.call(Call("reducer", name, tuple(args)))
        assert [what for what, *_ in log.take()] == ["insert"]
        await client.call(client.reducers.delete_t(42, 0))
        assert [what for what, *_ in log.take()] == ["delete"]


@pytest.mark.row("test_sdk_subscriptions", "test-intra-query-bag-semantics-for-join")
async def test_a_row_with_several_partners(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "r")
        await client.subscribe("SELECT r.* FROM r JOIN t ON r.x = t.x")
        await client.call(client.reducers.insert_r(0, 0, "r"))
        await client.call(client.reducers.insert_t(0, 0))
        await client.call(client.reducers.insert_t(0, 1))
        assert [what for what, *_ in log.take()] == ["insert"]
        await client.call(client.reducers.delete_t(0, 0))
        assert log.take() == []
        assert client.db.r.count() == 1
        await client.call(client.reducers.delete_t(0, 1))
        assert [what for what, *_ in log.take()] == ["delete"]
