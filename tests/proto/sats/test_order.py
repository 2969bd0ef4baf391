"""The order of SATS values, as docs/protocol.md section 1.4 and the Rust types define it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import msgspec
import pytest

from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    SCHEDULE_AT,
    TIMESTAMP,
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
    result,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.order import TOP, sort_key
from spacetime_proto.types import Err, Ok, ScheduleAt, Some, TimeDuration, Timestamp

U8, U32, F32, F64, STRING = (Primitive(name) for name in ("U8", "U32", "F32", "F64", "String"))
COLOR = SumType((Variant("Red", UNIT), Variant("Green", UNIT), Variant("Blue", UNIT)))
SHAPE = SumType((Variant("Circle", F64), Variant("Empty", UNIT), Variant("Square", U8)))
POINT = ProductType((Element("x", U8), Element("y", option(U8))))
TREE = ProductType((Element("n", U8), Element("children", ArrayType(RefType(3)))))
TYPESPACE = Typespace((COLOR, SHAPE, POINT, TREE, U32))
CLASSES = TypeContext(TYPESPACE, {0: "Color", 1: "Shape", 2: "Point", 3: "Tree"}).classes
Color: Any = CLASSES[0]
Shape: Any = CLASSES[1]
Point: Any = CLASSES[2]
Tree: Any = CLASSES[3]


@pytest.mark.parametrize(
    "ty", [U8, STRING, Primitive("Bool"), Primitive("I256"), BYTES, IDENTITY, TIMESTAMP, RefType(4)]
)
def test_most_values_are_their_own_key(ty: AlgebraicType) -> None:
    assert sort_key(ty, TYPESPACE) is None


@pytest.mark.parametrize(
    ("ty", "ascending"),
    [
        (F64, [-math.inf, -1.0, 0.0, 1e-300, 2.0, math.inf, math.nan]),
        (F32, [-1.5, 0.5, math.nan]),
        (option(U8), [0, 7, None]),
        (option(option(U8)), [Some(1), Some(None), None]),
        (result(U8, STRING), [Ok(1), Ok(2), Err("a"), Err("b")]),
        (result(F64, F64), [Ok(1.0), Ok(math.nan), Err(0.0), Err(math.nan)]),
        (RefType(0), [Color.Red, Color.Green, Color.Blue]),
        (RefType(1), [Shape.Circle(-1.0), Shape.Circle(math.nan), Shape.Empty(), Shape.Square(0)]),
        (RefType(2), [Point(0, 1), Point(0, None), Point(1, 0)]),
        (ArrayType(U32), [[], [1], [1, 0], [1, 1], [2]]),
        (ArrayType(F64), [[], [1.0], [1.0, math.nan], [math.nan]]),
        (
            RefType(3),
            [
                Tree(0, []),
                Tree(0, [Tree(1, [])]),
                Tree(0, [Tree(1, []), Tree(0, [])]),
                Tree(0, [Tree(1, [Tree(0, [])])]),
                Tree(1, []),
            ],
        ),
        (
            SCHEDULE_AT,
            [
                ScheduleAt.Interval(TimeDuration(1)),
                ScheduleAt.Interval(TimeDuration(2)),
                ScheduleAt.Time(Timestamp(0)),
            ],
        ),
        (UNIT, [()]),
    ],
)
def test_values_in_ascending_order(ty: AlgebraicType, ascending: list[Any]) -> None:
    key = sort_key(ty, TYPESPACE)
    assert key is not None
    keys = [key(value) for value in ascending]
    assert len({*keys}) == len(ascending)
    for (at, a), (other, b) in itertools.product(enumerate(keys), repeat=2):
        assert (a < b) == (at < other)
        assert (a == b) == (at == other)


def test_all_nan_are_one_and_both_zeros_are_one() -> None:
    key = sort_key(F64, TYPESPACE)
    assert key is not None
    assert key(math.nan) == key(-math.nan)
    assert key(0.0) == key(-0.0)
    assert hash(key(0.0)) == hash(key(-0.0))


def test_the_number_of_a_variant_stands_for_the_member() -> None:
    key = sort_key(RefType(0), TYPESPACE)
    assert key is not None
    assert key(2) == key(Color.Blue)


def test_a_tuple_stands_for_a_product() -> None:
    key = sort_key(RefType(2), TYPESPACE)
    assert key is not None
    assert key((3, None)) == key(Point(3, None))


def test_top_is_above_everything() -> None:
    class Other(msgspec.Struct, order=True, frozen=True):
        n: int

    for value in (1, "x", b"x", None, (0, 1), Timestamp(5), Other(1)):
        assert value < TOP
        assert not value > TOP
        assert [value, TOP] == sorted([TOP, value])
    assert repr(TOP) == "TOP"
