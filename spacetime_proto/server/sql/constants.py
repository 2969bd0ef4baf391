"""Literals -> column values; the column's type decides (docs/protocol.md section 10.2)."""

from __future__ import annotations

import datetime
import re
import struct
from decimal import Decimal
from typing import Any, Final

from ... import types
from ...errors import QueryError
from ...sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    INTEGER_BITS,
    TIMESTAMP,
    UUID,
    AlgebraicType,
    ArrayType,
    Primitive,
    ProductType,
    SumType,
    integer_range,
)
from .ast import Parameter, SqlConstant

_SPECIAL: Final = (IDENTITY, CONNECTION_ID, TIMESTAMP, UUID)
_INTEGER_DIGITS: Final = 80
"""More than any 256-bit integer has; keeps ``1e999999999`` from being written out."""
_HEX: Final = re.compile(r"(?:0x)?([0-9A-Fa-f]*)")
_ZONED: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE
)


def is_comparable(ty: AlgebraicType) -> bool:
    """Say whether columns of this type may be compared at all."""
    return isinstance(ty, Primitive) or ty == BYTES or ty in _SPECIAL


def column_value(
    literal: SqlConstant | Parameter, ty: AlgebraicType, sender: types.Identity
) -> Any:
    """Return the value of a literal or of ``:sender``; errors as the two functions below."""
    if isinstance(literal, Parameter):
        return parameter_value(literal, ty, sender)
    return literal_value(literal, ty)


def literal_value(literal: SqlConstant, ty: AlgebraicType) -> Any:
    """Return the value of a literal that meets a column of type `ty`.

    Raises:
        QueryError: the literal cannot be of that type.
    """
    is_bool = ty == Primitive("Bool")
    if literal.kind == "bool":
        if is_bool:
            return literal.text == "true"
        raise unexpected_type(Primitive("Bool"), ty)
    try:
        value = None if is_bool else _parse(literal, ty)
    except (ValueError, OverflowError, ArithmeticError):
        value = None
    if value is None:
        raise QueryError(
            f"The literal expression `{literal.text}` cannot be parsed as type `{type_text(ty)}`"
        )
    return value


def parameter_value(parameter: Parameter, ty: AlgebraicType, sender: types.Identity) -> Any:
    """Return the value of ``:sender`` for a column of type `ty`: Identity, or its bytes.

    Raises:
        QueryError: another parameter, or a column of another type.
    """
    if parameter.name != "sender":
        raise QueryError(f"Unsupported parameter: :{parameter.name}")
    if ty == IDENTITY:
        return sender
    if ty == BYTES:
        return sender.data
    raise unexpected_type(IDENTITY, ty)


def unexpected_type(expected: AlgebraicType, inferred: AlgebraicType) -> QueryError:
    """Return the server's error for a type that does not fit."""
    return QueryError(
        f"Unexpected type: (expected) {type_text(expected)} != {type_text(inferred)} (inferred)"
    )


def type_text(ty: AlgebraicType) -> str:
    """Return a type as the server writes it in errors."""
    match ty:
        case Primitive(name):
            return name
        case ArrayType(element):
            return f"Array<{type_text(element)}>"
        case ProductType(elements):
            return f"({', '.join(f'{e.name}: {type_text(e.type)}' for e in elements)})"
        case SumType(variants):
            return f"({' | '.join(f'{v.name}: {type_text(v.type)}' for v in variants)})"
        case _:
            return f"&{ty.index}"


def _parse(literal: SqlConstant, ty: AlgebraicType) -> Any:
    """Return the value, or None or an error where the literal does not fit."""
    text = literal.text
    if isinstance(ty, Primitive):
        if ty.name == "String":
            return text if literal.kind == "string" else None
        if ty.name in INTEGER_BITS:
            return _integer(text, ty.name)
        return None if literal.kind == "hex" else _float(text, ty.name)
    if literal.kind == "number":
        return None
    if ty == TIMESTAMP:
        if literal.kind != "string" or not _ZONED.fullmatch(text):
            return None
        moment = datetime.datetime.fromisoformat(text.upper())
        return types.Timestamp.from_datetime(moment)
    if ty == UUID and literal.kind == "string":
        return types.Uuid.from_string(text)
    match = _HEX.fullmatch(text)
    if match is None:
        return None
    digits = match.group(1)
    if ty == BYTES:
        return bytes.fromhex(digits)
    return _ID_CLASSES[ty].from_hex(digits)


_ID_CLASSES: Final[dict[AlgebraicType, type[types.Identity | types.ConnectionId | types.Uuid]]] = {
    IDENTITY: types.Identity,
    CONNECTION_ID: types.ConnectionId,
    UUID: types.Uuid,
}


def _integer(text: str, name: str) -> int | None:
    # Hex digits of an integer are read as decimal ones, as the server does (0x10 is ten).
    number = Decimal(text)
    if not number.is_finite() or number.adjusted() > _INTEGER_DIGITS or number != int(number):
        return None
    value = int(number)
    low, high = integer_range(name)
    return value if low <= value <= high else None


def _float(text: str, name: str) -> float | None:
    value = float(text)
    if value != value:
        return None
    if name == "F64":
        return value
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded
