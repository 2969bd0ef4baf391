"""What of a module its bindings are about."""

from __future__ import annotations

import msgspec
import pytest

from spacetime_proto.codegen.visible import class_kind, visible_part
from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    UNIT,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
    result,
)
from spacetime_proto.schema.model import ModuleDef, ProcedureDef, ReducerDef, ScheduleDef, TypeDef
from tests.support.modules import make_module, product

U8 = Primitive("U8")


def test_which_types_have_a_class():
    assert class_kind(product(a=U8)) == "product"
    assert class_kind(UNIT) == "product"
    assert class_kind(SumType((Variant("a", UNIT), Variant("b", UNIT)))) == "enum"
    assert class_kind(SumType((Variant("a", U8),))) == "sum"
    assert class_kind(SumType()) == "sum"
    for ty in (U8, IDENTITY, option(U8), result(U8, U8), ArrayType(U8), RefType(0)):
        assert class_kind(ty) is None


MODULE = make_module(
    {
        "Open": product(a=U8),
        "Hidden": product(b=RefType(2)),
        "Inner": product(c=U8),
        "Argument": product(d=RefType(4)),
        "Deep": product(e=U8),
        "Failure": product(f=U8),
        "Unused": product(g=U8),
    },
    {
        "open": ("Open", {"default_values": ((0, b"\x00"),)}),
        "hidden": (
            "Hidden",
            {"is_public": False, "schedule": ScheduleDef(None, "hidden", 0, "tick")},
        ),
        "st_table": ("Open", {"is_system": True}),
    },
    reducers=[
        ReducerDef("zebra", "zebra", product(x=ArrayType(RefType(3))), err_type=RefType(5)),
        ReducerDef("init", "init", product(), lifecycle="init", is_private=True),
        ReducerDef("apple", "apple", product()),
        ReducerDef("tick", "tick", product(row=RefType(1)), is_private=True),
    ],
    procedures=[
        ProcedureDef("q", "q", product(), U8, is_private=True),
        ProcedureDef("p", "p", product(), U8),
    ],
)


def names(part):
    return [named.name for named in part.types]


def test_what_clients_cannot_use_is_left_out():
    part = visible_part(MODULE)
    assert [table.name for table in part.tables] == ["open"]
    assert [reducer.name for reducer in part.reducers] == ["zebra", "apple"]
    assert [procedure.name for procedure in part.procedures] == ["p"]
    assert names(part) == ["Argument", "Deep", "Failure", "Open"]
    assert part.typespace.types[1] == part.typespace.types[6] == UNIT
    assert part.tables[0].default_values == ()


def test_the_owner_can_use_more():
    part = visible_part(MODULE, include_private=True)
    assert [table.name for table in part.tables] == ["hidden", "open"]
    assert [reducer.name for reducer in part.reducers] == ["zebra", "apple", "tick"]
    assert [procedure.name for procedure in part.procedures] == ["p", "q"]
    assert names(part) == ["Argument", "Deep", "Failure", "Hidden", "Inner", "Open"]
    assert part.tables[0].schedule is None


def test_types_get_names_of_their_own():
    types = {
        "Db": product(a=U8),
        "None": product(a=U8),
        "#nameless": product(a=U8),
        "#row": product(a=U8, b=RefType(0), c=RefType(1), d=RefType(2), e=RefType(4)),
        "Twice": product(a=U8),
    }
    module = make_module(types, {"some_row": "#row"})
    module = msgspec.structs.replace(
        module, types=(*module.types, TypeDef("Twice", 3), TypeDef("Other", 4), TypeDef("Lost", 99))
    )
    part = visible_part(module)
    assert {named.ref: named.name for named in part.types} == {
        0: "Db_",
        1: "None_",
        2: "Type2",
        3: "Twice",
        4: "Other",
    }


def test_two_types_of_one_name_are_told_apart():
    module = make_module({"A": product(x=RefType(1)), "B": product(y=U8)}, {"a": "A"})
    module = msgspec.structs.replace(module, types=(TypeDef("Same", 0), TypeDef("Same", 1)))
    assert names(visible_part(module)) == ["Same", "Same_"]


def test_a_nameless_unit_has_no_class():
    module = make_module({"A": product(x=RefType(1)), "#unit": UNIT}, {"a": "A"})
    assert names(visible_part(module)) == ["A"]


def test_references_to_references_are_followed():
    types = {
        "#alias": RefType(1),
        "Row": product(x=RefType(2)),
        "#more": RefType(3),
        "Inner": product(y=U8),
        "#unused": RefType(0),
    }
    module = make_module(types)
    table = make_module({"Row": types["Row"]}, {"t": "Row"}).tables[0]
    module = msgspec.structs.replace(module, tables=(msgspec.structs.replace(table, row_ref=0),))
    part = visible_part(module)
    assert part.tables[0].row_ref == 1
    assert names(part) == ["Inner", "Row"]
    assert part.typespace.types[4] == UNIT


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: {"tables": (m.tables[1], m.tables[1])}, "two tables have the same name"),
        (lambda m: {"reducers": (m.reducers[0],) * 2}, "two reducers have the same name"),
        (
            lambda m: {
                "procedures": (
                    m.procedures[1],
                    msgspec.structs.replace(m.procedures[1], name="other"),
                )
            },
            "two procedures have the same name",
        ),
        (
            lambda m: {"tables": (msgspec.structs.replace(m.tables[1], row_ref=99),)},
            "type reference 99 leads nowhere",
        ),
        (
            lambda m: {
                "typespace": Typespace((IDENTITY,)),
                "tables": m.tables[1:2],
                "reducers": (),
            },
            "no product type",
        ),
        (
            lambda m: {"tables": (msgspec.structs.replace(m.tables[1], columns=()),)},
            "different columns",
        ),
        (
            lambda m: {
                "typespace": Typespace((RefType(1), RefType(0))),
                "tables": m.tables[1:2],
                "reducers": (),
            },
            "leads nowhere",
        ),
    ],
)
def test_descriptions_that_contradict_themselves(change, words):
    broken = msgspec.structs.replace(MODULE, **change(MODULE))
    with pytest.raises(SchemaError, match=words):
        visible_part(broken)


def test_an_empty_module():
    assert visible_part(ModuleDef()) == ModuleDef()
