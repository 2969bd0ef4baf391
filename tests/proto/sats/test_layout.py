"""Sizes, recursion and nesting of types."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import LimitExceeded, SchemaError
from spacetime_proto.limits import Limits
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    SCHEDULE_AT,
    UNIT,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Typespace,
    option,
    result,
)
from spacetime_proto.sats.layout import Layout
from spacetime_proto.sats.shapes import Shapes
from tests.proto.sats.examples import BOOL, COLOR, LIST, POINT, STRING, U8, U64, product, sum_of


def layout(*types: Any, max_depth: int = 128) -> Layout:
    """Make the layout of a typespace."""
    return Layout(Shapes(Typespace(types)), Limits(nesting_depth=max_depth))


@pytest.mark.parametrize(
    ("ty", "minimum", "fixed"),
    [
        (U64, 8, 8),
        (BOOL, 1, 1),
        (STRING, 4, None),
        (ArrayType(U64), 4, None),
        (UNIT, 0, 0),
        (IDENTITY, 32, 32),
        (COLOR, 1, 1),
        (SCHEDULE_AT, 9, 9),
        (POINT, 2, 2),
        (RefType(0), 2, 2),
        (product(U8, STRING, U64), 13, None),
        (option(U8), 1, None),
        (result(U8, U8), 2, 2),
        (result(U64, STRING), 5, None),
        (SumType(), 1, None),
        (RefType(3), 1, None),
    ],
)
def test_sizes(ty: Any, minimum: int, fixed: int | None) -> None:
    """The least bytes of a value, and all of them where they are always as many."""
    size = layout(POINT, UNIT, UNIT, LIST).size(ty)
    assert (size.minimum, size.fixed) == (minimum, fixed)


def test_recursion() -> None:
    """Found directly, through others, and not where there is none."""
    made = layout(
        product(RefType(1)),
        product(RefType(2)),
        option(RefType(0)),
        product(RefType(0)),
        U8,
        RefType(9),
    )
    assert [made.is_recursive(index) for index in range(5)] == [True, True, True, False, False]
    assert made.is_recursive(0)
    for index in (5, 9):
        with pytest.raises(SchemaError, match="type reference 9 leads nowhere"):
            made.is_recursive(index)
    tree = layout(sum_of(leaf=U8, node=ArrayType(RefType(0))))
    assert tree.is_recursive(0)
    assert tree.size(RefType(0)).minimum == 2


def test_entering_recursive_types_counts() -> None:
    """Only they count, and only up to the limit."""

    def fail(error: LimitExceeded) -> Exception:
        return error.within("row")

    made = layout(LIST, POINT, UNIT, LIST, max_depth=3)
    assert made.enter(RefType(1), 7, fail) == 7
    assert made.enter(U8, 7, fail) == 7
    assert made.enter(RefType(3), 2, fail) == 3
    with pytest.raises(LimitExceeded, match="nested deeper than 3 levels in row"):
        made.enter(RefType(3), 3, fail)


def test_nesting_limit() -> None:
    """A type may have so many levels and no more, also when parts were measured before."""
    made = layout(max_depth=5)
    ty: Any = U8
    for _ in range(4):
        ty = ArrayType(ty)
    assert made.size(ty).height == 5
    with pytest.raises(SchemaError, match="nests deeper than 5 levels"):
        made.size(ArrayType(ty))
    chain = layout(*(product(RefType(index + 1)) for index in range(300)), U8)
    with pytest.raises(SchemaError, match="nests deeper than 128 levels"):
        chain.size(RefType(0))


def test_a_dag_of_references_is_measured_once_each() -> None:
    """Not once per path: forty levels of pairs have a trillion of those."""
    made = layout(*(product(RefType(index + 1), RefType(index + 1)) for index in range(40)), U8)
    size = made.size(RefType(0))
    assert size.fixed == 1 << 40
    assert size.weight == 10_000


def test_invalid_types() -> None:
    """What is no type has no size."""
    for ty, message in ((Primitive("U7"), "unknown primitive"), ("x", "not a type")):
        with pytest.raises(SchemaError, match=message):
            layout().size(ty)  # type: ignore[arg-type]
