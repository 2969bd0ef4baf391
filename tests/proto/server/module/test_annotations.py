"""`annotations`: what each annotation becomes, and what is refused."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Annotated, Any, Optional

import msgspec
import pytest

from spacetime_proto import types
from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    SCHEDULE_AT,
    TIME_DURATION,
    TIMESTAMP,
    UNIT,
    UUID,
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
from spacetime_proto.server import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    I256,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    column,
    sum_type,
)
from spacetime_proto.server.module.annotations import Field, TypeRegistry, fields_of
from spacetime_proto.types import Err, Ok, Some


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


@dataclass
class Point:
    x: F32
    y: F32


class Place(msgspec.Struct):
    name: str = msgspec.field(name="called")


@dataclass
class Tree:
    value: int
    children: list[Tree]


@sum_type
class Shape:
    Circle: F64
    Spot: Point
    Nothing: None


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (bool, Primitive("Bool")),
        (int, Primitive("I64")),
        (float, Primitive("F64")),
        (str, Primitive("String")),
        (bytes, BYTES),
        (None, UNIT),
        (type(None), UNIT),
        (tuple[()], UNIT),
        (U8, Primitive("U8")),
        (U16, Primitive("U16")),
        (U32, Primitive("U32")),
        (U64, Primitive("U64")),
        (U128, Primitive("U128")),
        (U256, Primitive("U256")),
        (I8, Primitive("I8")),
        (I16, Primitive("I16")),
        (I32, Primitive("I32")),
        (I64, Primitive("I64")),
        (I128, Primitive("I128")),
        (I256, Primitive("I256")),
        (F32, Primitive("F32")),
        (F64, Primitive("F64")),
        (Annotated[str, "a remark"], Primitive("String")),
        (types.Identity, IDENTITY),
        (types.ConnectionId, CONNECTION_ID),
        (types.Timestamp, TIMESTAMP),
        (types.TimeDuration, TIME_DURATION),
        (types.Uuid, UUID),
        (types.ScheduleAt, SCHEDULE_AT),
        (list[U8], BYTES),
        (list[str], ArrayType(Primitive("String"))),
        (str | None, option(Primitive("String"))),
        (Optional[int], option(Primitive("I64"))),  # noqa: UP045  # the other spelling
        (Some[U8 | None] | None, option(option(Primitive("U8")))),
        (Ok[int] | Err[str], result(Primitive("I64"), Primitive("String"))),
        (Color, RefType(0)),
        (Point, RefType(0)),
        (list[Place], ArrayType(RefType(0))),
    ],
)
def test_annotations_have_types(annotation: Any, expected: Any) -> None:
    assert TypeRegistry().convert(annotation, "here") == expected


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (dict[str, int], "has no counterpart"),
        (complex, "has no counterpart"),
        (tuple[int, int], "has no counterpart"),
        ([], "has no counterpart"),
        (int | str, "of unions only"),
        (int | str | None, "of unions only"),
        (types.SumValue, "has no counterpart"),
        (types.Some[int], "has no counterpart"),
    ],
)
def test_other_annotations_are_refused_with_their_place(annotation: Any, problem: str) -> None:
    with pytest.raises(SchemaError, match=f"^Table.column.*{problem}"):
        TypeRegistry().convert(annotation, "Table.column")


def test_classes_become_named_types_once() -> None:
    registry = TypeRegistry()
    assert registry.convert(Shape, "") == RefType(0)
    assert registry.convert(Point, "") == RefType(1)
    assert registry.typespace.types == (
        SumType(
            (
                Variant("Circle", Primitive("F64")),
                Variant("Spot", RefType(1)),
                Variant("Nothing", UNIT),
            )
        ),
        ProductType((Element("x", Primitive("F32")), Element("y", Primitive("F32")))),
    )
    assert registry.classes == {0: Shape, 1: Point}
    assert [(d.name, d.ref) for d in registry.type_defs()] == [("Point", 1), ("Shape", 0)]


def test_a_class_may_mention_itself() -> None:
    registry = TypeRegistry()
    registry.ref(Tree)
    assert registry.typespace.types[0] == ProductType(
        (Element("value", Primitive("I64")), Element("children", ArrayType(RefType(0))))
    )


def test_enum_tags_follow_the_definition() -> None:
    registry = TypeRegistry()
    registry.ref(Color)
    assert registry.typespace.types[0] == SumType((Variant("RED", UNIT), Variant("GREEN", UNIT)))


def test_fields_know_their_attribute_and_their_name_on_the_wire() -> None:
    @dataclass
    class Row:
        first: int = column(name="one")
        second: str = field(default="")

    registry = TypeRegistry()
    assert fields_of(Row, registry) == [Field("first", "one", int), Field("second", "second", str)]
    assert fields_of(Place, registry) == [Field("name", "called", str)]


def test_two_classes_of_one_name_are_refused() -> None:
    def another() -> type:
        @dataclass
        class Point:
            z: int

        return Point

    registry = TypeRegistry()
    registry.ref(Point)
    registry.ref(another())
    with pytest.raises(SchemaError, match="two different classes of this module are named Point"):
        registry.type_defs()


def test_unknown_names_in_annotations_are_refused() -> None:
    @dataclass
    class Row:
        value: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(SchemaError, match=r"Missing.* in the annotations of .*Row"):
        TypeRegistry().ref(Row)


def test_names_of_the_scope_are_found() -> None:
    @dataclass
    class Inner:
        value: int

    @dataclass
    class Outer:
        inner: Inner

    registry = TypeRegistry({"Inner": Inner})
    registry.ref(Outer)
    assert registry.classes == {0: Outer, 1: Inner}


def test_sum_values_match_and_compare() -> None:
    made: Any = Shape
    circle = made.Circle(1.5)
    assert circle == made.Circle(1.5) != made.Nothing()
    match circle:
        case made.Circle(value=radius):
            assert radius == 1.5
        case _:
            pytest.fail("no match")
    assert [cls.__tag__ for cls in made.__variants__] == [0, 1, 2]
    assert isinstance(made.Nothing(), types.SumValue)


def test_sums_that_are_something_else_are_refused() -> None:
    @sum_type
    class Plain:
        A: None
        B: None

    @sum_type
    class Maybe:
        some: int
        none: None

    for cls in (Plain, Maybe):
        with pytest.raises(SchemaError, match="write this as an Enum, Option"):
            TypeRegistry().ref(cls)
