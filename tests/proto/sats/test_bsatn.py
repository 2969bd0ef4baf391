"""The interpreted reference: golden values, and what each error says."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from spacetime_proto import types
from spacetime_proto.errors import DecodeError, EncodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.sats import bsatn
from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    SCHEDULE_AT,
    TIMESTAMP,
    UNIT,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Typespace,
    option,
    result,
)
from spacetime_proto.sats.compile import TypeContext
from tests.proto.sats.examples import (
    BIG,
    BOOL,
    COLOR,
    EXAMPLES,
    F32,
    F64,
    LIST,
    NAMELESS,
    STRING,
    TYPES,
    U8,
    U64,
    Cell,
    List,
    Point,
    Shape,
    product,
)


def encode(ty: Any, value: Any) -> bytes:
    """Encode with the reference."""
    return bsatn.encode(ty, TYPES.shapes, TYPES.layout, value)


def decode(ty: Any, data: bytes) -> Any:
    """Decode all of `data` with the reference."""
    value, pos = bsatn.decode(ty, TYPES.shapes, TYPES.layout, data)
    assert pos == len(data)
    return value


@pytest.mark.parametrize(("ty", "value", "data"), [example[:3] for example in EXAMPLES])
def test_golden_values(ty: Any, value: Any, data: bytes) -> None:
    """Value to bytes and back; cut anywhere it is refused."""
    assert encode(ty, value) == data
    assert repr(decode(ty, data)) == repr(value)
    for end in range(len(data)):
        with pytest.raises(DecodeError):
            decode(ty, data[:end])


@pytest.mark.parametrize(
    ("ty", "data", "message"),
    [
        (BOOL, b"\2", "byte 0x02 is not a valid bool at byte 0"),
        (BOOL, b"", "data too short for u8: Expected 1, given 0 at byte 0"),
        (STRING, b"\2\0\0\0a\xff", "invalid utf8: invalid start byte at byte 5"),
        (STRING, b"\5\0\0\0ab", r"data too short for \[u8\]: Expected 5, given 2 at byte 4"),
        (STRING, b"\5\0", "data too short for u32: Expected 4, given 2 at byte 0"),
        (BYTES, b"\2\0\0\0\0", r"data too short for \[u8\]: Expected 2, given 1 at byte 4"),
        (Primitive("I128"), b"\0", "data too short for i128: Expected 16, given 1"),
        (Primitive("F32"), b"", "data too short for u32: Expected 4, given 0"),
        (Primitive("F64"), b"", "data too short for u64: Expected 8, given 0"),
        (IDENTITY, b"\0", "data too short for u256: Expected 32, given 1"),
        (TIMESTAMP, b"\0", "data too short for i64: Expected 8, given 1"),
        (COLOR, b"\2", "unknown tag 0x2 for sum type <unknown> at byte 0"),
        (option(U8), b"\2", "unknown tag 0x2 for sum type <unknown>"),
        (SumType(), b"\0", "unknown tag 0x0 for sum type <unknown>"),
        (
            ArrayType(U64),
            b"\2\0\0\0" + bytes(15),
            r"data too short for u64: Expected 8, given 7 in \[1\] at byte 12",
        ),
        (
            product(a=U8, b=product(ArrayType(option(BOOL)))),
            b"\1\1\0\0\0\0\7",
            r"in b\.f0\[0\]\.some at byte 6",
        ),
        (result(U8, BOOL), b"\1\7", r"in \.?err at byte 1"),
        (NAMELESS, b"\1", "data too short for u8: Expected 1, given 0 in b at byte 1"),
    ],
)
def test_damaged_bytes(ty: Any, data: bytes, message: str) -> None:
    """The error names the path and the byte."""
    with pytest.raises(DecodeError, match=message):
        decode(ty, data)


@pytest.mark.parametrize(
    ("ty", "data", "limit", "maximum", "place"),
    [
        (RefType(3), b"\0\1" * 128 + b"\1", "nesting_depth", 128, "cons"),
        (ArrayType(UNIT), b"\1\x40\0\0", "zero_size_rows", 16_384, ""),
        (product(a=ArrayType(UNIT)), b"\1\x40\0\0", "zero_size_rows", 16_384, "a"),
        (
            product(a=ArrayType(UNIT), b=ArrayType(UNIT)),
            b"\0\x20\0\0\1\x20\0\0",
            "zero_size_rows",
            16_384,
            "b",
        ),
    ],
)
def test_limits(ty: Any, data: bytes, limit: str, maximum: int, place: str) -> None:
    """The error names the limit and the path of the value that is one too many."""
    with pytest.raises(LimitExceeded) as refused:
        decode(ty, data)
    assert (refused.value.limit, refused.value.maximum) == (limit, maximum)
    assert refused.value.what.startswith(place)


class Text(str):
    """A subclass, as enums with text are."""


@pytest.mark.parametrize(
    ("ty", "value", "data"),
    [
        (STRING, Text("a"), b"\1\0\0\0a"),
        (BYTES, bytearray(b"a"), b"\1\0\0\0a"),
        (BYTES, memoryview(b"a"), b"\1\0\0\0a"),
        (U8, True, b"\1"),
        (F32, 1, struct.pack("<f", 1)),
        (ArrayType(U8), b"", bytes(4)),
        (ArrayType(BOOL), (True,), b"\1\0\0\0\1"),
        (product(U8, U8), [1, 2], b"\1\2"),
        (product(U8), (1,), b"\1"),
        (RefType(6), (), b""),
        (product(x=U8, y=U8), Point(1, 2), b"\1\2"),
    ],
)
def test_accepted_values(ty: Any, value: Any, data: bytes) -> None:
    """A little more than the exact classes."""
    assert encode(ty, value) == data


@pytest.mark.parametrize(
    ("ty", "value", "message"),
    [
        (BOOL, 1, "bool expected, not int"),
        (U8, 256, "number out of range for U8"),
        (U8, -1, "number out of range for U8"),
        (U8, 1.0, "int expected, not float"),
        (F32, "1", "float expected, not str"),
        (F32, 1e39, "number too large for F32"),
        (F64, 10**400, "float expected, not int"),
        (STRING, b"a", "str expected, not bytes"),
        (STRING, "\ud800", "a lone surrogate has no UTF-8 form"),
        (BYTES, "a", "bytes expected, not str"),
        (ArrayType(STRING), "ab", "list expected, not str"),
        (ArrayType(UNIT), [()] * 16_385, "more than 16384 elements or rows without a size"),
        (UNIT, None, "a tuple of 0 expected, not NoneType"),
        (product(U8), 5, "Anonymous expected, not int"),
        (product(U8), {"f0": 1}, "Anonymous expected, not dict"),
        (COLOR, 1, "Anonymous expected, not int"),
        (RefType(0), "red", "Color expected, not str"),
        (RefType(1), Point(1, 2), "a variant of Shape expected, not Point"),
        (TIMESTAMP, 5, "Timestamp expected, not int"),
        (TIMESTAMP, types.Timestamp(1 << 70), "number out of range for I64"),
        (SCHEDULE_AT, types.Timestamp(1), "a variant of ScheduleAt expected, not Timestamp"),
        (option(option(U8)), 5, "Some or None expected, not int"),
        (result(U8, U8), 5, "Ok or Err expected, not int"),
        (
            product(a=product(b=ArrayType(option(U8)))),
            (([1, None, "x"],),),
            r"int expected, not str in a\.b\[2\]\.some",
        ),
        (result(U8, U8), types.Err("x"), "int expected, not str in err"),
        (result(U8, U8), types.Ok("x"), "int expected, not str in ok"),
        (RefType(1), Shape.circle("x"), "float expected, not str in circle"),
        (NAMELESS, ("x", 1), "int expected, not str in field_0"),
    ],
)
def test_values_that_do_not_fit(ty: Any, value: Any, message: str) -> None:
    """The error names the path and the kind of the value, never the value."""
    with pytest.raises(EncodeError, match=message):
        encode(ty, value)


def test_float_bits_are_kept() -> None:
    """NaN payloads of F64 and quiet ones of F32, infinities, -0.0."""
    for bits in (0x7FF8_0000_0000_0001, 0xFFF0_0000_0000_0001, 0x7FF0_0000_0000_0000, 1 << 63):
        data = struct.pack("<Q", bits)
        assert encode(F64, decode(F64, data)) == data
    for bits in (0x7FC0_0001, 0xFFC1_2345, 0x7F80_0000, 1 << 31):
        data = struct.pack("<I", bits)
        assert encode(F32, decode(F32, data)) == data
    # Python has no F32: a signalling NaN becomes quiet, its payload stays.
    signalling = decode(F32, struct.pack("<I", 0x7F80_0001))
    assert math.isnan(signalling)
    assert encode(F32, signalling) in (
        struct.pack("<I", 0x7FC0_0001),
        struct.pack("<I", 0x7F80_0001),
    )


def test_lengths_that_do_not_fit() -> None:
    """A length is 32 bits; nothing longer is tried."""

    class Endless(list[int]):
        def __len__(self) -> int:
            return 1 << 32

    with pytest.raises(EncodeError, match="more than a length can say"):
        encode(ArrayType(STRING), Endless())


def test_nesting_of_values() -> None:
    """Recursion ends at 128 and at Python's own limit, with an error either way."""
    value = List.nil()
    for _ in range(128):
        value = List.cons(Cell(1, value))
    with pytest.raises(EncodeError, match="nested deeper than 128 levels"):
        encode(RefType(3), value)
    deep = TypeContext(Typespace((LIST,) * 4), limits=Limits(nesting_depth=100_000))
    with pytest.raises(DecodeError, match="nested too deep"):
        bsatn.decode(RefType(3), deep.shapes, deep.layout, b"\0\1" * 50_000)
    cons, nil = deep.classes[3].__variants__  # type: ignore[attr-defined]
    chain = nil()
    for _ in range(50_000):
        chain = cons((1, chain))
    with pytest.raises(EncodeError, match="nested too deep"):
        bsatn.encode(RefType(3), deep.shapes, deep.layout, chain)
    while chain != nil():  # unlinked one by one: Python frees a long chain recursively
        chain = chain.value[1]
        if type(chain) is nil:
            break


def test_long_paths_are_shortened() -> None:
    """The ends of a path are kept."""
    steps = [f".s{number}" for number in range(40)]
    assert bsatn.path_text(steps) == "s0.s1.s2.s3.s4.s5.s6.s7.(...).s36.s37.s38.s39"
    assert bsatn.path_text(steps[:3]) == "s0.s1.s2"


def test_big_sum() -> None:
    """Tags count from zero in the order of the variants."""
    assert encode(BIG, TYPES.python_class(BIG).__variants__[2]()) == b"\2"  # type: ignore[union-attr]
