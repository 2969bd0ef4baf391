"""One value of every shape of type, with its bytes and its JSON; shared by the tests of the codecs."""

from __future__ import annotations

from typing import Any

from spacetime_proto import types
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
    Typespace,
    Variant,
    option,
    result,
)
from spacetime_proto.sats.compile import TypeContext

BOOL, U8, I8, U16, U32, I64, U64, F32, F64, STRING = (
    Primitive(name)
    for name in ("Bool", "U8", "I8", "U16", "U32", "I64", "U64", "F32", "F64", "String")
)


def product(*elements: Any, **named: Any) -> ProductType:
    """Make a product of fields f0, f1, ... and of named ones."""
    fields = {f"f{index}": ty for index, ty in enumerate(elements)} | named
    return ProductType(tuple(Element(name, ty) for name, ty in fields.items()))


def sum_of(**variants: Any) -> SumType:
    """Make a sum."""
    return SumType(tuple(Variant(name, ty) for name, ty in variants.items()))


COLOR = sum_of(red=UNIT, green=UNIT)
SHAPE = sum_of(circle=F32, square=product(a=U8, b=STRING), nothing=UNIT)
POINT = product(x=U8, y=U8)
LIST = sum_of(cons=product(head=U8, tail=RefType(3)), nil=UNIT)
BIG = SumType(
    tuple(Variant(f"v{tag}", (STRING, U32, UNIT, option(U8))[tag % 4]) for tag in range(12))
)
NAMELESS = ProductType((Element(None, U8), Element("b", U8)))

SPACE = Typespace((COLOR, SHAPE, POINT, LIST, BIG, RefType(2), UNIT))
NAMES = {0: "Color", 1: "Shape", 2: "Point", 3: "List", 4: "Big", 6: "Empty"}
TYPES = TypeContext(SPACE, NAMES)

Color: Any
Shape: Any
Point: Any
List: Any
Big: Any
Color, Shape, Point, List, Big = (TYPES.classes[index] for index in range(5))
Empty: Any = TYPES.classes[6]
Square: Any = TYPES.python_class(SHAPE.variants[1].type)
Cell: Any = TYPES.python_class(LIST.variants[0].type)
Pair: Any = TYPES.python_class(NAMELESS)

_ID = "0x1" + 63 * "0"

#: (type, value, bytes, JSON by name, JSON by position)
EXAMPLES: list[tuple[Any, Any, bytes, Any, Any]] = [
    (BOOL, True, b"\1", True, True),
    (U8, 200, b"\xc8", 200, 200),
    (I8, -1, b"\xff", -1, -1),
    (U16, 513, b"\1\2", 513, 513),
    (I64, -2, b"\xfe" + b"\xff" * 7, -2, -2),
    (Primitive("U128"), 1 << 127, bytes(15) + b"\x80", 1 << 127, 1 << 127),
    (Primitive("I128"), -1, b"\xff" * 16, -1, -1),
    (Primitive("I128"), 1 << 100, bytes(12) + b"\x10\0\0\0", 1 << 100, 1 << 100),
    (Primitive("U256"), 300, b"\x2c\1" + bytes(30), "0x12c", "0x12c"),
    (Primitive("I256"), -5, b"\xfb" + b"\xff" * 31, "-0x5", "-0x5"),
    (F32, 1.5, b"\0\0\xc0\x3f", 1.5, 1.5),
    (F64, -0.0, bytes(7) + b"\x80", -0.0, -0.0),
    (STRING, "né", b"\3\0\0\0n\xc3\xa9", "né", "né"),
    (BYTES, b"\0\xff", b"\2\0\0\0\0\xff", "00ff", "00ff"),
    (UNIT, (), b"", [], []),
    (RefType(6), Empty(), b"", [], []),
    (
        IDENTITY,
        types.Identity.from_int(1 << 252),
        bytes(31) + b"\x10",
        {"__identity__": _ID},
        [_ID],
    ),
    (
        CONNECTION_ID,
        types.ConnectionId.from_int(7),
        b"\7" + bytes(15),
        {"__connection_id__": 7},
        [7],
    ),
    (UUID, types.Uuid.from_int(258), b"\2\1" + bytes(14), {"__uuid__": 258}, [258]),
    (
        TIMESTAMP,
        types.Timestamp(-1),
        b"\xff" * 8,
        {"__timestamp_micros_since_unix_epoch__": -1},
        [-1],
    ),
    (TIME_DURATION, types.TimeDuration(2), b"\2" + bytes(7), {"__time_duration_micros__": 2}, [2]),
    (
        SCHEDULE_AT,
        types.ScheduleAt.Interval(types.TimeDuration(9)),
        b"\0\x09" + bytes(7),
        {"Interval": {"__time_duration_micros__": 9}},
        [0, [9]],
    ),
    (
        SCHEDULE_AT,
        types.ScheduleAt.Time(types.Timestamp(9)),
        b"\1\x09" + bytes(7),
        {"Time": {"__timestamp_micros_since_unix_epoch__": 9}},
        [1, [9]],
    ),
    (option(U8), 5, b"\0\5", {"some": 5}, [0, 5]),
    (option(U8), None, b"\1", {"none": []}, [1, []]),
    (option(option(U8)), types.Some(None), b"\0\1", {"some": {"none": []}}, [0, [1, []]]),
    (result(U8, STRING), types.Ok(1), b"\0\1", {"ok": 1}, [0, 1]),
    (result(U8, STRING), types.Err("x"), b"\1\1\0\0\0x", {"err": "x"}, [1, "x"]),
    (RefType(0), Color.green, b"\1", {"green": []}, [1, []]),
    (RefType(1), Shape.circle(0.5), b"\0\0\0\0\x3f", {"circle": 0.5}, [0, 0.5]),
    (
        RefType(1),
        Shape.square(Square(1, "z")),
        b"\1\1\1\0\0\0z",
        {"square": {"a": 1, "b": "z"}},
        [1, [1, "z"]],
    ),
    (RefType(1), Shape.nothing(), b"\2", {"nothing": []}, [2, []]),
    (RefType(2), Point(1, 2), b"\1\2", {"x": 1, "y": 2}, [1, 2]),
    (RefType(5), Point(3, 4), b"\3\4", {"x": 3, "y": 4}, [3, 4]),
    (NAMELESS, Pair(1, 2), b"\1\2", [1, 2], [1, 2]),
    (
        RefType(3),
        List.cons(Cell(1, List.nil())),
        b"\0\1\1",
        {"cons": {"head": 1, "tail": {"nil": []}}},
        [0, [1, [1, []]]],
    ),
    (RefType(4), Big.v8("a"), b"\x08\1\0\0\0a", {"v8": "a"}, [8, "a"]),
    (RefType(4), Big.v10(), b"\x0a", {"v10": []}, [10, []]),
    (ArrayType(U16), [1, 2], b"\2\0\0\0\1\0\2\0", [1, 2], [1, 2]),
    (ArrayType(STRING), ["a", ""], b"\2\0\0\0\1\0\0\0a\0\0\0\0", ["a", ""], ["a", ""]),
    (ArrayType(BOOL), [True, False], b"\2\0\0\0\1\0", [True, False], [True, False]),
    (
        ArrayType(RefType(2)),
        [Point(1, 2), Point(3, 4)],
        b"\2\0\0\0\1\2\3\4",
        [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
        [[1, 2], [3, 4]],
    ),
    (ArrayType(RefType(0)), [Color.red], b"\1\0\0\0\0", [{"red": []}], [[0, []]]),
    (ArrayType(UNIT), [(), ()], b"\2\0\0\0", [[], []], [[], []]),
    (ArrayType(ArrayType(U8)), [b"a"], b"\1\0\0\0\1\0\0\0a", ["61"], ["61"]),
]

#: All of them as the columns of one row.
ROW = ProductType(tuple(Element(f"c{index}", ty) for index, (ty, *_) in enumerate(EXAMPLES)))
