"""`sql.plan`: incremental changes equal the difference of snapshots, joins included."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.errors import QueryError
from spacetime_proto.server import U8, Database, Module, column
from spacetime_proto.server.engine.transactions import net_changes
from spacetime_proto.server.sql.analyze import ResolvedQuery, resolve
from spacetime_proto.server.sql.parse import parse
from spacetime_proto.server.sql.plan import delta, rows_of, snapshot
from tests.proto.server.support import identity, make_database

MODULE = Module()


@MODULE.table(public=True)
class Left:
    id: U8 = column(index=True)
    a: U8


@MODULE.table(public=True)
class Right:
    id: U8 = column(index="hash")
    b: U8


@MODULE.table(public=True)
class Bare:
    id: U8


@MODULE.table(public=True, event=True)
class Noise:
    id: U8 = column(index=True)


def compiled(database: Database, sql: str) -> tuple[ResolvedQuery, Any]:
    catalog = database.queries.catalog(database.caller(identity(1)))
    query = resolve(parse(sql), catalog, identity(1))  # type: ignore[arg-type]
    return query, [database.stores[name] for name in query.sources]


SMALL = st.integers(0, 2)
STEPS = st.lists(
    st.tuples(st.sampled_from([Left, Right]), st.booleans(), SMALL, SMALL), max_size=12
)


def apply(database: Database, steps: Any) -> Any:
    with database.transactions.run() as journal:
        for cls, is_insert, key, value in steps:
            store = database.stores[cls.__name__.lower()]
            row = cls(id=key, **{"a" if cls is Left else "b": value})
            if is_insert:
                store.insert(row)
            else:
                store.delete(store.encode(row))
    return net_changes(journal)


QUERIES = [
    "SELECT * FROM left",
    "SELECT * FROM left WHERE id = 1",
    "SELECT * FROM left WHERE a > 0 OR id = 2",
    "SELECT l.* FROM left l JOIN right r ON l.id = r.id",
    "SELECT r.* FROM left l JOIN right r ON r.id = l.id WHERE l.a < r.b",
    "SELECT x.* FROM left x JOIN left y ON x.id = y.id",
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(QUERIES), st.lists(STEPS, max_size=4))
def test_changes_add_up_to_the_snapshot(sql: str, transactions: Any) -> None:
    database = make_database(MODULE)
    query, stores = compiled(database, sql)
    content: Counter[bytes] = Counter(snapshot(query, stores))
    for steps in transactions:
        changes = apply(database, steps)
        inserts, deletes = delta(query, stores, changes)
        content.update(inserts)
        content.subtract(deletes)
        assert +content == Counter(snapshot(query, stores))
        assert min(content.values(), default=0) >= 0


def test_combinations_of_any_number_of_relations() -> None:
    database = make_database(MODULE)
    apply(database, [(Left, True, 1, 1), (Left, True, 2, 1), (Right, True, 1, 0)])
    query, stores = compiled(database, "SELECT COUNT(*) AS n FROM left a JOIN left b JOIN right c")
    assert len(list(rows_of(query, stores))) == 4
    query, stores = compiled(database, "SELECT * FROM left WHERE id = 2")
    assert [[row for _, row in rows] for rows in rows_of(query, stores)] == [[Left(id=2, a=1)]]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT id FROM left", "Column projections are not supported in subscriptions"),
        ("SELECT COUNT(*) AS n FROM left", "Column projections are not supported in subscriptions"),
        ("SELECT * FROM left LIMIT 1", "LIMIT is not supported"),
        (
            "SELECT a.* FROM left a JOIN left b ON a.id = b.id JOIN left c ON a.id = c.id",
            "Invalid number of tables in subscription: 3",
        ),
        ("SELECT a.* FROM left a JOIN left b", "Subscriptions require indexes on join columns"),
        (
            "SELECT l.* FROM left l JOIN bare b ON l.id = b.id",
            "Subscriptions require indexes on join columns",
        ),
        (
            "SELECT l.* FROM left l JOIN noise n ON l.id = n.id",
            "Event tables cannot be used as the lookup table in subscription joins",
        ),
        ("DELETE FROM left", "Unsupported: DELETE in a subscription"),
    ],
)
def test_what_subscriptions_may_not_do(sql: str, problem: str) -> None:
    database = make_database(MODULE)
    with pytest.raises(QueryError, match=problem):
        database.queries.live_query(sql, database.caller(identity(1)))


def test_the_index_rule_looks_at_the_joined_table_only() -> None:
    database = make_database(MODULE)
    caller = database.caller(identity(1))
    database.queries.live_query("SELECT b.* FROM bare b JOIN left l ON l.id = b.id", caller)


def test_a_join_keeps_what_its_condition_admits() -> None:
    database = make_database(MODULE)
    sql = "SELECT r.* FROM left l JOIN right r ON r.id = l.id WHERE l.a < r.b"
    query, stores = compiled(database, sql)
    changes = apply(
        database, [(Left, True, 1, 1), (Right, True, 1, 0), (Right, True, 1, 2), (Left, True, 2, 0)]
    )
    assert delta(query, stores, changes) == ([b"\1\2"], [])
    assert [rows[1][0] for rows in rows_of(query, stores)] == [b"\1\2"]
