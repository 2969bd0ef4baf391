"""Shapes: the Python side of every type, and types that are none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from spacetime_proto import types
from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    SCHEDULE_AT,
    UNIT,
    ArrayType,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
    result,
)
from spacetime_proto.sats.shapes import (
    SPECIALS,
    ArrayShape,
    BytesShape,
    EnumShape,
    OptionShape,
    PrimitiveShape,
    ProductShape,
    ResultShape,
    Shapes,
    SpecialShape,
    SumShape,
)
from tests.proto.sats.examples import COLOR, POINT, SHAPE, STRING, U8

SHAPES = Shapes(Typespace((POINT, RefType(0), option(U8), COLOR, SHAPE)), {0: "Point"})


def test_shapes() -> None:
    """One kind for each kind of value."""
    assert SHAPES.shape(U8) == PrimitiveShape("U8")
    assert SHAPES.shape(BYTES) == BytesShape()
    assert SHAPES.shape(IDENTITY) == SpecialShape("Identity", SPECIALS["Identity"])
    assert SHAPES.shape(ArrayType(STRING)) == ArrayShape(STRING)
    assert SHAPES.shape(result(U8, STRING)) == ResultShape(U8, STRING)
    assert SHAPES.shape(option(U8)) == OptionShape(U8, False)
    assert SHAPES.shape(option(RefType(2))) == OptionShape(RefType(2), True)
    assert SHAPES.shape(UNIT) == ProductShape(None, (), (), ())


def test_references_share_classes() -> None:
    """Through aliases too; inline types of one structure share one of their own."""
    point: Any = SHAPES.shape(RefType(0))
    alias: Any = SHAPES.shape(RefType(1))
    inline: Any = SHAPES.shape(POINT)
    assert point.cls is alias.cls is SHAPES.classes[0]
    assert inline.cls is not point.cls
    assert SHAPES.shape(POINT) is inline
    assert inline.cls.__name__ == "Anonymous"


def test_sums() -> None:
    """Variants with their classes; units have no field."""
    shape = SHAPES.shape(RefType(4))
    assert isinstance(shape, SumShape)
    assert [item.is_unit for item in shape.variants] == [False, False, True]
    assert shape.variants[0].cls is shape.cls.circle  # type: ignore[attr-defined]
    color = SHAPES.shape(RefType(3))
    assert isinstance(color, EnumShape)
    assert color.names == ("red", "green")
    assert isinstance(SHAPES.shape(COLOR), EnumShape)
    assert isinstance(SHAPES.shape(SHAPE), SumShape)
    schedule = SHAPES.shape(SCHEDULE_AT)
    assert isinstance(schedule, SumShape)
    assert schedule.cls is types.ScheduleAt
    never = SHAPES.shape(SumType())
    assert isinstance(never, SumShape)
    assert never.variants == ()


@dataclasses.dataclass(kw_only=True)
class Keyword:
    """Built by name only."""

    x: int
    y: int


def test_values_are_built_by_position() -> None:
    """Whatever the class wants."""
    shapes = Shapes(Typespace((POINT,)), {}, {0: Keyword})
    shape = shapes.shape(RefType(0))
    assert isinstance(shape, ProductShape)
    assert shapes.build(shape, [1, 2]) == Keyword(x=1, y=2)
    assert shapes.constructor(Keyword) is shapes.constructor(Keyword)
    unit = shapes.shape(UNIT)
    assert isinstance(unit, ProductShape)
    assert shapes.build(unit, []) == ()


@pytest.mark.parametrize(
    ("ty", "message"),
    [
        (RefType(99), "type reference 99 leads nowhere"),
        (RefType(-1), "type reference -1 leads nowhere"),
        (RefType(1), "leads nowhere"),
        (Primitive("U7"), "unknown primitive type 'U7'"),
        (SumType(tuple(Variant(None, U8) for _ in range(257))), "257 variants"),
        ("U8", "not a type: str"),
    ],
)
def test_what_is_no_type(ty: Any, message: str) -> None:
    """It is refused when somebody asks for its shape."""
    shapes = Shapes(Typespace((ProductType(), RefType(2), RefType(1))))
    with pytest.raises(SchemaError, match=message):
        shapes.shape(ty)
