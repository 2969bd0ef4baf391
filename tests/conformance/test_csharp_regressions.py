"""C# regression-tests and republishing clients.

| row | where |
|---|---|
| index content after inserts and deletes | embedded |
| views returning null, vec, IEnumerable | embedded |
| reducer error text has no stack trace | embedded |
| documented index queries | embedded |
| WHERE subscriptions | embedded |
| row equality | embedded |
| semijoin subscriptions | embedded |
| RemoteQuery on tables and views | embedded |
| nullable strings | embedded |
| republishing: defaults of new columns | scripted |
| republishing: bindings of the older schema | scripted |

Its other rows (views with a primary key, event tables, procedures) are those of the Rust clients.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto import Range
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.errors import DecodeError, SchemaMismatch
from spacetime_proto.messages import v2
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.load import load_schema
from tests.conformance.kit import BATCHED, columns, protocols
from tests.conformance.scripted import ScriptedClient
from tests.conformance.test_sdk_subscriptions import join
from tests.support.golden import schema_text
from tests.support.script import user

if TYPE_CHECKING:
    from tests.conformance.kit import World


async def test_index_content_after_inserts_and_deletes(sdk_test: World) -> None:
    sdk_test.needs("insert_into_btree_u_32", "delete_from_btree_u_32")
    async with sdk_test.connected_to("btree_u_32") as client:
        row = lambda *values: client.row("btree_u_32", *values)  # noqa: E731
        index = client.column("btree_u_32", 0)
        assert index.filter(1) == []
        await client.call("insert_into_btree_u_32", [row(1, 10), row(1, 11), row(2, 20)])
        assert sorted(map(columns, index.filter(1))) == [(1, 10), (1, 11)]
        await client.call("delete_from_btree_u_32", [row(1, 10)])
        assert [columns(one) for one in index.filter(1)] == [(1, 11)]
        await client.call("delete_from_btree_u_32", [row(1, 11), row(2, 20)])
        assert index.filter(1) == index.filter(2) == []


async def test_views_returning_null_vec_ienumerable(view: World) -> None:
    """An optional row that is not there, a list of none, and both with rows."""
    async with view.connected_to(
        "my_player", "my_player_and_level", "players_at_level_0"
    ) as client:
        tables = ("my_player", "my_player_and_level", "players_at_level_0")
        assert [client.table(table).count() for table in tables] == [0, 0, 0]
        await client.call("insert_player", client.raw.identity, 0)
        assert [client.table(table).count() for table in tables] == [1, 1, 1]


async def test_reducer_error_text_has_no_stack_trace(sdk_test: World) -> None:
    async with sdk_test.connect() as client:
        await client.call("insert_pk_u_8", 1, 1)
        with pytest.raises(sdk_test.panic_error) as caught:
            await client.call("insert_pk_u_8", 1, 1_000)
        text = str(caught.value)
        assert "\n" not in text
        assert not any(word in text for word in ("Traceback", "File ", ".py", "at Module."))


async def test_documented_index_queries(sdk_test: World) -> None:
    async with sdk_test.connected_to("pk_u_32") as client:
        for number in range(1, 6):
            await client.call("insert_pk_u_32", number, number * 10)
        key = client.column("pk_u_32", 0)
        assert columns(key.find(3)) == (3, 30)
        assert key.find(9) is None
        assert [columns(row)[0] for row in key.filter(Range(2, 4))] == [2, 3, 4]
        assert [columns(row)[0] for row in key.filter(Range(2, 4, include_hi=False))] == [2, 3]
        assert [columns(row)[0] for row in key.filter(Range(None, 2))] == [1, 2]
        assert [columns(row)[0] for row in key.filter(Range(4, None))] == [4, 5]


async def test_where_subscriptions(sdk_test: World) -> None:
    async with sdk_test.connect() as client:
        client.watch("pk_u_32")
        await client.subscribe(client.where("pk_u_32", 1, "= 5"))
        await client.call("insert_pk_u_32", 1, 4)
        await client.call("insert_pk_u_32", 2, 5)
        await client.call("update_pk_u_32", 1, 5)  # comes into the condition
        await client.call("update_pk_u_32", 2, 6)  # goes out of it
        assert client.take() == [
            ("insert", "pk_u_32", (2, 5)),
            ("insert", "pk_u_32", (1, 5)),
            ("delete", "pk_u_32", (2, 5)),
        ]


async def test_row_equality(sdk_test: World) -> None:
    async with sdk_test.connected_to("pk_u_32", "vec_string") as client:
        await client.call("insert_pk_u_32", 1, 5)
        await client.call("insert_vec_string", ["a", "b"])
        [row] = client.table("pk_u_32").iter()
        same, other = client.row("pk_u_32", 1, 5), client.row("pk_u_32", 1, 6)
        assert row == same
        assert row != other
        assert hash(row) == hash(same)
        assert (same in client.table("pk_u_32"), other in client.table("pk_u_32")) == (True, False)
        [texts] = client.table("vec_string").iter()
        assert texts == client.row("vec_string", ["a", "b"])


async def test_semijoin_subscriptions(sdk_test: World) -> None:
    async with sdk_test.connect() as client:
        client.watch("pk_u_32")
        await client.subscribe(join(client, "pk_u_32", "unique_u_32"))
        await client.call("insert_pk_u_32", 1, 5)
        await client.call("insert_pk_u_32", 2, 5)
        await client.call("insert_unique_u_32", 1, 0)
        await client.call("delete_unique_u_32", 1)
        assert client.take() == [("insert", "pk_u_32", (1, 5)), ("delete", "pk_u_32", (1, 5))]


async def test_remotequery_on_tables_and_views(view: World) -> None:
    async with view.connect() as client:
        await client.call("insert_player", client.raw.identity, 0)
        tables: Any = client.raw.module.tables
        by_text = await client.raw.query("SELECT * FROM player")
        by_builder = await client.raw.query(
            tables.player.where(lambda row: row.identity == client.raw.identity)
        )
        assert by_text == by_builder
        assert [columns(row)[1] for row in by_text] == [client.raw.identity]
        # A server works a view out for its subscribers; to a query it is empty until there is one.
        await client.subscribe("SELECT * FROM my_player_and_level")
        [seen] = await client.raw.query("SELECT * FROM my_player_and_level")
        assert columns(seen)[1:] == (client.raw.identity, 0)
        # Nothing of it enters the cache.
        assert client.table("player").count() == 0


async def test_nullable_strings(sdk_test: World) -> None:
    async with sdk_test.connected_to("option_string") as client:
        for text in (None, "", "x"):
            await client.call("insert_option_string", text)
        assert [change.values[0] for change in client.log] == [None, "", "x"]
        assert {columns(row)[0] for row in client.table("option_string").iter()} == {None, "", "x"}


# --- republishing -------------------------------------------------------------------------------


def schema_with_more_columns() -> str:
    """Return the chat's schema after a migration that gave `user` one more column."""
    text = json.loads(schema_text("quickstart-chat"))

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            elements = value.get("elements")
            names = [str(one.get("name")) for one in elements] if isinstance(elements, list) else []
            if any("online" in name for name in names):
                elements.append({"name": {"some": "level"}, "algebraic_type": {"U32": []}})
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(text)
    return json.dumps(text)


def new_row(level: int) -> bytes:
    """Return a row of `user` as the migrated module stores it."""
    old = ScriptedClient().rows("user", user(1))
    [data] = old.slices()
    return data + level.to_bytes(4, "little")


@protocols(*BATCHED)
def test_republishing_defaults_of_new_columns(protocol: str) -> None:
    """Rows from before the migration have the default of the new column, like any other value."""
    module = dynamic_module(load_schema(schema_with_more_columns()))
    client = ScriptedClient(protocol, module=module)
    client.open()
    assert client.db.user.table.row_class.__struct_fields__ == (
        "identity",
        "name",
        "online",
        "level",
    )
    client.session.subscribe("SELECT * FROM user")
    request = client.request()
    rows = v2.SingleTableRows("user", RowList.from_rows([new_row(7)]))
    client.send(v2.SubscribeAppliedMessage(request.request_id, request.query_set_id, (rows,)))
    [row] = client.db.user.iter()
    assert row.level == 7


@protocols(*BATCHED)
def test_republishing_bindings_of_the_older_schema(protocol: str) -> None:
    """Rows that are longer than the bindings know end the connection: no row is misread."""
    client = ScriptedClient(protocol)
    client.open()
    client.session.subscribe("SELECT * FROM user")
    request = client.request()
    client.watch("user")
    rows = v2.SingleTableRows("user", RowList.from_rows([new_row(7)]))
    with pytest.raises(DecodeError, match="user"):
        client.send(v2.SubscribeAppliedMessage(request.request_id, request.query_set_id, (rows,)))
        raise client.session.close_error or AssertionError("nothing was noticed")
    # Beforehand, the two can be compared.
    with pytest.raises(SchemaMismatch, match="user") as caught:
        client.module.check_fits(load_schema(schema_with_more_columns()))
    assert any("level" in text for text in caught.value.differences)
