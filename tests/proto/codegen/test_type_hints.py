"""Annotations say what decoders give."""

from __future__ import annotations

import pytest

from spacetime_proto.codegen.source import Symbol
from spacetime_proto.codegen.type_hints import NONE, Annotator, union
from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    SCHEDULE_AT,
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
    result,
)

U8, STRING = Primitive("U8"), Primitive("String")
SPACE = Typespace((
    ProductType((Element("x", U8),)),  # 0: a class
    RefType(0),  # 1: another name for it
    option(U8),  # 2: an option with a name
    ArrayType(RefType(3)),  # 3: a list of itself
    IDENTITY,  # 4
    option(RefType(5)),  # 5: an option of itself
))  # fmt: skip
ANNOTATOR = Annotator(SPACE, {0: Symbol(".user", "User")})


def text(annotation):
    return "".join(part if isinstance(part, str) else part.name for part in annotation)


@pytest.mark.parametrize(
    ("ty", "expected"),
    [
        (Primitive("Bool"), "bool"),
        (Primitive("U256"), "int"),
        (Primitive("F32"), "float"),
        (STRING, "str"),
        (BYTES, "bytes"),
        (UNIT, "tuple[()]"),
        (IDENTITY, "Identity"),
        (SCHEDULE_AT, "ScheduleAt"),
        (ArrayType(ArrayType(STRING)), "list[list[str]]"),
        (option(U8), "int | None"),
        (option(option(U8)), "Some[int | None] | None"),
        (option(option(option(U8))), "Some[Some[int | None] | None] | None"),
        (result(U8, STRING), "Ok[int] | Err[str]"),
        (option(result(U8, STRING)), "Ok[int] | Err[str] | None"),
        (SumType(), "Never"),
        (option(SumType()), "None"),
        (SumType((Variant("a", U8),)), "Any"),
        (ProductType((Element("x", U8),)), "Any"),
        (RefType(0), "User"),
        (RefType(1), "User"),
        (option(RefType(0)), "User | None"),
        (RefType(2), "int | None"),
        (option(RefType(2)), "Some[int | None] | None"),
        (RefType(3), "list[Any]"),
        (RefType(4), "Identity"),
        (RefType(5), "Some[Any] | None"),
    ],
)
def test_annotations(ty, expected):
    assert text(ANNOTATOR.of(ty)) == expected


def test_a_unit_that_is_returned_is_none():
    assert ANNOTATOR.returned(UNIT) == NONE
    assert text(ANNOTATOR.returned(U8)) == "int"


def test_a_union_names_each_member_once():
    assert text(union(("int", " | ", "None"), NONE, ("int",))) == "int | None"
    inner = ("list[", "int", " | ", "None", "]")
    assert text(union(inner, NONE)) == "list[int | None] | None"
