"""What one unpack can read."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    SCHEDULE_AT,
    TIMESTAMP,
    UNIT,
    ArrayType,
    Primitive,
    RefType,
    Typespace,
    option,
    result,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.fuse import Fused, Unpackers, check_lengths, frame, fuse
from spacetime_proto.types import ScheduleAt, TimeDuration, Timestamp
from tests.proto.sats.examples import BOOL, COLOR, F32, POINT, STRING, U8, U32, U64, product

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = TypeContext(Typespace((POINT, COLOR)), {0: "Point"})


def variables() -> Callable[[], str]:
    """Return a maker of names."""
    numbers = count(1)
    return lambda: f"v{next(numbers)}"


def fused(ty: Any, code: str = "?") -> Fused | None:
    """Fuse a type of fixed size."""
    return fuse(CONTEXT.program, ty, variables(), code)


def framed(ty: Any, code: str = "?") -> Fused | None:
    """Fuse a type with one string."""
    return frame(CONTEXT.program, ty, variables(), code)


@pytest.mark.parametrize(
    ("ty", "code", "size"),
    [
        (product(U64, F32, U8), "QfB", 13),
        (product(Primitive("I128"), Primitive("U128"), Primitive("U256")), "QqQQ32s", 64),
        (Primitive("I256"), "32s", 32),
        (product(IDENTITY, TIMESTAMP, SCHEDULE_AT), "32sqBq", 49),
        (product(RefType(0), COLOR, UNIT, BOOL), "BBB?", 4),
        (UNIT, "", 0),
    ],
)
def test_fixed_size(ty: Any, code: str, size: int) -> None:
    """Nested products are flattened into one run."""
    found = fused(ty)
    assert found is not None
    assert (found.code, found.size) == (code, size)
    assert len(found.variables) == len(found.layout)


@pytest.mark.parametrize(
    "ty",
    [
        STRING,
        option(U8),
        product(U8, STRING),
        ArrayType(U8),
        result(U8, U8),
        product(result(U8, U8)),
    ],
)
def test_not_of_one_layout(ty: Any) -> None:
    """Also a sum whose variants happen to have one size: its value depends on the tag."""
    assert fused(ty) is None


def test_expressions() -> None:
    """Values are made of the variables; a plain product is its class called with them."""
    assert (found := fused(product(U8, U64))) is not None
    assert found.names == "v1, v2,"
    assert found.maker is not None
    assert found.expression == f"{found.maker}(v1, v2)"
    assert (found := fused(U64)) is not None
    assert (found.expression, found.maker) == ("v1", None)
    assert (found := fused(UNIT)) is not None
    assert (found.expression, found.maker) == ("()", None)
    assert (found := fused(product(Primitive("U128")))) is not None
    assert found.maker is None
    assert (found := fused(BOOL)) is not None
    assert (found.expression, found.bools) == ("v1", [(0, "v1")])
    assert (found := fused(product(U8, BOOL), "B")) is not None
    assert found.expression.endswith("(v1, (v2 == 1))")
    assert found.bools == [(1, "v2")]


def test_schedules_have_one_layout() -> None:
    """Both variants are a tag and a number, so they are read together."""
    codec = CONTEXT.codec(SCHEDULE_AT)
    for schedule in (ScheduleAt.Interval(TimeDuration(1)), ScheduleAt.Time(Timestamp(2))):
        assert codec.decode_exact(codec.encode(schedule)) == schedule


def test_framed() -> None:
    """One string or bytes, at the top or in a nested product; its size follows from the whole."""
    assert (found := framed(product(U64, product(STRING, BOOL), F32))) is not None
    assert found.around() == ("QI", "?f")
    assert (found.size, found.length, found.length_offset) == (17, "v2", 8)
    assert found.bools == [(12, "v4")]
    assert ".decode()" in found.expression
    assert (found := framed(BYTES)) is not None
    assert found.expression == "v2"
    assert framed(product(COLOR, STRING)) is not None
    for other in (
        product(STRING, STRING),
        product(U8),
        product(option(STRING)),
        product(STRING, ArrayType(U64)),
    ):
        assert framed(other) is None


def test_large_types_are_left_alone() -> None:
    """Neither very wide nor very deep ones become one expression."""
    deep: Any = U8
    for _ in range(9):
        deep = product(deep)
    for ty in (product(*[U8] * 300), deep):
        assert fused(ty) is None
    assert framed(product(*[U8] * 300, STRING)) is None


def test_unpackers() -> None:
    """One struct per row size, and not for ever more of them."""
    made = Unpackers("unpack", "BI", "B", 6)
    assert made[8](b"\1\2\0\0\0ab\7") == (1, 2, b"ab", 7)
    assert made[8] is made[8]
    with pytest.raises(ValueError, match="shorter than its type"):
        made[5]
    for size in range(6, 2000):
        made[size]
        assert len(made) <= 512


def test_check_lengths() -> None:
    """All rows' lengths at once."""
    data = b"x\5\1\0\0y" * 3
    check_lengths(data, 1, len(data), 6, 261)
    with pytest.raises(ValueError, match="longer or shorter"):
        check_lengths(data, 1, len(data), 6, 5)
    for at in range(1, 5):
        damaged = bytearray(data)
        damaged[6 + at] ^= 2
        with pytest.raises(ValueError, match="longer or shorter"):
            check_lengths(bytes(damaged), 1, len(data), 6, 261)
    assert U32
