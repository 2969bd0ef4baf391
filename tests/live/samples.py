"""Values of every type: an ordinary one, the extremes, and what is easily got wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from spacetime_proto.sats.algebraic import INTEGER_BITS
from spacetime_proto.sats.shapes import (
    ArrayShape,
    BytesShape,
    EnumShape,
    OptionShape,
    PrimitiveShape,
    ProductShape,
    ResultShape,
    SpecialShape,
    SumShape,
)
from spacetime_proto.types import Err, Ok, ScheduleAt, Some

if TYPE_CHECKING:
    from spacetime_proto.sats.algebraic import AlgebraicType
    from spacetime_proto.sats.compile import TypeContext

__all__ = ["is_finite", "samples"]

TEXTS = ["plain", "", "äß→𝄞", "quote ' \" \\ /", "a\0b\n\t\x7f", "e\u0301 é ﬁ", "x" * 300]
#: NaN and infinities last: JSON cannot say them.
F64 = [0.1, 0.0, -0.0, 1.7976931348623157e308, 5e-324, math.inf, -math.inf, math.nan]
F32 = [1.5, 0.0, -0.0, 3.4028234663852886e38, 1.401298464324817e-45, math.inf, -math.inf, math.nan]


def samples(types: TypeContext, ty: AlgebraicType) -> list[Any]:
    """Return between one and a dozen different values of `ty`."""
    match types.shape(ty):
        case PrimitiveShape(name):
            return _primitive(name)
        case BytesShape():
            return [b"\x07", b"", bytes(range(256)), b"\xff" * 5000]
        case SpecialShape(_, special):
            numbers = _primitive(special.inner)
            cls: Any = special.cls
            return [cls.from_int(n) if special.is_hex else cls(n) for n in numbers]
        case ArrayShape(element):
            inner = samples(types, element)
            return [inner[:1], [], inner, inner[:2] * 20]
        case OptionShape(payload, is_nested):
            wrap = Some if is_nested else lambda value: value
            return [None, *(wrap(value) for value in samples(types, payload))]
        case ResultShape(ok, err):
            return [*map(Ok, samples(types, ok)), *map(Err, samples(types, err))]
        case EnumShape(_, members):
            return list(members)
        case SumShape(cls, variants):
            if cls is ScheduleAt:
                return [
                    variant.cls(value)
                    for variant in variants
                    for value in samples(types, variant.payload)
                ]
            return [
                variant.cls() if variant.is_unit else variant.cls(value)
                for variant in variants
                for value in samples(types, variant.payload)[:3]
            ]
        case shape:
            assert isinstance(shape, ProductShape)
            return _products(types, shape)


def _products(types: TypeContext, shape: ProductShape) -> list[Any]:
    """Return records: the first sample of each column together, the second of each, and so on."""
    columns = [samples(types, part) for part in shape.types]
    make: Any = shape.cls
    if make is None or not columns:
        return [() if make is None else make()]
    longest = max(map(len, columns))
    return [make(*(column[at % len(column)] for column in columns)) for at in range(longest)]


def _primitive(name: str) -> list[Any]:
    match name:
        case "Bool":
            return [True, False]
        case "String":
            return TEXTS
        case "F32":
            return F32
        case "F64":
            return F64
    bits = INTEGER_BITS[name]
    if name[0] == "U":
        return [7, 0, (1 << bits) - 1, 1 << bits - 1]
    return [7, 0, (1 << bits - 1) - 1, -1 << bits - 1, -1]


def is_finite(value: Any) -> bool:
    """Whether JSON can express a value: there is no NaN and no infinity anywhere in it."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return all(map(is_finite, value))
    fields = getattr(value, "__struct_fields__", ())
    return all(is_finite(getattr(value, name)) for name in fields)
