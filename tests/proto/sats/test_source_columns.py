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
from tests.proto.sats.skipping import skip


@pytest.mark.parametrize(("ty", "data"), [(example[0], example[2]) for example in EXAMPLES])
def test_skip(ty: Any, data: bytes) -> None:
    """To the end of the value; never beyond the end of the data."""
    assert skip(TYPES, ty, data)
    reader = TypeContext(Typespace((*TYPES.typespace.types, product(ty, U8))))
    column = reader.row_codec(len(TYPES.typespace.types)).column_decoder(1)
    for end in range(len(data)):
        with pytest.raises(RAW_DECODE_ERRORS):
            column(data[:end], 0)


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
        skip(TYPES, ty, data)


def test_fixed_fields_are_skipped_together() -> None:
    """With one addition, or by their size alone."""
    made = TypeContext(Typespace((product(U64, POINT, BOOL, STRING, U32, U32, BOOL),)))
    reader: Any = made.row_codec(0).column_decoder(6)
    text = "".join(linecache.getlines(reader.__code__.co_filename))
    assert "pos += 11" in text
    assert "pos += 8" in text
    plain = TypeContext(Typespace((product(U64, U64, U8),))).row_codec(0).column_decoder(2)
    assert plain(bytes(16) + b"\7", 0) == 7
    with pytest.raises(RAW_DECODE_ERRORS):
        plain(bytes(16), 0)


def test_columns_and_keys_of_a_row_of_everything() -> None:
    """Each column on its own equals that of the whole row."""
    context = TypeContext(Typespace((*SPACE.types, ROW)), {**NAMES, len(SPACE.types): "Row"})
    codec = context.row_codec(len(SPACE.types))
    data = b"".join(example[2] for example in EXAMPLES)
    row = codec.decode_row(data)
    listed = RowList.from_rows([data] * 5)
    starts = tuple(range(0, listed.end, len(data)))
    unequal = RowList(listed.data, 0, listed.end, 0, starts)
    for column, name in enumerate(codec.names):
        value = getattr(row, name)
        assert codec.column_decoder(column)(b"?" + data, 1) == value
        assert codec.keys(listed, column) == [value] * 5
        assert codec.keys(unequal, column) == [value] * 5


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
    with pytest.raises(DecodeError, match="not a valid bool"):
        codec.keys(RowList(bytes(damaged), 0, rows.end, rows.row_size), 1)


def test_keys_of_no_size() -> None:
    """A unit column has a key for every row all the same."""
    codec = TypeContext(Typespace((product(UNIT, U8),))).row_codec(0)
    assert codec.keys(RowList.from_rows([b"\1"] * 5), 0) == [()] * 5


def test_row_ends() -> None:
    """A key must end within its row, as the list has it."""
    codec = TypeContext(Typespace((product(STRING, option(U8)),))).row_codec(0)
    data = codec.encode(("ab", 1)) + codec.encode(("c", None))
    assert codec.keys(RowList(data, 0, len(data), 0, (0, 8)), 0) == ["ab", "c"]
    for at in (5, 9):
        with pytest.raises(DecodeError, match="row 0"):
            codec.keys(RowList(data, 0, len(data), 0, (0, at)), 0)


def test_what_is_plain() -> None:
    """Sums of one size are not: their tag may be wrong."""
    assert is_plain(TYPES.shapes, product(U64, POINT, IDENTITY))
    for ty in (COLOR, SCHEDULE_AT, product(U8, COLOR)):
        assert not is_plain(TYPES.shapes, ty)


def test_types_apart() -> None:
    """Recursive and deep types are skipped by functions of their own."""
    made = TypeContext(Typespace((product(RefType(3), U8), POINT, POINT, LIST)))
    assert skip(made, RefType(0), b"\0\1\0\2\1\7")
    deep: Any = STRING
    for _ in range(12):
        deep = ArrayType(deep)
    data = made.codec(deep).encode([[[[[[[[[[[["x"]]]]]]]]]]]])
    assert skip(made, deep, data)
