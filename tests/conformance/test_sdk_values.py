"""Rust test-client: values of every type.

| row | where |
|---|---|
| insert-primitive | embedded |
| insert-identity | embedded |
| insert-caller-identity | embedded |
| insert-connection-id | embedded |
| insert-caller-connection-id | embedded |
| insert-timestamp | embedded |
| insert-call-timestamp | embedded |
| insert-uuid | embedded |
| insert-call-uuid-v4 | embedded |
| insert-call-uuid-v7 | embedded |
| insert-vec | embedded |
| insert-option-some | embedded |
| insert-option-none | embedded |
| insert-result-okay | embedded |
| insert-struct | embedded |
| insert-simple-enum | embedded |
| insert-enum-with-payload | embedded |
| insert-delete-large-table | embedded |
| insert-primitives-as-strings | embedded |
| sorted-uuids-insert | embedded |
| should-fail | embedded |

insert-result-okay is a row of the Unreal suite, which has all the others by the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto import Err, Ok, ReducerEvent, Timestamp
from tests.conformance.kit import columns
from tests.conformance.samples import KINDS, sample, variants

if TYPE_CHECKING:
    from tests.conformance.kit import Client, World

PRIMITIVES = (
    *(f"{sign}_{bits}" for sign in "ui" for bits in (8, 16, 32, 64, 128, 256)),
    "bool",
    "f_32",
    "f_64",
    "string",
)


def value_of(client: Client, table: str, kind: Any = "small") -> Any:
    """Return a value of the first column of a table."""
    bound = client.table(table).table
    return sample(client.raw.module.bound.types, bound.definition.columns[0].type, kind)


def every_variant(client: Client, table: str) -> list[Any]:
    """Return a value of every variant of the first column of a table."""
    bound = client.table(table).table
    return variants(client.raw.module.bound.types, bound.definition.columns[0].type)


async def insert_and_see(client: Client, table: str, values: list[Any]) -> None:
    """Insert one row per value: each is announced as the result of that call, and in the cache."""
    for value in values:
        before = client.table(table).count()
        await client.call(f"insert_{table}", value)
        [change] = client.log
        client.log.clear()
        assert (change.kind, change.table) == ("insert", table)
        assert change.values == (value,)
        assert isinstance(change.event, ReducerEvent)
        assert change.event.is_own
        assert change.event.status == "committed"
        assert change.event.args == (value,)
        assert change.count == before + 1
        assert client.row(table, value) in client.table(table)


def different(values: list[Any]) -> list[Any]:
    """Leave out values that are there already: a table holds equal rows once."""
    return [value for at, value in enumerate(values) if value not in values[:at]]


async def insert_all(world: World, *tables: str) -> None:
    """Insert a small, the least and the most value of each table's type."""
    world.needs(*tables)
    async with world.connected_to(*tables) as client:
        for table in tables:
            values = [value_of(client, table, kind) for kind in KINDS]
            await insert_and_see(client, table, different(values))


# --- one value per row --------------------------------------------------------------------------


async def test_insert_primitive(sdk_test: World) -> None:
    await insert_all(sdk_test, *(f"one_{name}" for name in PRIMITIVES))


async def test_insert_identity(sdk_test: World) -> None:
    await insert_all(sdk_test, "one_identity")


async def test_insert_connection_id(sdk_test: World) -> None:
    await insert_all(sdk_test, "one_connection_id")


async def test_insert_timestamp(sdk_test: World) -> None:
    await insert_all(sdk_test, "one_timestamp")


async def test_insert_uuid(sdk_test: World) -> None:
    await insert_all(sdk_test, "one_uuid")


async def test_insert_vec(sdk_test: World) -> None:
    await insert_all(sdk_test, *(f"vec_{name}" for name in PRIMITIVES))


async def test_insert_option_some(sdk_test: World) -> None:
    tables = ("option_i_32", "option_string", "option_identity", "option_simple_enum")
    structured = ("option_every_primitive_struct", "option_vec_option_i_32")
    sdk_test.needs(*tables)
    async with sdk_test.connected_to(*tables, *structured) as client:
        for table in (*tables, *structured):
            value = value_of(client, table)
            assert value is not None
            await insert_and_see(client, table, [value])
        await insert_and_see(client, "option_vec_option_i_32", [[0, None, 1]])


async def test_insert_option_none(sdk_test: World) -> None:
    tables = ("option_i_32", "option_string", "option_identity", "option_simple_enum")
    structured = ("option_every_primitive_struct", "option_vec_option_i_32")
    sdk_test.needs(*tables, *structured)
    async with sdk_test.connected_to(*tables, *structured) as client:
        for table in (*tables, *structured):
            await insert_and_see(client, table, [None])


async def test_insert_result_okay(sdk_test: World) -> None:
    tables = ("result_i_32_string", "result_string_i_32", "result_identity_string",
              "result_simple_enum_i_32", "result_every_primitive_struct_string",
              "result_vec_i_32_string")  # fmt: skip
    sdk_test.needs(*tables)
    async with sdk_test.connected_to(*tables) as client:
        for table in tables:
            good, bad = value_of(client, table), value_of(client, table, "other")
            assert (type(good), type(bad)) == (Ok, Err)
            await insert_and_see(client, table, [good, bad])


async def test_insert_struct(sdk_test: World) -> None:
    structs = ("unit_struct", "byte_struct", "every_primitive_struct", "every_vec_struct")
    tables = [f"{how}_{name}" for how in ("one", "vec") for name in structs]
    await insert_all(sdk_test, *tables)


async def test_insert_simple_enum(sdk_test: World) -> None:
    sdk_test.needs("one_simple_enum", "vec_simple_enum")
    async with sdk_test.connected_to("one_simple_enum", "vec_simple_enum") as client:
        values = every_variant(client, "one_simple_enum")
        assert [value.value for value in values] == [0, 1, 2]
        await insert_and_see(client, "one_simple_enum", values)
        await insert_and_see(client, "vec_simple_enum", [values])


async def test_insert_enum_with_payload(sdk_test: World) -> None:
    sdk_test.needs("one_enum_with_payload", "vec_enum_with_payload")
    async with sdk_test.connected_to("one_enum_with_payload", "vec_enum_with_payload") as client:
        values = every_variant(client, "one_enum_with_payload")
        assert len(values) >= 24
        await insert_and_see(client, "one_enum_with_payload", values)
        await insert_and_see(client, "vec_enum_with_payload", [values])


# --- what the server knows of the call ----------------------------------------------------------


async def test_insert_caller_identity(sdk_test: World) -> None:
    sdk_test.needs("insert_caller_one_identity")
    async with sdk_test.connected_to("one_identity") as client:
        await client.call("insert_caller_one_identity")
        assert client.take() == [("insert", "one_identity", (client.raw.identity,))]


async def test_insert_caller_connection_id(sdk_test: World) -> None:
    sdk_test.needs("insert_caller_one_connection_id")
    async with sdk_test.connected_to("one_connection_id") as client:
        await client.call("insert_caller_one_connection_id")
        assert client.take() == [("insert", "one_connection_id", (client.raw.connection_id,))]


async def test_insert_call_timestamp(sdk_test: World) -> None:
    sdk_test.needs("insert_call_timestamp")
    async with sdk_test.connected_to("one_timestamp") as client:
        await client.call("insert_call_timestamp")
        [change] = client.log
        assert isinstance(change.values[0], Timestamp)
        assert change.event.timestamp == change.values[0]


async def insert_call_uuid(world: World, version: int) -> None:
    world.needs("one_uuid", f"insert_call_uuid_v_{version}")
    async with world.connected_to("one_uuid") as client:
        for _ in range(3):
            await client.call(f"insert_call_uuid_v_{version}")
        made = [change.values[0].to_uuid() for change in client.log]
    assert len(set(made)) == 3
    assert {uuid.version for uuid in made} == {version}
    assert {uuid.variant for uuid in made} == {"specified in RFC 4122"}


async def test_insert_call_uuid_v4(sdk_test: World) -> None:
    await insert_call_uuid(sdk_test, 4)


async def test_insert_call_uuid_v7(sdk_test: World) -> None:
    await insert_call_uuid(sdk_test, 7)


async def test_sorted_uuids_insert(sdk_test: World) -> None:
    sdk_test.needs("pk_uuid", "sorted_uuids_insert")
    async with sdk_test.connected_to("pk_uuid") as client:
        await client.call("sorted_uuids_insert")
        uuids = [columns(row)[0] for row in client.table("pk_uuid").iter()]
        assert len(uuids) == 1000
        assert uuids == sorted(uuids)
        assert {uuid.to_uuid().version for uuid in uuids} == {7}


# --- big rows, texts, and the tests themselves --------------------------------------------------


async def test_insert_delete_large_table(sdk_test: World) -> None:
    sdk_test.needs("large_table", "insert_large_table", "delete_large_table")
    async with sdk_test.connected_to("large_table") as client:
        types = client.raw.module.bound.types
        definition = client.table("large_table").table.definition
        assert len(definition.columns) == 22
        for kind in KINDS:
            values = tuple(sample(types, column.type, kind) for column in definition.columns)
            await client.call("insert_large_table", *values)
            assert client.take() == [("insert", "large_table", values)]
            await client.call("delete_large_table", *values)
            assert client.take() == [("delete", "large_table", values)]
            assert client.table("large_table").count() == 0


async def test_insert_primitives_as_strings(sdk_test: World) -> None:
    sdk_test.needs("insert_primitives_as_strings", "vec_string")
    async with sdk_test.connected_to("vec_string") as client:
        kinds = ("small", "other")  # beyond these, texts of floats are each language's own
        for kind in kinds:
            value = value_of(client, "one_every_primitive_struct", kind)
            await client.call("insert_primitives_as_strings", value)
            [(_, _, (texts,))] = client.take()
            expected = [
                str(part).lower() if isinstance(part, bool) else str(part)
                for part in columns(value)
            ]
            assert texts == expected


async def test_should_fail(sdk_test: World) -> None:
    """A callback that finds fault, as those of the original do, is noticed by the test."""

    def find_fault(ctx: Any, row: Any) -> None:
        raise AssertionError("a failing check inside a callback")

    with pytest.raises(AssertionError, match="inside a callback"):
        async with sdk_test.connect() as client:
            client.table("one_u_8").on_insert(find_fault)
            await client.subscribe(client.all_of("one_u_8"))
            await client.call("insert_one_u_8", 1)
