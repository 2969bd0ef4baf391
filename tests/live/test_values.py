"""Values of every type, there and back: our rows are the server's rows."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.bindings import Call
from spacetime_proto.errors import InternalError
from tests.live.samples import is_finite, samples

if TYPE_CHECKING:
    from spacetime_proto.bindings import Module
    from tests.live.kit import LiveKit
    from tests.live.target import Target

ALL = "SELECT * FROM {}".format


def value_tables(module: Module[Any]) -> dict[str, list[Any]]:
    """Return the samples of every table ``{value}`` that has a reducer ``insert_TABLE``."""
    bound = module.bound
    found = {}
    for name, table in bound.tables.items():
        is_one = table.column_names == ("value",) and not table.definition.indexes
        if is_one and f"insert_{name}" in bound.reducers:
            found[name] = samples(bound.types, table.codec.type)
    return found


def same(target: Target, table: str, found: list[Any], wanted: list[Any]) -> None:
    """Compare rows as sets: tables without keys hold equal rows once."""
    assert len(found) == len(set(target.encoded(table, found))), table
    assert set(target.encoded(table, found)) == set(target.encoded(table, wanted)), table


async def test_every_value_round_trips(kit: LiveKit, target: Target) -> None:
    sent = value_tables(target.module)
    assert len(sent) > 60
    inserted: Counter[str] = Counter()
    async with kit.connect() as client:
        for name in sent:
            client.db[name].on_insert(lambda ctx, row, name=name: inserted.update([name]))
        await client.subscribe(*map(ALL, sent))
        for name, rows in sent.items():
            if kit.is_json:
                sent[name] = rows = [row for row in rows if is_finite(row)]
            for row in rows:
                # Not one by one: the last call's answer comes after those of all before it.
                client.raw.submit(Call("reducer", f"insert_{name}", (row.value,)))
        await client.call(client.reducers.no_op())
        for name, rows in sent.items():
            found = client.db[name].rows()
            same(target, name, found, rows)
            assert inserted[name] == len(found), name
            if all(map(is_finite, found)):
                assert target.rows(name) == target.encoded(name, found), name
        snapshots = {name: target.encoded(name, client.db[name]) for name in sent}
    async with kit.connect() as late:
        await late.subscribe(*map(ALL, sent))
        for name, rows in snapshots.items():
            assert target.encoded(name, late.db[name]) == rows, name


@pytest.mark.row("test_sdk_values", "insert-delete-large-table")
async def test_rows_of_22_columns(kit: LiveKit, target: Target) -> None:
    bound = target.module.bound
    codec = bound.tables["large_table"].codec
    rows = [row for row in samples(bound.types, codec.type) if is_finite(row)]
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM large_table")
        for row in rows:
            values = [getattr(row, name) for name in row.__struct_fields__]
            client.raw.submit(client.reducers.insert_large_table(*values))
        await client.call(client.reducers.no_op())
        same(target, "large_table", client.db.large_table.rows(), rows)
        assert target.encoded("large_table", client.db.large_table) == target.rows("large_table")
        for row in rows:
            client.raw.submit(client.reducers.delete_large_table(row))
        await client.call(client.reducers.no_op())
        assert client.db.large_table.count() == 0


async def test_names_that_are_keywords(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM awkward")
        await client.call(client.reducers.insert_awkward(1, "c", "f", True, [3, 4], None))
        (row,) = client.db.awkward
        assert (row.id, row.class_, row.from_, row.lambda_) == (1, "c", "f", True)
        assert [getattr(row, name) for name in row.__struct_fields__][4:] == [[3, 4], None]
        assert target.encoded("awkward", [row]) == target.rows("awkward")


async def test_the_server_prints_values_as_we_do(kit: LiveKit, target: Target) -> None:
    bound = target.module.bound
    (row,) = samples(bound.types, bound.tables["one_every_primitive"].codec.type)[:1]
    value = row.value
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM vec_string")
        await client.call(client.reducers.insert_primitives_as_strings(value))
        (printed,) = client.db.vec_string
    ours = [getattr(value, name) for name in value.__struct_fields__]
    assert printed.value == [
        str(item).lower() if isinstance(item, bool) else str(item) for item in ours
    ]


async def test_what_the_caller_is(kit: LiveKit) -> None:
    async with kit.connect() as client:
        await client.subscribe(
            *map(ALL, ("one_identity", "one_connection_id", "one_timestamp", "pk_identity"))
        )
        events: list[Any] = []
        client.raw.on_reducer(lambda ctx: events.append(ctx.event))
        await client.call(client.reducers.insert_caller_one_identity())
        await client.call(client.reducers.insert_caller_one_connection_id())
        await client.call(client.reducers.insert_call_timestamp())
        assert [row.value for row in client.db.one_identity] == [client.raw.identity]
        assert [row.value for row in client.db.one_connection_id] == [client.raw.connection_id]
        (row,) = client.db.one_timestamp
        assert row.value == events[-1].timestamp
        await client.call(client.reducers.insert_caller_pk_identity(5))
        assert client.db.pk_identity.key.find(client.raw.identity).data == 5


@pytest.mark.only("blocking")
async def test_json_has_no_nan(kit: LiveKit) -> None:
    """What has no JSON is sent as null, as the server itself does, which it refuses to read."""
    async with kit.connect() as client:
        call = client.reducers.insert_one_f_64(math.nan)
        if kit.is_json:
            with pytest.raises(InternalError, match="invalid arguments"):
                await client.call(call)
            return
        await client.call(call)
