"""Generated encoders, over every shape of type."""

from __future__ import annotations

import dataclasses
import linecache
from typing import Any

import pytest

from spacetime_proto import types
from spacetime_proto.errors import LimitExceeded
from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    UNIT,
    ArrayType,
    RefType,
    SumType,
    Typespace,
    option,
    result,
)
from spacetime_proto.sats.bsatn import RAW_ENCODE_ERRORS
from spacetime_proto.sats.compile import TypeContext
from tests.proto.sats.examples import (
    BIG,
    BOOL,
    EXAMPLES,
    F32,
    POINT,
    ROW,
    SHAPE,
    STRING,
    TYPES,
    U8,
    U32,
    U64,
    Cell,
    Color,
    List,
    Shape,
    product,
)


def encoded(ty: Any, value: Any) -> bytes:
    """Encode with the generated function alone, without the reference behind it."""
    out = bytearray()
    TYPES.codec(ty)._encode(value, out)
    return bytes(out)


@pytest.mark.parametrize(("ty", "value", "data"), [example[:3] for example in EXAMPLES])
def test_golden_values(ty: Any, value: Any, data: bytes) -> None:
    """Value to bytes."""
    assert encoded(ty, value) == data


def test_all_in_one_row() -> None:
    """As the class, as a tuple, as a list."""
    values = tuple(example[1] for example in EXAMPLES)
    data = b"".join(example[2] for example in EXAMPLES)
    cls: Any = TYPES.python_class(ROW)
    assert encoded(ROW, cls(*values)) == encoded(ROW, values) == encoded(ROW, [*values]) == data


def source(ty: Any, *types: Any) -> str:
    """Return the source of an encoder."""
    codec = TypeContext(Typespace(types)).codec(ty)
    return "".join(linecache.getlines(codec._encode.__code__.co_filename))  # type: ignore[attr-defined]


def test_runs_are_fused() -> None:
    """One pack per run and one append for all that stands between two branches."""
    text = source(product(U64, product(F32, U8), STRING, U32, U8))
    assert text.count("out +=") == 1
    assert text.count("b''.join") == 1
    assert source(product(U64, U32)).count("out +=") == 1


@pytest.mark.parametrize(
    ("ty", "value"),
    [
        (BOOL, 1),
        (U8, 256),
        (U8, "1"),
        (F32, 1e39),
        (STRING, b"a"),
        (STRING, "\ud800"),
        (BYTES, "a"),
        (IDENTITY, types.ConnectionId.from_int(1)),
        (ArrayType(U8), [1]),
        (ArrayType(U32), "ab"),
        (ArrayType(UNIT), [()] * 16_385),
        (UNIT, None),
        (RefType(6), 1),
        (POINT, (1,)),
        (POINT, {"x": 1, "y": 2}),
        (RefType(0), 1),
        (RefType(1), Color.red),
        (BIG, Shape.circle(1.0)),
        (option(option(U8)), 5),
        (result(U8, U8), 5),
        (SumType(), None),
    ],
)
def test_values_that_do_not_fit(ty: Any, value: Any) -> None:
    """They raise, whatever it is; the codec says more."""
    with pytest.raises(RAW_ENCODE_ERRORS):
        encoded(ty, value)


@pytest.mark.parametrize("name", ["U128", "I128"])
def test_128_bits(name: str) -> None:
    """Both halves are checked."""
    from spacetime_proto.sats.algebraic import Primitive

    low, high = (-1 << 127, (1 << 127) - 1) if name[0] == "I" else (0, (1 << 128) - 1)
    signed = name[0] == "I"
    for value in (low, high, 1, 1 << 64):
        assert encoded(Primitive(name), value) == value.to_bytes(16, "little", signed=signed)
    for value in (low - 1, high + 1):
        with pytest.raises(RAW_ENCODE_ERRORS):
            encoded(Primitive(name), value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """A row class of the user's own."""

    x: int
    y: int


@dataclasses.dataclass
class Single:
    """One with one field."""

    x: int


def test_classes_that_are_no_structs() -> None:
    """Their attributes are read."""
    made = TypeContext(Typespace((POINT, product(x=U8))), {}, {0: Point, 1: Single})
    assert made.codec(RefType(0)).encode(Point(x=1, y=2)) == b"\1\2"
    assert made.codec(RefType(1)).encode(Single(3)) == b"\3"
    assert made.codec(RefType(1)).encode((4,)) == b"\4"


def test_depth() -> None:
    """Recursion is counted in every direction."""
    value = List.nil()
    for _ in range(127):
        value = List.cons(Cell(1, value))
    assert len(encoded(RefType(3), value)) == 255
    with pytest.raises(LimitExceeded, match="nested deeper than 128"):
        encoded(RefType(3), List.cons(Cell(1, value)))


def test_deep_and_large_types() -> None:
    """They go into functions of their own."""
    deep: Any = STRING
    for _ in range(12):
        deep = ArrayType(deep)
    assert encoded(deep, [[[[[[[[[[[["x"]]]]]]]]]]]]) == b"\1\0\0\0" * 12 + b"\1\0\0\0x"
    assert SHAPE.variants
