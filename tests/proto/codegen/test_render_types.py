"""The text of structs, enums and sums."""

from __future__ import annotations

from spacetime_proto.codegen.package import generate
from spacetime_proto.sats.algebraic import (
    UNIT,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Variant,
    option,
)
from tests.support.modules import make_module, product

U8, STRING = Primitive("U8"), Primitive("String")

TYPES = {
    "Row": product(
        color=RefType(1), shape=RefType(2), point=RefType(3), none=RefType(4), one=RefType(5)
    ),
    "Color": SumType((Variant("red", UNIT), Variant("class", UNIT))),
    "Shape": SumType((Variant("Circle", Primitive("F32")), Variant("Empty", UNIT))),
    "Point": product(x=Primitive("I32"), **{"from": option(RefType(3))}),
    "Never": SumType(),
    "One": SumType((Variant("only", STRING),)),
    "Unit": UNIT,
}


def files():
    types = dict(TYPES)
    types["Row"] = product(
        **{element.name: element.type for element in TYPES["Row"].elements}, unit=RefType(6)
    )
    return generate(make_module(types, {"row": "Row"}), source="test", version="1")


def body(name):
    text = files()[name]
    return text[text.index("\n\n\n") + 3 :]


def test_an_enum():
    assert body("color.py") == (
        "class Color(EnumValue):\n"
        '    """A ``Color``; a member\'s value is its tag on the wire."""\n'
        "\n"
        "    red = 0\n"
        "    class_ = 1\n"
    )


def test_a_struct():
    assert body("point.py") == (
        "class Point(Struct, frozen=True, gc=False):\n"
        '    """A ``Point``.\n'
        "\n"
        "    Fields:\n"
        "        x: ``I32``\n"
        "        from_: ``Option<Point>``, 'from' on the wire\n"
        '    """\n'
        "\n"
        "    x: int\n"
        "    from_: Point | None\n"
    )


def test_a_struct_without_fields():
    assert body("unit.py") == (
        'class Unit(Struct, frozen=True, gc=False):\n    """A ``Unit``."""\n'
    )


def test_a_sum():
    assert body("shape.py") == (
        "class Shape(SumValue, frozen=True, gc=False):\n"
        '    """A ``Shape``: an instance of one of its variants\' classes.\n'
        "\n"
        "    Variants:\n"
        "        Circle: ``F32``\n"
        "        Empty: ``()``\n"
        '    """\n'
        "\n"
        "    Circle: ClassVar[type[Shape_Circle]]\n"
        "    Empty: ClassVar[type[Shape_Empty]]\n"
        "\n"
        "\n"
        "class Shape_Circle(Shape, frozen=True, gc=False):\n"
        '    """Variant ``Circle`` of `Shape`."""\n'
        "\n"
        "    value: float\n"
        "    __tag__: ClassVar[int] = 0\n"
        "\n"
        "\n"
        "class Shape_Empty(Shape, frozen=True, gc=False):\n"
        '    """Variant ``Empty`` of `Shape`."""\n'
        "\n"
        "    __tag__: ClassVar[int] = 1\n"
        "\n"
        "\n"
        "Shape.Circle = Shape_Circle\n"
        "Shape.Empty = Shape_Empty\n"
        "Shape.__variants__ = (Shape_Circle, Shape_Empty)\n"
    )


def test_sums_with_one_variant_and_with_none():
    assert body("one.py").endswith("One.only = One_only\nOne.__variants__ = (One_only,)\n")
    assert body("never.py") == (
        "class Never(SumValue, frozen=True, gc=False):\n"
        '    """A ``Never``: an instance of one of its variants\' classes."""\n'
    )


def test_a_variant_cannot_take_the_word_that_marks_class_variables(import_package):
    odd = SumType((Variant("ClassVar", U8), Variant("int", UNIT), Variant("type", UNIT)))
    types = {"Row": product(a=RefType(1), b=RefType(2)), "Odd": odd, "ClassVar": odd}
    package = import_package(generate(make_module(types, {"row": "Row"}), source="t", version="1"))
    assert package.Odd.ClassVar_(1).value == 1
    assert package.Odd.int() == package.Odd.int()
    assert package.ClassVar_.ClassVar_(2).value == 2


def test_the_classes_work(import_package):
    package = import_package(files())
    circle = package.Shape.Circle(1.5)
    assert isinstance(circle, package.Shape)
    match circle:
        case package.Shape.Circle(radius):
            assert radius == 1.5
    assert package.Shape.Empty() == package.Shape.Empty()
    assert package.Color(0) is package.Color.red
    row_class = package.Row
    row = row_class(
        package.Color.class_, circle, package.Point(1, None), None, package.One.only("x"), None
    )
    assert hash(row) == hash(row_class(*(getattr(row, f) for f in row_class.__struct_fields__)))
    point = package.Point(1, package.Point(2, None))
    codec = package.MODULE.bound.types.codec(RefType(3))
    assert codec.decode_exact(codec.encode(point)) == point
    shapes = package.MODULE.bound.types.codec(ArrayType(RefType(2)))
    assert shapes.decode_exact(shapes.encode([circle, package.Shape.Empty()])) == [
        circle,
        package.Shape.Empty(),
    ]
