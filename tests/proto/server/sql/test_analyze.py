"""`sql.resolve`: names, types and predicates."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import QueryError
from spacetime_proto.server import F64, U8, Database, Module, column
from spacetime_proto.server.sql.analyze import ResolvedQuery, resolve, resolve_filter, uses_sender
from spacetime_proto.server.sql.parse import parse
from spacetime_proto.types import Identity
from tests.proto.server.support import identity, make_database


def database() -> Database:
    module = Module()

    @module.table(public=True)
    class T:
        id: U8 = column(primary_key=True)
        owner: Identity
        on: bool = column(name="is_on")
        size: F64
        maybe: str | None = None

    @module.table(public=True, name="canonical", accessor="accessor")
    class S:
        id: U8 = column(index=True, name="t_id")
        label: str

    @module.table
    class Secret:
        id: U8

    return make_database(module)


def compile_(sql: str, number: int = 1) -> ResolvedQuery:
    made = database()
    catalog = made.queries.catalog(made.caller(identity(number)))
    return resolve(parse(sql), catalog, identity(number))  # type: ignore[arg-type]


class Row:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(
            {"id": 5, "owner": identity(1), "on": True, "size": 0.5, "maybe": None, **values}
        )


def holds(condition: str, **values: Any) -> bool:
    query = compile_(f"SELECT * FROM t WHERE {condition}")
    assert query.where is not None
    return bool(query.where((Row(**values),)))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = 5", True),
        ("id <> 5", False),
        ("5 <= id", True),
        ("6 < id", False),
        ("4 > id", False),
        ("5 >= id AND id >= 5", True),
        ("id < 3 OR id > 4", True),
        ("on", True),
        ("is_on", True),
        ("t.on = false", False),
        ("true", True),
        ("false OR on", True),
        ("owner = :sender", True),
        (":sender <> owner", False),
        ("size < 1", True),
        ("id = id", True),
        ("size = 'inf'", False),
    ],
)
def test_predicates(condition: str, expected: bool) -> None:
    assert holds(condition) is expected


def test_floats_compare_as_sats_does() -> None:
    nan = float("nan")
    assert holds("size > 1", size=nan)
    assert holds("size = size", size=nan)


def test_a_required_equality_is_noticed() -> None:
    assert compile_("SELECT * FROM t WHERE on AND 5 = id").equal == (0, 5)
    assert compile_("SELECT * FROM t WHERE owner = :sender").equal == (1, identity(1))
    assert compile_("SELECT * FROM t WHERE id = 5 OR on").equal is None
    assert compile_("SELECT * FROM t WHERE id > 5").equal is None
    joined = "SELECT s.* FROM t JOIN canonical s ON t.id = s.id WHERE s.label = 'x'"
    assert compile_(joined).equal is None


def test_tables_and_columns_have_two_names() -> None:
    assert compile_("SELECT * FROM accessor WHERE t_id = 1").sources == ("canonical",)
    assert compile_("SELECT * FROM canonical WHERE id = 1").equal == (0, 1)


def test_joins_are_turned_so_that_the_new_table_is_right() -> None:
    for on in ("t.id = s.t_id", "s.id = t.id"):
        query = compile_(f"SELECT t.* FROM t JOIN canonical AS s ON {on}")
        [join] = query.joins
        assert join is not None
        assert (join.left.relation, join.right.relation, join.right.column) == (0, 1, 0)


def test_outputs() -> None:
    assert compile_("SELECT * FROM t").output.kind == "rows"
    assert compile_("SELECT s.* FROM t JOIN canonical s").output.relation == 1
    assert compile_("SELECT COUNT(*) AS n FROM t LIMIT 1e1").limit == 10
    columns = compile_("SELECT id AS a, is_on FROM t").output
    assert (columns.names, [f.attribute for f in columns.fields]) == (("a", "is_on"), ["id", "on"])


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (
            "SELECT * FROM nope",
            "no such table: `nope`. If the table exists, it may be marked private.",
        ),
        (
            "SELECT * FROM secret",
            "no such table: `secret`. If the table exists, it may be marked private.",
        ),
        ("SELECT * FROM t WHERE nope = 1", "`nope` is not in scope"),
        ("SELECT * FROM t AS x WHERE t.id = 1", "`t` is not in scope"),
        ("SELECT x.* FROM t", "`x` is not in scope"),
        ("SELECT nope FROM t", "`nope` is not in scope"),
        ("SELECT id, id FROM t", "Duplicate name `id`"),
        ("SELECT t.* FROM t JOIN t ON t.id = t.id", "Duplicate name `t`"),
        ("SELECT * FROM t JOIN canonical s ON t.id = s.id", "SELECT * is not supported for joins"),
        (
            "SELECT t.* FROM t JOIN canonical s ON t.id = s.id WHERE id = 1",
            "Names must be qualified when using joins",
        ),
        (
            "SELECT t.* FROM t JOIN canonical s ON t.id = s.label",
            "Unexpected type: (expected) U8 != String (inferred)",
        ),
        ("SELECT t.* FROM t JOIN canonical s ON t.id = t.id", "Non-inner joins are not supported"),
        ("SELECT s.* FROM t JOIN canonical s ON s.id = s.id", "Non-inner joins are not supported"),
        ("SELECT * FROM t WHERE id", "Unexpected type: (expected) Bool != U8 (inferred)"),
        ("SELECT * FROM t WHERE 1 = 1", "Cannot resolve type for literal expression"),
        ("SELECT * FROM t WHERE 1", "Cannot resolve type for literal expression"),
        ("SELECT * FROM t WHERE id = on", "Unexpected type: (expected) U8 != Bool (inferred)"),
        ("SELECT * FROM t WHERE id = (on AND on)", "Unexpected type: (expected) U8 != Bool"),
        (
            "SELECT * FROM t WHERE maybe = 'x'",
            "Invalid binary operator `=` for type `(some: String | none: ())`",
        ),
        (
            "SELECT * FROM t WHERE maybe < maybe",
            "Invalid binary operator `<` for type `(some: String | none: ())`",
        ),
        (
            "SELECT * FROM t LIMIT 1.5",
            "The literal expression `1.5` cannot be parsed as type `U64`",
        ),
    ],
)
def test_mistakes_have_the_servers_words(sql: str, problem: str) -> None:
    with pytest.raises(QueryError) as caught:
        compile_(sql)
    assert str(caught.value).startswith(problem)


def test_filters_of_dml() -> None:
    made = database()
    catalog = made.queries.catalog(made.caller(identity(1)))
    source, where = resolve_filter("accessor", None, catalog, identity(1))
    assert (source.definition.name, where) == ("canonical", None)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = 1", False),
        ("on OR owner = :sender", True),
        (":sender = owner AND on", True),
    ],
)
def test_the_sender_is_noticed(condition: str, expected: bool) -> None:
    select: Any = parse(f"SELECT * FROM t WHERE {condition}")
    assert uses_sender(select.where) is expected
    assert not uses_sender(None)
