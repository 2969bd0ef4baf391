"""From a raw description to a module: names, views, and contradictions."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import (
    UNIT,
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
)
from spacetime_proto.schema.assemble import resolve
from spacetime_proto.schema.model import IndexDef, ScheduleDef, SequenceDef
from spacetime_proto.schema.raw import (
    RawFunction,
    RawModule,
    RawTable,
    RawType,
    RawView,
)

U8 = Primitive("U8")
ROW = ProductType((Element("a", U8), Element(None, U8)))
QUERY = ProductType((Element("__query__", RefType(0)),))


def module(*types: AlgebraicType, **parts: Any) -> RawModule:
    """Make a description with a row type at 0."""
    return RawModule(typespace=Typespace((ROW, *types)), **parts)


def test_columns() -> None:
    """Nameless ones get a name."""
    table = resolve(module(tables=[RawTable("t", 0, "t", (1,))])).tables[0]
    assert [(one.name, one.index) for one in table.columns] == [("a", 0), ("field_1", 1)]
    assert (table.primary_key, table.unique_columns) == (1, (1,))


def test_unique_columns() -> None:
    """Those that are unique alone; constraints over several stay constraints."""
    raw = RawTable("t", 0, "t", unique_constraints=((1,), (0, 1), (0,)))
    table = resolve(module(tables=[raw])).tables[0]
    assert table.unique_columns == (0, 1)
    assert table.unique_constraints == ((1,), (0, 1), (0,))


@pytest.mark.parametrize("kind", [ArrayType, option])
def test_views_with_rows(kind: Any) -> None:
    """Array and option of a row; the key is stated by name."""
    raw = module(
        views=[RawView("v", kind(RefType(0)), "views[0]"), RawView("w", kind(RefType(0)), "")],
        view_keys={"v": ("field_1",), "w": ("a", "field_1")},
        function_names={"v": "V"},
    )
    first, second = resolve(raw).tables
    assert (first.name, first.accessor, first.row_ref, first.primary_key) == ("V", "v", 0, 1)
    assert first.unique_columns == (1,)
    assert first.is_view
    assert second.primary_key is None


def test_views_of_queries() -> None:
    """Their key is that of the tables with the same rows, if those agree."""
    tables = [RawTable("t", 0, "t", (0,)), RawTable("u", 0, "u")]
    view = RawView("v", QUERY, "")
    assert resolve(module(tables=tables, views=[view])).tables[2].primary_key == 0
    tables.append(RawTable("s", 0, "s", (1,)))
    assert resolve(module(tables=tables, views=[view])).tables[3].primary_key is None
    assert resolve(module(views=[view])).tables[0].primary_key is None


def test_views_of_nameless_rows() -> None:
    """Their row type gets a place in the typespace, in submodules too."""
    inner = module(views=[RawView("v", ArrayType(ProductType((Element("x", RefType(0)),))), "")])
    found = resolve(module(submodules=[("n", inner)]))
    (view,) = found.tables
    assert (view.name, view.row_ref) == ("n.v", 2)
    assert found.typespace.types[2] == ProductType((Element("x", RefType(1)),))


def test_submodules() -> None:
    """References are shifted everywhere they can stand."""
    every = SumType((Variant("a", ArrayType(option(RefType(1)))), Variant("b", U8)))
    inner = module(
        every,
        tables=[RawTable("t", 0, "")],
        reducers=[
            RawFunction("r", ProductType((Element("p", RefType(1)),)), False, err_type=RefType(1))
        ],
        procedures=[RawFunction("p", UNIT, False, return_type=RefType(1))],
        schedules=[ScheduleDef("s", "t", 0, "p")],
    )
    found = resolve(module(submodules=[("n", inner)]))
    shifted = SumType((Variant("a", ArrayType(option(RefType(2)))), Variant("b", U8)))
    assert found.typespace.types == (ROW, ROW, shifted)
    assert found.reducers[0].name == "n.r"
    assert found.reducers[0].params.elements[0].type == found.reducers[0].err_type == RefType(2)
    assert found.procedures[0].return_type == RefType(2)
    assert found.procedures[0].is_private
    assert found.tables[0].schedule == ScheduleDef("s", "n.t", 0, "n.p")


def test_schedules_and_lifecycles_by_either_name() -> None:
    """Canonical as the server says them, or source as the module does."""
    for table, function in (("T", "F"), ("t", "f")):
        raw = module(
            tables=[RawTable("t", 0, "t")],
            reducers=[RawFunction("f", UNIT, False), RawFunction("g", UNIT, False)],
            table_names={"t": "T"},
            function_names={"f": "F", "g": "G"},
            schedules=[ScheduleDef(None, table, 1, function)],
            lifecycles={function.replace("F", "G").replace("f", "g"): "init"},
        )
        found = resolve(raw)
        assert found.tables[0].schedule == ScheduleDef(None, "T", 1, "F")
        assert [one.is_private for one in found.reducers] == [True, True]
        assert found.reducers[1].lifecycle == "init"


def test_index_names() -> None:
    """Explicit ones are used."""
    raw = module(
        tables=[
            RawTable(
                "t",
                0,
                "t",
                indexes=(IndexDef("i", "x", "btree", (0, 1)), IndexDef(None, None, "hash", (0,))),
            )
        ],
        index_names={"i": "I"},
    )
    assert [index.name for index in resolve(raw).tables[0].indexes] == ["I", None]


def test_type_names() -> None:
    """Scope and name in PascalCase; the same name twice gets a mark; a name of signs stays."""
    types = [
        RawType(("my_scope", "user"), 0),
        RawType(("MyScopeUser",), 1),
        RawType(("__",), 2),
        RawType(("\u0149a",), 3),
    ]
    found = resolve(module(UNIT, U8, U8, types=types)).types
    assert [(one.name, one.ref) for one in found] == [
        ("MyScopeUser", 0),
        ("MyScopeUser_", 1),
        ("__", 2),
        ("\u02bcna", 3),
    ]


BIG = SumType(tuple(Variant(None, U8) for _ in range(257)))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (module(types=[RawType(("A", "B"), 1)]), "type A::B refers to type 1"),
        (module(types=[RawType(("A",), -1)]), "type A refers to type -1"),
        (module(RefType(1)), "type 1 refers only to itself"),
        (module(ArrayType(RefType(9))), "type 1 refers to type 9"),
        (module(option(RefType(-1))), "type 1 refers to type -1"),
        (module(ProductType((Element(None, BIG),))), "type 1 has a sum of more than 256 variants"),
        (module(tables=[RawTable("t", 7, "tables[0]")]), r"tables\[0\] refers to type 7"),
        (module(tables=[RawTable("t", -1, "tables[0]")]), r"tables\[0\] refers to type -1"),
        (module(U8, tables=[RawTable("t", 1, "tables[0]")]), r"rows of tables\[0\] are no product"),
        (module(tables=[RawTable("t", 0, "x", (2,))]), "x has 2 columns, but names column 2"),
        (module(tables=[RawTable("t", 0, "x", unique_constraints=((0, 5),))]), "names column 5"),
        (
            module(tables=[RawTable("t", 0, "x", indexes=(IndexDef(None, None, "hash", (3,)),))]),
            "names column 3",
        ),
        (
            module(
                tables=[
                    RawTable("t", 0, "x", sequences=(SequenceDef(None, 4, None, None, None, 1),))
                ]
            ),
            "names column 4",
        ),
        (module(tables=[RawTable("t", 0, "x", (0, 1))]), "primary key of several columns"),
        (
            module(tables=[RawTable("t", 0, "x")], schedules=[ScheduleDef(None, "t", 2, "f")]),
            "x has no column 2 to schedule at",
        ),
        (
            module(tables=[RawTable("t", 0, ""), RawTable("t", 0, "")]),
            "two tables or views are called 't'",
        ),
        (
            module(tables=[RawTable("t", 0, "")], views=[RawView("t", ArrayType(RefType(0)), "")]),
            "two tables or views are called 't'",
        ),
        (
            module(reducers=[RawFunction("f", UNIT, False), RawFunction("f", UNIT, False)]),
            "two reducers are called 'f'",
        ),
        (
            module(views=[RawView("v", U8, "views[0]")]),
            r"views\[0\] returns neither rows nor a query",
        ),
        (module(views=[RawView("v", ROW, "views[0]")]), "returns neither rows nor a query"),
        (
            module(views=[RawView("v", ArrayType(U8), "views[0]")]),
            r"rows of views\[0\] are no product",
        ),
        (
            module(reducers=[RawFunction("f", ProductType((Element("a", RefType(3)),)), False)]),
            "reducer f refers to type 3",
        ),
        (
            module(procedures=[RawFunction("f", UNIT, False, return_type=RefType(3))]),
            "procedure f refers to type 3",
        ),
    ],
)
def test_contradictions(raw: RawModule, message: str) -> None:
    """Each is one sentence that names the culprit."""
    with pytest.raises(SchemaError, match=message):
        resolve(raw)
