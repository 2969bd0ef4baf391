"""One rule for the attributes of ``client.db`` and of table handles."""

from __future__ import annotations

from spacetime_proto.bindings import EventTable, KeyedTable, Table, dynamic_module
from spacetime_proto.client.db import Db
from spacetime_proto.sats.algebraic import Element, Primitive, ProductType, Typespace
from spacetime_proto.schema.attributes import (
    DB_NAMES,
    HANDLE_NAMES,
    function_attributes,
    table_accessors,
    table_attributes,
)
from spacetime_proto.schema.model import ColumnDef, IndexDef, ModuleDef, TableDef, TypeDef

U8 = Primitive("U8")


def table(columns, *, unique=(), indexes=(), name="t", accessor=None):
    return TableDef(
        name=name,
        accessor=accessor or name,
        row_ref=0,
        columns=tuple(ColumnDef(column, U8, at) for at, column in enumerate(columns)),
        unique_columns=unique,
        indexes=tuple(indexes),
    )


def accessors(described, attributes=None):
    names = attributes or [column.name for column in described.columns]
    return [(one.name, one.kind, one.columns) for one in table_accessors(described, names)]


def btree(*columns, accessor=None):
    return IndexDef(None, accessor, "btree", columns)


def test_the_names_that_are_taken_are_those_that_the_classes_have():
    public = {name for cls in (Table, KeyedTable, EventTable) for name in dir(cls)}
    assert {name for name in public if not name.startswith("_")} <= HANDLE_NAMES
    row = ProductType((Element("a", U8),))
    module = dynamic_module(
        ModuleDef(Typespace((row,)), (TypeDef("T", 0),), (table(["a"], name="t"),))
    )
    handle = module.create_db().t
    assert {name for name in vars(handle) if not name.startswith("_")} <= HANDLE_NAMES
    assert {name for name in dir(Db) if not name.startswith("_")} == DB_NAMES


def test_unique_columns_come_first_in_column_order():
    described = table(["a", "b", "c"], unique=(0, 2), indexes=[btree(1)])
    assert accessors(described) == [
        ("a", "unique", (0,)),
        ("c", "unique", (2,)),
        ("b", "index", (1,)),
    ]


def test_the_index_behind_a_unique_column_is_not_listed_twice():
    described = table(["a", "b"], unique=(0,), indexes=[btree(0, accessor="a"), btree(0)])
    (only,) = table_accessors(described, ["a", "b"])
    assert only.kind == "unique"
    assert only.index == btree(0, accessor="a")
    assert table_accessors(table(["a"], unique=(0,)), ["a"])[0].index is None


def test_an_index_with_a_name_of_its_own_is_listed_too():
    described = table(["player_1_id"], unique=(0,), indexes=[btree(0, accessor="Player1Id")])
    assert accessors(described) == [
        ("player_1_id", "unique", (0,)),
        ("Player1Id", "index", (0,)),
    ]


def test_an_index_without_a_name_joins_its_columns():
    described = table(["a", "b", "a_b"], unique=(2,), indexes=[btree(0, 1), btree(1, 0)])
    assert accessors(described) == [
        ("a_b", "unique", (2,)),
        ("a_b_index", "index", (0, 1)),
        ("b_a", "index", (1, 0)),
    ]


def test_names_of_the_handle_and_of_earlier_accessors_are_not_reused():
    described = table(
        ["count", "x"],
        unique=(0,),
        indexes=[btree(1, accessor="where"), btree(1, accessor="x"), btree(1, accessor="x")],
    )
    assert accessors(described) == [
        ("count_", "unique", (0,)),
        ("where_index", "index", (1,)),
        ("x", "index", (1,)),
        ("x_index", "index", (1,)),
    ]


def test_names_are_identifiers_without_leading_underscores():
    described = table(
        ["_a", "_9", "class"],
        unique=(0, 1, 2),
        indexes=[btree(0, accessor="__x"), btree(0, accessor="_"), btree(1, accessor="9")],
    )
    assert accessors(described, ["_a", "_9", "class_"]) == [
        ("a", "unique", (0,)),
        ("_9", "unique", (1,)),
        ("class_", "unique", (2,)),
        ("unnamed", "index", (0,)),
        ("x", "index", (0,)),
    ]


def test_tables_are_read_by_their_accessors():
    tables = [
        table([], name="b", accessor="attach"),
        table([], name="a", accessor="User"),
        table([], name="d", accessor="_tables"),
        table([], name="c", accessor="User"),
        table([], name="e.f"),
    ]
    assert table_attributes(tables) == {
        "a": "User",
        "b": "attach_",
        "c": "User_",
        "d": "tables",
        "e.f": "e.f",
    }


def test_submodules_are_attributes_too():
    tables = [
        table([], name="a", accessor="my_auth"),
        table([], name="authz.sessions", accessor="my_auth.sessions"),
        table([], name="authz.x.y", accessor="my_auth.class.import"),
        table([], name="attach.t"),
        table([], name="z.__a"),
    ]
    assert table_attributes(tables) == {
        "a": "my_auth",
        "authz.sessions": "my_auth_.sessions",
        "authz.x.y": "my_auth_.class_.import_",
        "attach.t": "attach_.t",
        "z.__a": "z.a",
    }
    accessors = ("lib.f", "lib.g", "f", "lib", "lib.F", "lib.f")
    assert function_attributes(accessors) == ("lib_.f", "lib_.g", "f", "lib", "lib_.F", "lib_.f_")
    # More dots than submodules can have are part of a name.
    assert function_attributes([".".join("a" * 40)])[0].count(".") == 16
