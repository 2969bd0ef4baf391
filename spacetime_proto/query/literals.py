"""Literals of queries: which Python values a column is compared with, and how SQL writes them.

The rules are those of docs/protocol.md sections 10.1 and 10.2: the column's type decides what a literal
is, integers are checked against its range, and hexadecimal is for bytes and ids only.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

from ..errors import QueryError
from ..sats.algebraic import BYTES, INTEGER_BITS, Primitive, integer_range, special_name
from ..types import ConnectionId, Identity, Timestamp, Uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..sats.algebraic import AlgebraicType
    from .conditions import RelationColumn


class _Sender(Identity, frozen=True):
    """The type of `SENDER`."""

    def __repr__(self) -> str:
        return "SENDER"


#: Stands for the identity of the client that sends the query: ``:sender`` in SQL.
SENDER: Final[Identity] = _Sender(bytes(Identity.SIZE))


_COMPARABLE_SPECIALS: Final = frozenset(("Identity", "ConnectionId", "Timestamp", "Uuid"))


def kind_of(ty: AlgebraicType) -> str | None:
    """Return what the literals of a type are called here, None if SQL cannot compare it."""
    if isinstance(ty, Primitive):
        return ty.name
    if ty == BYTES:
        return "bytes"
    special = special_name(ty)
    return special if special in _COMPARABLE_SPECIALS else None


def argument_kind(ty: AlgebraicType) -> str | None:
    """Return as `kind_of` does, None if SQL cannot pass such an argument to a view."""
    kind = kind_of(ty)
    return None if kind in ("F32", "F64") else kind


def normalise(column: RelationColumn, value: Any) -> Any:
    """Return `value` as the rows of this column hold it.

    Raises:
        QueryError: the column cannot hold it, or SQL cannot write it.
    """
    kind = column.kind
    if kind is None:
        return value
    if kind in INTEGER_BITS:
        return _integer(column, kind, value)
    if kind in ("F32", "F64"):
        return _float(column, kind, value)
    convert, expected = _CONVERTERS[kind]
    converted = convert(value)
    if converted is None:
        raise _unfit(column, value, expected)
    return converted


def _unfit(column: RelationColumn, value: object, expected: str) -> QueryError:
    return QueryError(column.refusal(expected, _describe(value)))


def _describe(value: object) -> str:
    text = repr(value)
    return f"{text[:60]}... ({type(value).__name__})" if len(text) > 63 else text


def _integer(column: RelationColumn, kind: str, value: Any) -> int:
    low, high = integer_range(kind)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unfit(column, value, "an int")
    if not low <= value <= high:
        raise _unfit(column, value, f"an int from {low} to {high}")
    return int(value)


def _float(column: RelationColumn, kind: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _unfit(column, value, "a float")
    try:
        number = float(value)
        if kind == "F32":
            number = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        raise _unfit(column, value, f"a number in the range of {kind}") from None
    if not math.isfinite(number):
        raise _unfit(column, value, "a finite float, the only kind that SQL can write,")
    return number


def _timestamp(value: Any) -> Timestamp | None:
    import datetime

    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return Timestamp.from_datetime(value)
    return value if isinstance(value, Timestamp) and _in_calendar(value) else None


def _in_calendar(value: Timestamp) -> bool:
    try:
        value.to_datetime()
    except OverflowError:
        return False
    return True


def _uuid(value: Any) -> Uuid | None:
    import uuid

    if isinstance(value, uuid.UUID):
        return Uuid.from_uuid(value)
    return value if isinstance(value, Uuid) else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return None if any("\ud800" <= char <= "\udfff" for char in value) else str(value)


def _bytes(value: Any) -> Any:
    if value is SENDER:
        return value
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else None


def _only(cls: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, cls) else None


_CONVERTERS: Final[dict[str, tuple[Callable[[Any], Any], str]]] = {
    "Bool": (_only(bool), "a bool"),
    "String": (_text, "a str that UTF-8 can hold"),
    "bytes": (_bytes, "bytes"),
    "Identity": (_only(Identity), "an Identity"),
    "ConnectionId": (_only(ConnectionId), "a ConnectionId"),
    "Timestamp": (_timestamp, "a Timestamp (or datetime with time zone) in the years 1 to 9999"),
    "Uuid": (_uuid, "a Uuid"),
}


def literal_sql(kind: str, value: Any) -> str:
    """Write a value that `normalise` returned (docs/protocol.md sections 10.1 and 10.2)."""
    if value is SENDER:
        return ":sender"
    match kind:
        case "Bool":
            return "TRUE" if value else "FALSE"
        case "String":
            return "'" + str(value).replace("'", "''") + "'"
        case "F32" | "F64":
            # The server multiplies a positive exponent out, which can be a little off or infinite.
            # A number written with all its digits is read exactly.
            text = repr(value)
            return str(int(value)) if "e+" in text else text
        case "bytes":
            # A bare 0x is not a literal; an empty string stands for no hex digits.
            return f"0x{value.hex()}" if value else "''"
        case "Identity" | "ConnectionId":
            return f"0x{value.to_hex()}"
        case "Timestamp":
            return f"'{value.to_datetime().isoformat(timespec='microseconds')}'"
        case "Uuid":
            return f"'{value}'"
        case _:
            return str(value)
