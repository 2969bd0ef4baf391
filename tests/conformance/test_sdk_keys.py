"""Rust test-client: unique columns, primary keys, indexes.

| row | where |
|---|---|
| delete-primitive | embedded |
| update-primitive | embedded |
| delete-identity | embedded |
| update-identity | embedded |
| delete-connection-id | embedded |
| update-connection-id | embedded |
| delete-uuid | embedded |
| update-uuid | embedded |
| pk-simple-enum | embedded |
| indexed-simple-enum | embedded |

The original's runner calls the delete handlers where it should call those of update-identity,
update-connection-id and update-uuid; here the real ones run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.test_sdk_values import PRIMITIVES, value_of

if TYPE_CHECKING:
    from tests.conformance.kit import World

#: The primitives that can be keys: all but the floats.
KEYS = tuple(name for name in PRIMITIVES if not name.startswith("f_"))


async def insert_and_delete(world: World, *names: str) -> None:
    """Insert a row with a unique value and delete it by that value, seen through both callbacks."""
    tables = [f"unique_{name}" for name in names]
    world.needs(*tables, *(f"delete_{table}" for table in tables))
    async with world.connected_to(*tables) as client:
        for table in tables:
            for kind in ("small", "most"):
                key = value_of(client, table, kind)
                await client.call(f"insert_{table}", key, 0xBEEF)
                assert client.take() == [("insert", table, (key, 0xBEEF))]
                assert client.column(table, 0).find(key) is not None
                await client.call(f"delete_{table}", key)
                assert client.take() == [("delete", table, (key, 0xBEEF))]
                assert client.column(table, 0).find(key) is None
                assert client.table(table).count() == 0


async def insert_update_delete(world: World, *names: str) -> None:
    """Insert, update and delete by primary key; the update is one, not a delete and an insert."""
    tables = [f"pk_{name}" for name in names]
    world.needs(*tables, *(f"update_{table}" for table in tables))
    async with world.connected_to(*tables) as client:
        for table in tables:
            for kind in ("small", "least"):
                key = value_of(client, table, kind)
                await client.call(f"insert_{table}", key, 0xBEEF)
                assert client.take() == [("insert", table, (key, 0xBEEF))]
                await client.call(f"update_{table}", key, 0xBABE)
                assert client.take() == [("update", table, (key, 0xBEEF), (key, 0xBABE))]
                assert client.rows(table) == [(key, 0xBABE)]
                await client.call(f"delete_{table}", key)
                assert client.take() == [("delete", table, (key, 0xBABE))]
                assert client.table(table).count() == 0


async def test_delete_primitive(sdk_test: World) -> None:
    await insert_and_delete(sdk_test, *KEYS)


async def test_update_primitive(sdk_test: World) -> None:
    assert len(KEYS) == 14
    await insert_update_delete(sdk_test, *KEYS)


async def test_delete_identity(sdk_test: World) -> None:
    await insert_and_delete(sdk_test, "identity")


async def test_update_identity(sdk_test: World) -> None:
    await insert_update_delete(sdk_test, "identity")


async def test_delete_connection_id(sdk_test: World) -> None:
    await insert_and_delete(sdk_test, "connection_id")


async def test_update_connection_id(sdk_test: World) -> None:
    await insert_update_delete(sdk_test, "connection_id")


async def test_delete_uuid(sdk_test: World) -> None:
    await insert_and_delete(sdk_test, "uuid")


async def test_update_uuid(sdk_test: World) -> None:
    await insert_update_delete(sdk_test, "uuid")


async def test_pk_simple_enum(sdk_test: World) -> None:
    sdk_test.needs("pk_simple_enum")
    async with sdk_test.connected_to("pk_simple_enum") as client:
        key = client.type("SimpleEnum").two
        await client.call("insert_pk_simple_enum", key, 42)
        await client.call("update_pk_simple_enum", key, 24)
        assert client.take() == [
            ("insert", "pk_simple_enum", (key, 42)),
            ("update", "pk_simple_enum", (key, 42), (key, 24)),
        ]
        found: Any = client.column("pk_simple_enum", 0).find(key)
        assert found is not None and found.data == 24


async def test_indexed_simple_enum(sdk_test: World) -> None:
    sdk_test.needs("indexed_simple_enum", "insert_into_indexed_simple_enum")
    async with sdk_test.connected_to("indexed_simple_enum") as client:
        enum = client.type("SimpleEnum")
        await client.call("insert_into_indexed_simple_enum", enum.two)
        await client.call("update_indexed_simple_enum", enum.two, enum.one)
        # There is no key, so a replaced row is a new and an old one.
        assert client.take() == [
            ("insert", "indexed_simple_enum", (enum.two,)),
            ("insert", "indexed_simple_enum", (enum.one,)),
            ("delete", "indexed_simple_enum", (enum.two,)),
        ]
        index = client.column("indexed_simple_enum", 0)
        assert [len(index.filter(member)) for member in enum] == [0, 1, 0]
