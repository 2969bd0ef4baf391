"""Files and names of a package."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.codegen.outline import build_model, file_stem
from spacetime_proto.codegen.visible import visible_part
from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    UNIT,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Variant,
    option,
)
from spacetime_proto.schema.model import IndexDef, ProcedureDef, ReducerDef
from tests.support.modules import make_module, product

U8, STRING = Primitive("U8"), Primitive("String")


def model(*args, **options):
    return build_model(visible_part(make_module(*args, **options)))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("user", "user"),
        ("PlayerInfo", "player_info"),
        ("HTTPServer", "http_server"),
        ("OneU8", "one_u8"),
        ("person2", "person2"),
        ("class", "class_"),
        ("9lives", "_9lives"),
        ("con", "con_"),
        ("COM1", "com1_"),
        ("", "unnamed"),
        ("a.b", "a_b"),
        ("a b", "a_b_2a1ca9b8"),
        ("é", "_4c5b8c9a"),
        ("__init__", "init__"),
    ],
)
def test_file_stems(name, stem):
    if re.search(r"_[0-9a-f]{8}$", stem):  # what the hash is does not matter, that it is there does
        assert re.fullmatch(stem[:-8] + "[0-9a-f]{8}", file_stem(name))
    else:
        assert file_stem(name) == stem


def test_a_long_name_is_cut_and_stays_unique():
    assert len(file_stem("x" * 300)) < 120
    assert file_stem("x" * 300) != file_stem("x" * 301)


@given(st.text(st.characters(exclude_categories=[])))
def test_any_name_makes_a_file_name(name):
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", file_stem(name))


def test_a_table_and_its_row_share_a_file_when_they_share_a_name():
    made = model(
        {"User": product(id=U8), "Player": product(id=U8)},
        {"user": "User", "online_player": "Player", "offline_player": "Player"},
    )
    tables = {table.definition.name: table for table in made.tables}
    assert tables["user"].stem == tables["user"].row.stem == "user"
    assert tables["user"].has_own_row
    assert tables["online_player"].stem == "online_player"
    assert tables["online_player"].prefix == "OnlinePlayer"
    assert tables["online_player"].row.stem == "player"
    assert not tables["online_player"].has_own_row


def test_clashing_files_are_told_apart():
    made = model(
        {"Player": product(a=RefType(1)), "Person": product(b=U8)},
        {"player": "Person", "tables": "Player", "x_reducer": "Player"},
        reducers=[ReducerDef("x", "x", UNIT), ReducerDef("X", "X", UNIT)],
    )
    assert [table.stem for table in made.tables] == ["player", "tables_table", "x_reducer"]
    assert {kind.name: kind.stem for kind in made.types} == {
        "Player": "player_type",
        "Person": "person",
    }
    assert [reducer.stem for reducer in made.reducers] == ["x_reducer_", "x_reducer__"]


def test_two_tables_whose_names_differ_by_case_only():
    made = model({"UserX": product(a=U8)}, {"user_x": "UserX", "userX": "UserX"})
    assert [(table.stem, table.has_own_row) for table in made.tables] == [
        ("user_x", True),
        ("user_x_table", False),
    ]


def test_fields_have_the_names_that_the_decoders_use():
    made = model({"T": product(**{"class": U8, "a b": U8, "a-b": U8})}, {"t": "T"})
    (row,) = made.types
    assert [field.attribute for field in row.fields] == ["class_", "a_b", "a_b_"]
    assert [field.name for field in row.fields] == ["class", "a b", "a-b"]


def test_a_variant_cannot_hide_the_payload():
    shape = SumType((Variant("value", U8), Variant(None, UNIT)))
    simple = SumType((Variant("value", UNIT), Variant("ClassVar", UNIT)))
    types = {"Shape": shape, "T": product(s=RefType(0), e=RefType(2)), "Enum": simple}
    made = model(types, {"t": "T"})
    enum = next(kind for kind in made.types if kind.kind == "enum")
    assert [field.attribute for field in enum.fields] == ["value", "ClassVar"]
    sums = next(kind for kind in made.types if kind.kind == "sum")
    assert [field.attribute for field in sums.fields] == ["value_", "variant_1"]
    assert [field.name for field in sums.fields] == ["value", "variant_1"]


def test_kinds_of_tables():
    made = model(
        {"T": product(a=U8)},
        {"a": ("T", {"primary_key": 0}), "b": "T", "c": ("T", {"is_event": True})},
    )
    assert [table.kind for table in made.tables] == ["keyed", "plain", "event"]


def test_an_event_table_has_no_accessors():
    facts = {"unique_columns": (0,), "indexes": (IndexDef(None, None, "btree", (0,)),)}
    made = model({"T": product(a=U8)}, {"a": ("T", facts), "b": ("T", facts | {"is_event": True})})
    assert [len(table.accessors) for table in made.tables] == [1, 0]


def test_which_columns_the_old_api_filters_by():
    row = product(
        a=U8, b=IDENTITY, c=option(U8), d=BYTES, e=ArrayType(STRING), f=RefType(1), g=product(x=U8)
    )
    made = model({"T": row, "Inner": product(y=U8)}, {"t": "T"})
    assert made.tables[0].legacy_filters() == [0, 1, 2, 3, 4]


def test_functions():
    made = model(
        {},
        reducers=[ReducerDef("do_it", "DoIt", product(**{"from": U8}))],
        procedures=[ProcedureDef("get", "class", product(x=U8), option(U8))],
    )
    (reducer,), (procedure,) = made.reducers, made.procedures
    assert (reducer.name, reducer.stem) == ("DoIt", "do_it_reducer")
    assert [parameter.attribute for parameter in reducer.parameters] == ["from_"]
    assert reducer.returns == ("None",)
    assert (procedure.name, procedure.stem) == ("class_", "")
    assert len(procedure.returns) == 3


def test_a_table_keeps_its_file_and_class_before_a_view_of_the_same_words():
    row = product(name=STRING)
    found = model({"User": row}, {"User": ("User", {"is_view": True}), "user": "User"})
    view, table = found.tables
    assert (table.definition.name, table.stem, table.has_own_row) == ("user", "user", True)
    assert (view.definition.name, view.stem, view.has_own_row) == ("User", "user_table", False)
