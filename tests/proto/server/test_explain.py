"""`explain`: the server's words for bytes that do not decode."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
)
from spacetime_proto.server.explain import explain

STRING = Primitive("String")
U32 = Primitive("U32")
PAIR = ProductType((Element("a", Primitive("U16")), Element("b", STRING)))
NESTED = Typespace((option(RefType(0)),))


@pytest.mark.parametrize(
    ("ty", "data", "words"),
    [
        (U32, "0000", "data too short for u32: Expected 4, given 2"),
        (Primitive("I128"), "00", "data too short for i128: Expected 16, given 1"),
        (Primitive("F32"), "", "data too short for u32: Expected 4, given 0"),
        (Primitive("F64"), "", "data too short for u64: Expected 8, given 0"),
        (IDENTITY, "00", "data too short for u256: Expected 32, given 1"),
        (Primitive("Bool"), "", "data too short for u8: Expected 1, given 0"),
        (Primitive("Bool"), "02", "byte 0x02 is not a valid bool"),
        (Primitive("Bool"), "01", None),
        (STRING, "000000", "data too short for u32: Expected 4, given 3"),
        (STRING, "0500000061", "data too short for [u8]: Expected 5, given 1"),
        (STRING, "01000000ff", "invalid utf8: invalid start byte"),
        (STRING, "0100000061", None),
        (BYTES, "0200000000", "data too short for [u8]: Expected 2, given 1"),
        (PAIR, "0000", "data too short for u32: Expected 4, given 0"),
        (PAIR, "000000000000", None),
        (PAIR, "000000000000ff", None),
        (ArrayType(U32), "0200000001000000", "data too short for u32: Expected 4, given 0"),
        (ArrayType(U32), "0100000001000000", None),
        (ArrayType(UNIT), "ffffffff", None),
        (ArrayType(U32), "01", "data too short for u32: Expected 4, given 1"),
        (option(U32), "02", "unknown tag 0x2 for sum type <unknown>"),
        (option(U32), "00", "data too short for u32: Expected 4, given 0"),
        (option(U32), "01", None),
        (SumType(()), "00", "unknown tag 0x0 for sum type <unknown>"),
        (SumType((Variant("a", UNIT),)), "00", None),
    ],
)
def test_words(ty: Any, data: str, words: str | None) -> None:
    assert explain(ty, Typespace(), bytes.fromhex(data)) == words


def test_recursion_ends() -> None:
    assert explain(RefType(0), NESTED, b"\0" * 100_000) == "the value nests too deep"
    assert explain(RefType(0), NESTED, b"\0\0\1") is None
