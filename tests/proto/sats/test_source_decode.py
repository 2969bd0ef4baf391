"""Generated decoders, over every shape of type."""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.sats.algebraic import (
    BYTES,
    UNIT,
    ArrayType,
    RefType,
    SumType,
    Typespace,
    option,
)
from spacetime_proto.sats.bsatn import RAW_DECODE_ERRORS
from spacetime_proto.sats.compile import TypeContext
from tests.proto.sats.examples import (
    BIG,
    BOOL,
    EXAMPLES,
    F32,
    LIST,
    ROW,
    STRING,
    TYPES,
    U8,
    U32,
    U64,
    product,
)

CASES = [example[:3] for example in EXAMPLES]


@pytest.mark.parametrize(("ty", "value", "data"), CASES)
def test_golden_values(ty: Any, value: Any, data: bytes) -> None:
    """At any position; cut anywhere they are refused."""
    codec = TYPES.codec(ty)
    assert repr(codec.decode(b"??" + data + b"?", 2)) == repr((value, len(data) + 2))
    for end in range(len(data)):
        with pytest.raises(RAW_DECODE_ERRORS):
            codec.decode(data[:end], 0)


def test_all_in_one_row() -> None:
    """Fields follow each other without a seam."""
    codec = TYPES.codec(ROW)
    data = b"".join(example[2] for example in EXAMPLES)
    row = codec.decode_exact(data)
    found = [getattr(row, f"c{index}") for index in range(len(EXAMPLES))]
    assert repr(found) == repr([example[1] for example in EXAMPLES])


def source(ty: Any, *types: Any) -> str:
    """Return the source of a decoder."""
    codec = TypeContext(Typespace(types)).codec(ty)
    return "".join(linecache.getlines(codec.decode.__code__.co_filename))  # type: ignore[attr-defined]


def test_runs_are_fused() -> None:
    """Across nested products, with the length or tag that ends them."""
    text = source(product(U64, product(F32, U8), STRING, U32, U8))
    assert text.count("(data, pos)") == 2
    assert "pos += 17" in text
    assert source(product(U64, option(U8))).count("(data, pos)") == 1
    assert "data[pos]" in source(option(U8))


def test_the_end_is_tested_once_and_only_where_needed() -> None:
    """A run proves that its bytes are there; a string that comes last does not."""
    assert "length" not in source(product(STRING, U8))
    assert source(product(U8, STRING)).count("length") == 2
    assert source(product(STRING, BYTES)).count("if pos > length") == 1


@pytest.mark.parametrize(
    ("ty", "data"),
    [
        (BOOL, b"\2"),
        (ArrayType(BOOL), b"\2\0\0\0\1\2"),
        (option(U8), b"\2\0"),
        (SumType(), b"\0"),
        (BIG, b"\x0c"),
        (RefType(0), b"\2"),
        (RefType(1), b"\3"),
        (STRING, b"\1\0\0\0\xff"),
        (ArrayType(U64), b"\2\0\0\0" + bytes(15)),
        (ArrayType(STRING), b"\xff\0\0\0" + bytes(15)),
        (ArrayType(UNIT), b"\1\x40\0\0"),
        (RefType(3), b"\0\1" * 129 + b"\1"),
    ],
)
def test_damage(ty: Any, data: bytes) -> None:
    """What the reference refuses is refused."""
    with pytest.raises(RAW_DECODE_ERRORS):
        TYPES.codec(ty).decode(data, 0)
    with pytest.raises((DecodeError, LimitExceeded)):
        TYPES.codec(ty).decode_exact(data)


def test_elements_of_size_zero_that_are_no_scalars() -> None:
    """Structs of nothing, sums of recursion: counted, limited, built."""
    made = TypeContext(Typespace((product(UNIT), product(RefType(1)))))
    codec = made.codec(ArrayType(RefType(0)))
    assert codec.decode_exact(b"\2\0\0\0") == [made.classes[0](())] * 2
    endless = made.codec(ArrayType(RefType(1)))
    assert endless.decode_exact(bytes(4)) == []
    with pytest.raises(LimitExceeded, match="nested deeper"):
        endless.decode_exact(b"\1\0\0\0\0")


def test_elements_of_size_zero_are_one_object() -> None:
    """A few bytes cannot ask for many large objects."""
    wide = product(*[UNIT] * 400)
    codec = TYPES.codec(ArrayType(wide))
    values = codec.decode_exact(b"\0\x40\0\0")
    assert len(values) == 16_384
    assert len({id(value) for value in values}) == 1
    assert codec.decode_exact(codec.encode(values[:3])) == values[:3]


def test_types_apart() -> None:
    """Recursive, deep and large types are functions; the rest stands inline."""
    assert "depth)" in source(RefType(0), LIST, LIST, LIST, LIST).replace("depth=0)", "")
    assert source(RefType(0), product(U8)).count("def ") == 1
    deep: Any = STRING
    for _ in range(12):
        deep = ArrayType(deep)
    codec = TYPES.codec(deep)
    assert codec.decode_exact(codec.encode([[[[[[[[[[[["x"]]]]]]]]]]]])) == [
        [[[[[[[[[[["x"]]]]]]]]]]]
    ]
