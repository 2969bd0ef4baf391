"""BSATN of values: the first byte picks a type, the rest is a value of it."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.sats.algebraic import (
    BYTES,
    IDENTITY,
    SCHEDULE_AT,
    TIMESTAMP,
    UNIT,
    UUID,
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
    result,
)
from spacetime_proto.sats.bsatn import decode
from spacetime_proto.sats.compile import TypeContext

_PRIMITIVES = ("Bool", "U8", "I16", "U32", "I64", "U128", "I256", "F32", "F64", "String")


def _product(*types: AlgebraicType) -> ProductType:
    return ProductType(tuple(Element(f"f{number}", ty) for number, ty in enumerate(types)))


def _sum(*types: AlgebraicType) -> SumType:
    return SumType(tuple(Variant(f"V{number}", ty) for number, ty in enumerate(types)))


_STRING = Primitive("String")
_TYPES: tuple[AlgebraicType, ...] = (
    _product(*map(Primitive, _PRIMITIVES)),
    # A tree, a list and a circle through a sum.
    _product(Primitive("U8"), ArrayType(RefType(1))),
    _product(_STRING, option(RefType(2))),
    _sum(UNIT, RefType(3), _product(RefType(3), RefType(2))),
    _sum(UNIT, UNIT, UNIT),
    ArrayType(UNIT),
    ArrayType(ArrayType(ArrayType(Primitive("Bool")))),
    ArrayType(_product(UNIT, UNIT)),
    option(option(option(_STRING))),
    result(BYTES, result(_STRING, UNIT)),
    _product(IDENTITY, TIMESTAMP, SCHEDULE_AT, UUID, BYTES),
    ArrayType(_product(_STRING, Primitive("U32"), _STRING)),
    ArrayType(_sum(_STRING, Primitive("F32"), _product())),
    ArrayType(Primitive("F32")),
    SumType(),
)
_CONTEXT = TypeContext(Typespace(_TYPES))


def check(data: bytes) -> None:
    """What decodes, decodes the same in both codecs and encodes to what encodes to itself."""
    if not data:
        return
    ty = RefType(data[0] % len(_TYPES))
    body = data[1:]
    codec = _CONTEXT.codec(ty)
    try:
        value = codec.decode_exact(body)
    except (DecodeError, LimitExceeded):
        value = None
        is_read = False
    else:
        is_read = True
    try:
        plain, end = decode(ty, _CONTEXT.shapes, _CONTEXT.layout, body)
    except (DecodeError, LimitExceeded):
        assert not is_read
        return
    assert is_read == (end == len(body))
    if is_read:
        again = codec.encode(value)
        assert codec.encode(plain) == again
        # A signalling NaN of 32 bits comes back quiet; nothing else changes.
        assert codec.encode(codec.decode_exact(again)) == again
        assert len(again) == len(body)
