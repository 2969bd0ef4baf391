"""Generated skips, columns and keys, over every shape of type."""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from spacetime_proto.errors import DecodeError
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    SCHEDULE_AT,
    UNIT,
    ArrayType,
    RefType,
    SumType,
    Typespace,
    option,
)
from spacetime_proto.sats.bsatn import RAW_DECODE_ERRORS
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.rows import RowList
from spacetime_proto.sats.source_columns import is_plain
from tests.proto.sats.examples import (
    BIG,
    BOOL,
    COLOR,
    EXAMPLES,
    LIST,
    NAMES,
    POINT,
    ROW,
    SPACE,
    STRING,
    TYPES,
    U8,
    U32,
    U64,
    product,
)


@pytest.mark.parametrize(("ty", "data"), [(example[0], example[2]) for example in EXAMPLES])
def test_skip(ty: Any, data: bytes) -> None:
    """To the end of the value; never beyond the end of the data."""
    codec = TYPES.codec(ty)
    assert codec.skip(b"?" + data + b"?", 1) == len(data) + 1
    for end in range(len(data)):
        with pytest.raises(RAW_DECODE_ERRORS):
            codec.skip(data[:end], 0)


@pytest.mark.parametrize(
    ("ty", "data"),
    [
        (option(U8), b"\2\0"),
        (COLOR, b"\2"),
        (SCHEDULE_AT, b"\2" + bytes(8)),
        (SumType(), b"\0"),
        (BIG, b"\x0c"),
        (ArrayType(STRING), b"\xff\0\0\0" + bytes(12)),
        (ArrayType(UNIT), b"\1\x40\0\0"),
        (RefType(3), b"\0\1" * 129 + b"\1"),
    ],
)
def test_skip_refuses(ty: Any, data: bytes) -> None:
    """Tags and counts that cannot be."""
    with pytest.raises(RAW_DECODE_ERRORS):
        TYPES.codec(ty).skip(data, 0)


def test_fixed_fields_are_skipped_together() -> None:
    """With one addition, or by their size alone."""
    codec = TypeContext(Typespace((product(U64, POINT, BOOL, STRING, U32, U32),))).codec(RefType(0))
    text = "".join(linecache.getlines(codec.skip.__code__.co_filename))  # type: ignore[attr-defined]
    assert "pos += 11" in text
    assert "pos += 8" in text
    assert TYPES.codec(product(U64, U64)).skip(bytes(16), 0) == 16
    with pytest.raises(ValueError, match="cut short"):
        TYPES.codec(product(U64, U64)).skip(bytes(15), 0)


def test_columns_and_keys_of_a_row_of_everything() -> None:
    """Each column on its own equals that of the whole row."""
    context = TypeContext(Typespace((*SPACE.types, ROW)), {**NAMES, len(SPACE.types): "Row"})
    codec = context.row_codec(len(SPACE.types))
    data = b"".join(example[2] for example in EXAMPLES)
    row = codec.decode_row(data)
    listed = RowList.from_rows([data] * 5)
    codec.skip_rows(listed)
    for column, name in enumerate(codec.names):
        value = getattr(row, name)
        assert codec.column_decoder(column)(b"?" + data, 1) == value
        assert codec.keys(listed, column) == [value] * 5
        assert codec._keys(column)(listed.data, 0, listed.ends()) == [value] * 5


def test_keys_in_one_pass() -> None:
    """At an offset, with padding around, bools checked, whatever the row size."""
    context = TypeContext(Typespace((product(U8, BOOL, U64, STRING),)))
    codec = context.row_codec(0)
    for text in ("", "abc"):
        rows = RowList.from_rows([codec.encode((n, n % 2 == 0, n * 2, text)) for n in range(6)])
        assert codec.keys(rows, 0) == [0, 1, 2, 3, 4, 5]
        assert codec.keys(rows, 1) == [True, False] * 3
        assert codec.keys(rows, 2) == [0, 2, 4, 6, 8, 10]
        assert codec.keys(rows, 3) == [text] * 6
    damaged = bytearray(rows.data)
    damaged[1 + rows.row_size] = 7
    with pytest.raises(DecodeError, match="neither 0 nor 1"):
        codec.keys(RowList(bytes(damaged), 0, rows.end, rows.row_size), 1)


def test_keys_of_no_size() -> None:
    """A unit column has a key for every row all the same."""
    codec = TypeContext(Typespace((product(UNIT, U8),))).row_codec(0)
    assert codec.keys(RowList.from_rows([b"\1"] * 5), 0) == [()] * 5


def test_row_ends() -> None:
    """Rows must end where their list says."""
    codec = TypeContext(Typespace((product(STRING, option(U8)),))).row_codec(0)
    data = codec.encode(("ab", 1)) + codec.encode(("c", None))
    codec.skip_rows(RowList(data, 0, len(data), 0, (0, 8)))
    for at in (7, 9):
        with pytest.raises(DecodeError, match="row 0"):
            codec.skip_rows(RowList(data, 0, len(data), 0, (0, at)))


def test_what_is_plain() -> None:
    """Sums of one size are not: their tag may be wrong."""
    assert is_plain(TYPES.shapes, product(U64, POINT, IDENTITY))
    for ty in (COLOR, SCHEDULE_AT, product(U8, COLOR)):
        assert not is_plain(TYPES.shapes, ty)


def test_types_apart() -> None:
    """Recursive and deep types are skipped by functions of their own."""
    made = TypeContext(Typespace((product(RefType(3), U8), POINT, POINT, LIST)))
    codec = made.codec(RefType(0))
    assert codec.skip(b"\0\1\0\2\1\7", 0) == 6
    deep: Any = STRING
    for _ in range(12):
        deep = ArrayType(deep)
    nested = made.codec(deep)
    data = nested.encode([[[[[[[[[[[["x"]]]]]]]]]]]])
    assert nested.skip(data, 0) == len(data)
