"""Generated row decoders: fixed, framed, and all others, one and many."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.sats.algebraic import BYTES, UNIT, RefType, Typespace, option
from spacetime_proto.sats.bsatn import RAW_DECODE_ERRORS
from spacetime_proto.sats.compile import RowCodec, TypeContext
from spacetime_proto.sats.rows import RowList
from spacetime_proto.sats.source_rows import equal_rows_function, row_function, rows_function
from tests.proto.sats.examples import BOOL, STRING, U8, U32, U64, product

FIXED = product(U64, BOOL, U8)
FRAMED = product(BOOL, U32, STRING, BOOL, U8)
BLOB = product(U8, BYTES)
OTHER = product(STRING, option(STRING), U8)
EMPTY = product(UNIT)

ROWS: list[tuple[Any, list[tuple[Any, ...]]]] = [
    (FIXED, [(1, True, 2), (3, False, 4)]),
    (FRAMED, [(True, 1, "ab", False, 2), (False, 2, "cd", True, 3)]),
    (FRAMED, [(True, 1, "a", False, 2), (False, 2, "", True, 3), (True, 3, "né", False, 9)]),
    (BLOB, [(1, b"xyz"), (2, b"")]),
    (OTHER, [("a", None, 1), ("bc", "d", 2)]),
    (EMPTY, [((),), ((),)]),
]


def codec_of(ty: Any) -> RowCodec[Any]:
    """Return the codec of a row type."""
    return TypeContext(Typespace((ty,)), {0: "Row"}).row_codec(0)


@pytest.mark.parametrize(("ty", "values"), ROWS)
def test_rows(ty: Any, values: list[tuple[Any, ...]]) -> None:
    """One by one, few and many, of one size and of several."""
    codec = codec_of(ty)
    for some in (values, values[:1] * 9, values * 5):
        encoded = [codec.encode(value) for value in some]
        rows = codec.decode_rows(RowList.from_rows(encoded))
        assert [tuple(getattr(row, name) for name in codec.names) for row in rows] == some
        assert [codec.decode_row(data) for data in encoded] == rows
        if sum(map(len, encoded)):
            starts = [sum(map(len, encoded[:at])) for at in range(len(encoded))]
            listed = RowList(b"".join(encoded), 0, sum(map(len, encoded)), 0, tuple(starts))
            assert codec.decode_rows(listed) == rows


@pytest.mark.parametrize(("ty", "values"), ROWS[:-1])
def test_rows_that_are_cut_or_too_long(ty: Any, values: list[tuple[Any, ...]]) -> None:
    """By a single byte, as one row and in a list."""
    codec = codec_of(ty)
    data = codec.encode(values[0])
    for damaged in (data[:-1], data + b"\0", b""):
        with pytest.raises(RAW_DECODE_ERRORS):
            codec.decode_row(damaged)
        with pytest.raises(RAW_DECODE_ERRORS):
            codec._rows(damaged, 0, (len(damaged),))
        equal = codec._equal_rows
        if equal is not None and damaged and ty is not FIXED:
            with pytest.raises(RAW_DECODE_ERRORS):
                equal(damaged * 5, 0, len(damaged) * 5, len(damaged))


@pytest.mark.parametrize("at", [0, 11])
def test_bools_before_and_behind_the_string(at: int) -> None:
    """Are checked in every way of reading."""
    codec = codec_of(FRAMED)
    data = bytearray(codec.encode((True, 1, "ab", False, 2)))
    data[at] = 2
    for count in (1, 6):
        with pytest.raises(RAW_DECODE_ERRORS, match="neither 0 nor 1"):
            codec._rows(bytes(data), 0, (len(data),))
        equal: Any = codec._equal_rows
        with pytest.raises(RAW_DECODE_ERRORS, match="neither 0 nor 1"):
            equal(bytes(data) * count, 0, len(data) * count, len(data))
        with pytest.raises(RAW_DECODE_ERRORS, match="neither 0 nor 1"):
            codec.decode_row(bytes(data))
    fixed = codec_of(FIXED)
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        fixed.decode_row(bytes(8) + b"\2\0")


def test_loops_are_inside() -> None:
    """The way of reading follows from the type."""
    program = TypeContext(Typespace((FIXED, FRAMED, OTHER, EMPTY))).program

    def text(write: Any, ref: int) -> str | None:
        function = write(program, RefType(ref))
        return function and "\n".join(function.lines)

    assert "for end in ends" in (text(rows_function, 0) or "")
    assert "starmap" not in (text(equal_rows_function, 0) or "")
    assert "step" in (text(equal_rows_function, 1) or "")
    assert text(equal_rows_function, 2) is text(equal_rows_function, 3) is None
    assert (text(row_function, 0) or "").count("\n") == 4
    assert "len(data)" in (text(row_function, 2) or "")
