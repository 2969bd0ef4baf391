"""Types as BSATN values, by the description that a module's own description is read with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacetime_proto.sats.algebraic import RefType
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.sats_json import from_json, to_json
from spacetime_proto.schema.raw_types import RAW_TYPES
from spacetime_proto.schema.reader import Reader, type_to_json

if TYPE_CHECKING:
    from spacetime_proto.sats.algebraic import AlgebraicType

__all__ = ["decode_type", "encode_type"]

_CONTEXT = TypeContext(RAW_TYPES)
_TYPE = RefType(0)


def encode_type(ty: AlgebraicType) -> bytes:
    """Return the encoding of a type."""
    return _CONTEXT.codec(_TYPE).encode(from_json(_TYPE, _CONTEXT, type_to_json(ty)))


def decode_type(data: bytes) -> tuple[AlgebraicType, int]:
    """Read the type that `data` begins with; return it and the position after it."""
    value, end = _CONTEXT.codec(_TYPE).decode_first(data)
    return Reader(to_json(_TYPE, _CONTEXT, value)).type(), end
