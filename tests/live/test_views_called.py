"""Views with parameters, as a server since 2.13 answers calls of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import QueryError, SubscriptionError
from spacetime_proto.types import ConnectionId, Identity, Timestamp, Uuid
from tests.live.kit import Log

if TYPE_CHECKING:
    from tests.live.kit import LiveKit
    from tests.live.target import Target

pytestmark = [
    pytest.mark.needs("indexed_from", "me_if_named", "region_names", "literals"),
    pytest.mark.since("2.13", "views are not called with arguments"),
]


async def fill(client: Any, target: Target) -> None:
    kind = target.module.types.SimpleEnum.one
    for id, region, level in ((1, 1, 0), (2, 1, 5), (3, 1, 9), (4, 2, 9)):
        await client.call(client.reducers.insert_indexed(id, region, level, f"n{id}", kind, 0))


async def test_rows_follow_the_call(kit: LiveKit, target: Target) -> None:
    """A row comes and goes as the view says; there are no updates, for there is no key."""
    async with kit.connect() as client:
        await fill(client, target)
        log = Log(client, "indexed_from")
        subscription = await client.subscribe('SELECT * FROM "indexed_from"(1, 5)')
        assert sorted(row.id for row in client.db.indexed_from) == [2, 3]
        log.take()
        kind = target.module.types.SimpleEnum.one
        await client.call(client.reducers.insert_indexed(5, 1, 6, "n5", kind, 0))
        await client.call(client.reducers.insert_indexed(6, 1, 4, "n6", kind, 0))
        await client.call(client.reducers.insert_indexed(7, 2, 6, "n7", kind, 0))
        assert [(what, row.id) for what, _, row in log.take()] == [("insert", 5)]
        await client.call(client.reducers.set_region_level(1, 5))
        changes = sorted((what, row.id) for what, _, row in log.take())
        assert changes == [
            *(("delete", n) for n in (3, 5)),
            *(("insert", n) for n in (1, 3, 5, 6)),
        ]
        await client.unsubscribe(subscription)
        assert client.db.indexed_from.count() == 0


async def test_two_calls_of_one_view(kit: LiveKit, target: Target) -> None:
    """A row that two calls give is one row, until both have lost it."""
    async with kit.connect() as client:
        await fill(client, target)
        log = Log(client, "indexed_from")
        first = await client.subscribe(
            'SELECT * FROM "indexed_from"(1, 0)', 'SELECT * FROM "indexed_from"(1, 6)'
        )
        second = await client.subscribe('SELECT * FROM "indexed_from"(1, 9)')
        assert [row.id for what, _, row in log.take()] == [1, 2, 3]
        await client.unsubscribe(first)
        assert sorted((what, row.id) for what, _, row in log.take()) == [
            ("delete", 1),
            ("delete", 2),
        ]
        await client.call(client.reducers.delete_indexed_region(1))
        assert [(what, row.id) for what, _, row in log.take()] == [("delete", 3)]
        await client.unsubscribe(second)
        assert log.take() == []


async def test_a_view_of_the_caller(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as ada, kit.connect() as bob:
        for client in (ada, bob):
            await client.subscribe("SELECT * FROM \"me_if_named\"('it''s me')")
        await ada.call(ada.reducers.set_name("it's me"))
        assert [row.identity for row in ada.db.me_if_named] == [ada.raw.identity]
        await bob.call(bob.reducers.no_op())
        assert bob.db.me_if_named.count() == 0
        await ada.call(ada.reducers.set_name("somebody"))
        assert ada.db.me_if_named.count() == 0


async def test_a_name_that_the_server_rewrites(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as client:
        await fill(client, target)
        await client.subscribe("SELECT * FROM regionNames(2)")
        view = client.db.region_names
        assert ([row.id for row in view], view.table_name) == ([4], "region_names")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("indexed_from(1)", "takes 2 argument"),
        ("indexed_from", "takes 2 argument"),
        ("indexed(1)", "is a table, not a view"),
        ("indexed_from(1, 5) WHERE id = 1", "can only be queried as"),
        ("indexed_from(1, NULL)", "Unsupported literal"),
        ("indexed_from(-1, 5)", "cannot be parsed as type"),
        ("indexed_from(1, 'x')", "cannot be parsed as type"),
    ],
)
async def test_wrong_calls(kit: LiveKit, call: str, said: str) -> None:
    async with kit.connect() as client:
        with pytest.raises(SubscriptionError, match=said):
            await client.subscribe(f"SELECT * FROM {call}")
        with pytest.raises(QueryError, match=said):
            await client.query(f"SELECT * FROM {call}")


LITERALS = (
    "true",
    "-128",
    "340282366920938463463374607431768211455",
    "'it''s ä'",
    "0x00ff",
    "0x" + "c2" * 32,
    "0x" + "0a" * 16,
    "'2023-11-14T22:13:20.000001+00:00'",
    "'00000000-0000-0000-0000-00000000000a'",
)


async def test_literals_of_each_type(kit: LiveKit) -> None:
    async with kit.connect() as client:
        await client.subscribe(f"SELECT * FROM literals({', '.join(LITERALS)})")
        (row,) = client.db.literals
    assert (row.flag, row.small, row.large, row.text) == (True, -128, 2**128 - 1, "it's ä")
    assert row.data == b"\x00\xff"
    assert row.identity == Identity.from_hex("c2" * 32)
    assert row.connection == ConnectionId.from_hex("0a" * 16)
    assert row.at == Timestamp(1_700_000_000_000_001)
    assert row.uuid.to_uuid().int == 10


async def test_calls_by_the_bindings(kit: LiveKit, target: Target) -> None:
    """What the bindings write of typed values is what the server reads as those values."""
    tables = target.module.tables
    values = (
        False,
        127,
        2**128 - 1,
        "quote ' and \\ ä→𝄞",
        b"\x00\xff",
        Identity.from_hex("c2" * 32),
        ConnectionId.from_hex("0a" * 16),
        Timestamp(1_700_000_000_000_001),
        Uuid.from_hex("00112233445566778899aabbccddeeff"),
    )
    async with kit.connect() as client:
        await fill(client, target)
        await client.subscribe(
            tables.indexed_from(1, 5), tables.literals(*values), tables.region_names(2)
        )
        assert sorted(row.id for row in client.db.indexed_from) == [2, 3]
        assert [row.id for row in client.db.region_names] == [4]
        (row,) = client.db.literals
        assert tuple(getattr(row, name) for name in row.__struct_fields__) == values
