"""The limits that codecs keep, seen to hold in everything that reads or writes a value."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import EncodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.sats.algebraic import (
    UNIT,
    ArrayType,
    Element,
    ProductType,
    RefType,
    Typespace,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.rows import RowList
from spacetime_proto.sats.sats_json import from_json, to_json
from tests.proto.sats.examples import LIST, U8, sum_of


def product(*elements: Any) -> ProductType:
    """Make a product of fields f0, f1, ..."""
    return ProductType(tuple(Element(f"f{index}", ty) for index, ty in enumerate(elements)))


WIDE = sum_of(**{f"v{number}": U8 for number in range(8)}, units=ArrayType(UNIT))


@pytest.mark.parametrize(
    ("ty", "fits", "too_much"),
    [
        (product(ArrayType(UNIT), ArrayType(UNIT)), b"\2\0\0\0\3\0\0\0", b"\3\0\0\0\3\0\0\0"),
        (ArrayType(ArrayType(UNIT)), b"\1\0\0\0\5\0\0\0", b"\2\0\0\0" + b"\3\0\0\0" * 2),
        # Through functions of their own: a recursive type, and a sum of many variants.
        (
            RefType(1),
            b"\2\0\0\0\1\0\0\0" + b"\3\0\0\0\0\0\0\0",
            b"\3\0\0\0\1\0\0\0" + b"\3\0\0\0\0\0\0\0",
        ),
        (WIDE, b"\x08\5\0\0\0", b"\x08\6\0\0\0"),
        (ArrayType(WIDE), b"\2\0\0\0\7\1\x08\5\0\0\0", b"\2\0\0\0\7\1\x08\6\0\0\0"),
    ],
)
def test_elements_without_size_share_the_budget_of_their_value(
    ty: Any, fits: bytes, too_much: bytes
) -> None:
    """In all that reads or writes a value; the next row has a budget of its own."""
    recursive = product(ArrayType(UNIT), ArrayType(RefType(1)))
    space = Typespace((product(ty, U8), recursive))
    made = TypeContext(space, {0: "Row"})
    generous = made.row_codec(0)
    strict = made.within(Limits(zero_size_rows=5))
    row_codec = strict.row_codec(0)
    codec = row_codec.column_codec(0)
    value = codec.decode_exact(fits)
    assert codec.encode(value) == fits
    assert row_codec.column_decoder(1)(fits + b"\1", 0) == 1
    rows = RowList.from_rows([fits + b"\1", fits + b"\2"])
    assert [row.f0 for row in row_codec.decode_rows(rows)] == [value] * 2
    assert row_codec.keys(rows, 0) == [value] * 2
    assert row_codec.keys(rows, 1) == [1, 2]

    row = too_much + b"\0"
    rows = RowList.from_rows([fits + b"\1", row])
    for read in (
        lambda: codec.decode_exact(too_much),
        lambda: row_codec.decode_row(row),
        lambda: row_codec.decode_rows(rows),
        lambda: row_codec.column_decoder(1)(row, 0),
        lambda: row_codec.keys(rows, 0),
        lambda: from_json(
            RefType(0),
            strict,
            to_json(RefType(0), made, generous.decode_row(row)),
        ),
    ):
        with pytest.raises(LimitExceeded) as refused:
            read()
        assert (refused.value.limit, refused.value.maximum) == ("zero_size_rows", 5)
    with pytest.raises(EncodeError, match=r"\(limit zero_size_rows = 5\)"):
        codec.encode(generous.column_codec(0).decode_exact(too_much))


def test_other_limits_change_no_class() -> None:
    """What one codec read, another one of the same module can write."""
    made = TypeContext(Typespace((UNIT, UNIT, UNIT, LIST)))
    data = b"\0\1" * 4 + b"\1"
    value = made.codec(RefType(3)).decode_exact(data)
    assert made.within(Limits(nesting_depth=5)).codec(RefType(3)).encode(value) == data
    strict = made.within(Limits(nesting_depth=4)).codec(RefType(3))
    with pytest.raises(EncodeError, match=r"\(limit nesting_depth = 4\)"):
        strict.encode(value)
