"""Types as BSATN values."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError
from spacetime_proto.sats.algebraic import (
    UNIT,
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Variant,
    option,
)
from spacetime_proto.sats.type_bsatn import TYPE_TAGS, decode_type, encode_type
from tests.proto.sats.strategies import contexts


@settings(deadline=None)
@given(contexts(), st.integers(0, 30), st.integers(0, 7), st.binary(max_size=20))
def test_round_trip_and_damage(made: object, at: int, bit: int, noise: bytes) -> None:
    """Any type comes back; cuts, flips and noise raise DecodeError only."""
    for ty in made.typespace.types:  # type: ignore[attr-defined]
        data = encode_type(ty)
        assert decode_type(b"x" + data + b"y", 1) == (ty, len(data) + 1)
        with pytest.raises(DecodeError):
            decode_type(data[: at % len(data)])
        flipped = bytearray(data)
        flipped[at % len(data)] ^= 1 << bit
        for damaged in (bytes(flipped), noise):
            with suppress(DecodeError):
                decode_type(damaged)


def test_wire_form() -> None:
    """As docs/protocol.md section 1.2 has it."""
    assert encode_type(RefType(5)) == b"\0\5\0\0\0"
    assert encode_type(ArrayType(Primitive("U8"))) == b"\3\7"
    assert encode_type(UNIT) == b"\2\0\0\0\0"
    assert encode_type(ProductType((Element("id", Primitive("U32")), Element(None, UNIT)))) == (
        b"\2\2\0\0\0\0\2\0\0\0id\x0b\1\2\0\0\0\0"
    )
    assert encode_type(SumType((Variant("a", Primitive("F64")),))) == b"\1\1\0\0\0\0\1\0\0\0a\x13"
    assert len(TYPE_TAGS) == 20


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut short"),
        (b"\x14", "unknown tag 20"),
        (b"\2\xff\0\0\0", "255 fields announced"),
        (b"\2\1\0\0\0\2", "unknown tag 2"),
        (b"\2\1\0\0\0\0\5\0\0\0ab", "cut short"),
        (b"\2\1\0\0\0\0\1\0\0\0\xff\7", "name is not UTF-8"),
        (b"\3" * 200, "nested too deep"),
    ],
)
def test_damage(data: bytes, message: str) -> None:
    """What cannot be read says why."""
    with pytest.raises(DecodeError, match=message):
        decode_type(data)


def test_nesting_limit() -> None:
    """128 levels are read, one more is not."""
    ty: AlgebraicType = option(Primitive("U8"))
    for _ in range(127):
        ty = ArrayType(ty)
    assert decode_type(encode_type(ty))[0] == ty
    with pytest.raises(DecodeError, match="nested too deep"):
        decode_type(encode_type(ArrayType(ty)))
