"""Classes made at run time."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import msgspec
import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import (
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
from spacetime_proto.sats.dynamic_classes import DynamicClasses
from spacetime_proto.sats.pytypes import (
    check_class,
    enum_members,
    field_names,
    has_class,
    make_class,
    positional,
    product_class,
    variant_names,
)
from spacetime_proto.types import ScheduleAt, SumValue
from tests.proto.sats.examples import COLOR, POINT, SHAPE, U8


def test_a_class_per_product_and_sum() -> None:
    """Others have none; references share; nameless units have none."""
    plain = (UNIT, UNIT, option(U8), result(U8, U8), IDENTITY, SCHEDULE_AT, ArrayType(U8), U8)
    references = (0, 11, 99, 14, 10)
    space = Typespace((POINT, COLOR, SHAPE, *plain, *map(RefType, references)))
    classes = DynamicClasses(space, {0: "Point", 3: "Empty", 11: "Alias"}).all()
    assert set(classes) == {0, 1, 2, 3, 11, 12}
    assert classes[11] is classes[12] is classes[0]
    assert classes[0].__name__ == "Point"
    assert classes[1].__name__ == "Type1"
    assert classes[3]() == classes[3]()


def test_products_are_frozen_structs() -> None:
    """In element order, by position, hashable, without garbage-collector head."""
    made: Any = make_class(POINT, "Point")
    point = made(1, 2)
    assert (point.x, point.y) == (1, 2)
    assert made.__struct_fields__ == ("x", "y")
    assert made.__struct_config__.frozen
    assert not made.__struct_config__.gc
    assert {point: 1}[made(1, 2)] == 1
    assert repr(point) == "Point(x=1, y=2)"


def test_enums() -> None:
    """Values are tags."""
    made: Any = make_class(COLOR, "Color")
    assert [(member.name, member.value) for member in made] == [("red", 0), ("green", 1)]
    assert enum_members(made) == (made.red, made.green)
    hostile = SumType(tuple(Variant(name, UNIT) for name in ("mro", "_x_", "name", "value", "a b")))
    members: Any = make_class(hostile, "Hostile")
    assert [member.name for member in members] == ["mro_", "x_", "name", "value", "a_b"]
    assert [member.value for member in enum_members(members)] == [0, 1, 2, 3, 4]


def test_sums() -> None:
    """A class with a subclass per variant, which `match` understands."""
    made: Any = make_class(SHAPE, "Shape")
    assert issubclass(made, SumValue)
    assert [variant.__name__ for variant in made.__variants__] == [
        "Shape_circle",
        "Shape_square",
        "Shape_nothing",
    ]
    assert [variant.__tag__ for variant in made.__variants__] == [0, 1, 2]
    assert made.circle is made.__variants__[0]
    match made.circle(2.0):
        case made.circle(radius):
            assert radius == 2.0
    assert made.nothing() == made.nothing()
    assert isinstance(made.nothing(), made)


def test_names() -> None:
    """Nameless parts are numbered; clashes are told apart."""
    nameless = ProductType((Element(None, U8), Element("a-b", U8), Element("a_b", U8)))
    assert field_names(nameless) == ("field_0", "a_b", "a_b_")
    assert variant_names(SumType((Variant(None, U8), Variant("class", U8)))) == (
        "variant_0",
        "class_",
    )
    assert has_class(POINT)
    assert not has_class(option(U8))


def test_given_classes_win() -> None:
    """If they fit."""
    space = Typespace((POINT, COLOR, SHAPE, UNIT))
    own: dict[int, Any] = {
        0: product_class(POINT, "Mine"),
        1: make_class(COLOR, "Mine"),
        2: make_class(SHAPE, "Mine"),
        3: product_class(UNIT, "Mine"),
    }
    assert DynamicClasses(space, {}, own).all() == own


class Wrong(msgspec.Struct):
    """Has none of the fields."""

    z: int


class OneColor(enum.Enum):
    """One variant of two."""

    red = 0


@pytest.mark.parametrize(
    ("cls", "ty", "message"),
    [
        (Wrong, POINT, r"class Wrong does not fit its type: it has \('z',\)"),
        (OneColor, COLOR, r"it has \[0\], the schema \[0, 1\]"),
        (Wrong, COLOR, "it has 0, the schema 2"),
        (ScheduleAt, SHAPE, "it has 2, the schema 3"),
        (Wrong, SHAPE, "it has 0, the schema 3"),
    ],
)
def test_classes_that_do_not_fit(cls: type, ty: Any, message: str) -> None:
    """They are refused when they are given, not when a row comes."""
    with pytest.raises(SchemaError, match=message):
        check_class(cls, ty)
    with pytest.raises(SchemaError, match=message):
        DynamicClasses(Typespace((ty,)), {}, {0: cls}).all()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByKeyword:
    """As the embedded server's table classes are."""

    x: int
    y: int


@dataclasses.dataclass
class ByPosition:
    """An ordinary one."""

    x: int


def test_dataclasses_by_keyword_are_built_by_position() -> None:
    """Everything else is called as it is."""
    check_class(ByKeyword, POINT)
    assert positional(ByKeyword)(1, 2) == ByKeyword(x=1, y=2)
    assert positional(ByPosition) is ByPosition
    assert positional(Wrong) is Wrong
    assert Primitive("U8") == U8
