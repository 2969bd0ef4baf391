"""TypeScript table_cache, table_index_accessor, table_cache_resolved_indexes, index_prefix_filter.

| row | where |
|---|---|
| table_cache empty at creation | scripted |
| table_cache insert once | scripted |
| table_cache same row twice gives one event | scripted |
| table_cache duplicate is a no-op | scripted |
| table_cache insert once, delete | scripted |
| table_cache insert twice, delete | scripted |
| table_cache update | scripted |
| table_cache event tables | scripted |
| table_index_accessor | scripted |
| table_cache_resolved_indexes | scripted |
| index_prefix_filter full key | scripted |
| index_prefix_filter prefix | scripted |
| index_prefix_filter range on the first column | scripted |
| index_prefix_filter range on the last column | scripted |

Those of table_cache run on a table with a primary key and on one without.
"""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto import Range
from spacetime_proto.messages import v2
from tests.conformance.kit import BATCHED, columns, protocols
from tests.conformance.scripted import ScriptedClient
from tests.support.golden import golden_module
from tests.support.script import message, user

#: (table, one row, the same row changed)
KEYED = ("user", user(1, "a"), user(1, "b"))
KEYLESS = ("message", message("a"), message("b"))
both = pytest.mark.parametrize(("table", "row", "other"), [KEYED, KEYLESS], ids=["pk", "no pk"])


def opened(protocol: str, **options: Any) -> ScriptedClient:
    client = ScriptedClient(protocol, **options)
    client.open()
    return client


def holding(protocol: str, table: str, *rows: Any, times: int = 1) -> ScriptedClient:
    """Return a client that has these rows through `times` query sets; its log begins after."""
    client = opened(protocol)
    for _ in range(times):
        client.subscribe(f"SELECT * FROM {table}", rows={table: list(rows)})
    client.watch(table)
    return client


def in_every_set(client: ScriptedClient, sets: int, *changes: Any) -> None:
    """Send one transaction with the same changes in several query sets."""
    client.send(
        v2.TransactionUpdate(
            tuple(
                v2.QuerySetUpdate(number + 1, part.query_sets[0].tables)
                for number in range(sets)
                for part in changes
            )
        )
    )


# --- table_cache --------------------------------------------------------------------------------


@both
def test_table_cache_empty_at_creation(protocol: str, table: str, row: Any, other: Any) -> None:
    client = opened(protocol)
    assert client.db[table].count() == 0
    assert client.rows_of(table) == []


@both
def test_table_cache_insert_once(protocol: str, table: str, row: Any, other: Any) -> None:
    client = opened(protocol)
    client.watch(table)
    client.subscribe(f"SELECT * FROM {table}", rows={table: [row]})
    assert client.take() == [("insert", table, row)]
    assert client.rows_of(table) == [row]


@both
@protocols(*BATCHED)
def test_table_cache_same_row_twice_gives_one_event(
    protocol: str, table: str, row: Any, other: Any
) -> None:
    client = holding(protocol, table, times=2)
    in_every_set(client, 2, client.change(table, [row]))
    assert client.take() == [("insert", table, row)]
    assert client.rows_of(table) == [row]


@both
@protocols(*BATCHED)
def test_table_cache_duplicate_is_a_no_op(protocol: str, table: str, row: Any, other: Any) -> None:
    client = holding(protocol, table, row)
    client.send(client.change(table, [row]))
    assert client.take() == []
    # Twice inserted, once deleted: it is there, as the server counts it.
    client.send(client.change(table, [], [row]))
    assert client.take() == []
    assert client.rows_of(table) == [row]
    # A row deleted and inserted by one transaction has not changed.
    client.send(client.change(table, [row], [row]))
    assert client.take() == []


@both
@protocols(*BATCHED)
def test_table_cache_insert_once_delete(protocol: str, table: str, row: Any, other: Any) -> None:
    client = holding(protocol, table, row)
    client.send(client.change(table, [], [row]))
    assert client.take() == [("delete", table, row)]
    assert client.rows_of(table) == []


@both
@protocols(*BATCHED)
def test_table_cache_insert_twice_delete(protocol: str, table: str, row: Any, other: Any) -> None:
    client = holding(protocol, table, row, times=2)
    client.send(client.change(table, [], [row]))
    assert client.take() == []
    assert client.rows_of(table) == [row]
    client.send(v2.TransactionUpdate(
        (v2.QuerySetUpdate(2, client.change(table, [], [row]).query_sets[0].tables),)
    ))  # fmt: skip
    assert client.take() == [("delete", table, row)]
    assert client.rows_of(table) == []


@both
@protocols(*BATCHED)
def test_table_cache_update(protocol: str, table: str, row: Any, other: Any) -> None:
    for sets in (1, 2):
        client = holding(protocol, table, row, times=sets)
        in_every_set(client, sets, client.change(table, [other], [row]))
        if table == "user":
            assert client.take() == [("update", table, row, other)]
        else:  # without a key nothing tells that one became the other
            assert client.take() == [("insert", table, other), ("delete", table, row)]
        assert client.rows_of(table) == [other]


@protocols(*BATCHED)
def test_table_cache_event_tables(protocol: str) -> None:
    client = opened(protocol, module=golden_module("sdk-test-event-table"))
    client.watch("test_event")
    client.subscribe("SELECT * FROM test_event")
    counts: list[int] = []
    client.db.test_event.on_insert(lambda ctx, row: counts.append(ctx.db.test_event.count()))
    events = v2.EventRows(client.rows("test_event", ("a", 1), ("a", 1), ("b", 2)))
    tables = (v2.TableUpdate("test_event", (events,)),)
    client.send(v2.TransactionUpdate((v2.QuerySetUpdate(1, tables),)))
    insert_a, insert_b = ("insert", "test_event", ("a", 1)), ("insert", "test_event", ("b", 2))
    assert client.take() == [insert_a, insert_a, insert_b]
    assert counts == [0, 0, 0]
    assert client.rows_of("test_event") == []


# --- indexes ------------------------------------------------------------------------------------


def test_table_index_accessor(protocol: str) -> None:
    """A unique column finds one row, an index filters several; both follow the cache."""
    module = golden_module("sdk-test-procedural-view-pk")
    client = opened(protocol, module=module)
    (ann, _, _), (bob, _, _) = user(1), user(2)
    rows = [(1, ann, 10), (2, bob, 10), (3, ann, 20)]
    client.subscribe("SELECT * FROM left_source", rows={"left_source": rows})
    table = client.db.left_source
    assert columns(table.id.find(2)) == rows[1]
    assert table.id.find(9) is None
    assert [columns(row) for row in table.sender.filter(ann)] == [rows[0], rows[2]]
    assert not hasattr(table, "filter") or not callable(table.filter)


@protocols(*BATCHED)
def test_table_cache_resolved_indexes(protocol: str) -> None:
    """Indexes by canonical and by accessor name: the accessor is what code uses, and it follows."""
    client = opened(protocol, module=golden_module("sdk-test-case-conversion"))
    info = client.module.bound.types.classes
    person_info = next(cls for cls in info.values() if cls.__name__ == "Person3Info")(1, 2)
    rows = [(1, "a", 7, person_info), (2, "b", 7, person_info), (3, "c", 8, person_info)]
    client.subscribe("SELECT * FROM person_2", rows={"person_2": rows})
    table = client.db.person2
    assert [row.first_name for row in table.playerRef.filter(7)] == ["a", "b"]
    client.send(client.change("person_2", [(2, "b", 8, person_info)], [rows[1]]))
    assert [row.first_name for row in table.playerRef.filter(7)] == ["a"]
    assert [row.first_name for row in table.playerRef.filter(8)] == ["c", "b"]
    assert table.person_2_id.find(2).player_ref == 8


ROWS = [(player, snazz) for player in (1, 2, 3) for snazz in (0.5, 1.5, 2.5)]


def filtered(protocol: str, value: Any) -> list[Any]:
    """Filter nine rows by a value for the index over (player_id, player_snazz)."""
    client = opened(protocol, module=golden_module("sdk-test"))
    client.subscribe("SELECT * FROM indexed_table_2", rows={"indexed_table_2": ROWS})
    found = client.db["indexed_table_2"].player_id_snazz_index.filter(value)
    return [columns(row) for row in found]


def test_index_prefix_filter_full_key(protocol: str) -> None:
    assert filtered(protocol, (2, 1.5)) == [(2, 1.5)]
    assert filtered(protocol, (2, 9.0)) == []


def test_index_prefix_filter_prefix(protocol: str) -> None:
    assert filtered(protocol, (2,)) == [(2, 0.5), (2, 1.5), (2, 2.5)]
    assert filtered(protocol, 2) == [(2, 0.5), (2, 1.5), (2, 2.5)]


def test_index_prefix_filter_range_on_the_first_column(protocol: str) -> None:
    assert filtered(protocol, Range(2, None)) == ROWS[3:]
    assert filtered(protocol, Range(1, 3, include_lo=False, include_hi=False)) == ROWS[3:6]


def test_index_prefix_filter_range_on_the_last_column(protocol: str) -> None:
    assert filtered(protocol, (2, Range(1.0, 2.5))) == [(2, 1.5), (2, 2.5)]
    assert filtered(protocol, (2, Range(None, 1.5, include_hi=False))) == [(2, 0.5)]
