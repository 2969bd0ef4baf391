"""Types in words."""

from __future__ import annotations

import pytest

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
    Variant,
    option,
    result,
)
from spacetime_proto.schema.words import type_words

U8 = Primitive("U8")


@pytest.mark.parametrize(
    ("ty", "words"),
    [
        (U8, "U8"),
        (BYTES, "Bytes"),
        (IDENTITY, "Identity"),
        (SCHEDULE_AT, "ScheduleAt"),
        (UNIT, "()"),
        (ArrayType(option(Primitive("String"))), "Array<Option<String>>"),
        (result(U8, RefType(0)), "Result<U8, User>"),
        (RefType(1), "type 1"),
        (ProductType((Element("a", U8),)), "a product of 1 fields"),
        (SumType((Variant("a", U8), Variant("b", U8))), "a sum of 2 variants"),
    ],
)
def test_words(ty, words):
    assert type_words(ty, {0: "User"}) == words


def test_deep_inside_is_left_out():
    ty = U8
    for _ in range(20):
        ty = option(ty)
    assert type_words(ty, {}) == "Option<" * 9 + "..." + ">" * 9
