"""Read and write the few BSATN types that message envelopes are made of.

Readers take the whole payload and a position and return the value and the next position; nothing is
sliced off to advance. They raise `DecodeError` with the offset of the damage and with the words
that a SpacetimeDB server puts into its close reason, so that the server role can send them on.
Writers append to one bytearray; what cannot be written surfaces as one of `RAW_ENCODE_ERRORS`.

No reader trusts a count: a loop that makes one value per step ends at the first missing byte, and
whatever is made for one wire byte counts against the row budget (`left`) of the payload.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NoReturn

from ..errors import DecodeError, EncodeError, LimitExceeded
from ..sats.rows import EMPTY_ROWS, RowList
from ..types import ConnectionId, Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "I64",
    "RAW_ENCODE_ERRORS",
    "U32",
    "U64",
    "RowBudgetSpent",
    "blob",
    "connection_id",
    "i64",
    "identity",
    "option_string",
    "option_u32",
    "over_budget",
    "put_blob",
    "put_option_string",
    "put_option_u32",
    "put_string",
    "put_strings",
    "row_list",
    "string",
    "strings",
    "too_short",
    "u8",
    "u32",
    "u64",
    "u128",
    "unencodable",
    "unknown_tag",
]

U32: Final = struct.Struct("<I")
U64: Final = struct.Struct("<Q")
I64: Final = struct.Struct("<q")

_FIXED_HEADER: Final = struct.Struct("<BHI").unpack_from
_EMPTY: Final = bytes.fromhex("010000000000000000")

#: What the writers raise for a value that does not fit its field.
RAW_ENCODE_ERRORS: Final = (struct.error, ValueError, AttributeError, TypeError)


def too_short(kind: str, needed: int, data: bytes, pos: int) -> NoReturn:
    """Raise the error for `needed` bytes of a `kind` that are not all there."""
    given = max(0, len(data) - pos)
    raise DecodeError(f"data too short for {kind}: Expected {needed}, given {given}", offset=pos)


def unknown_tag(tag: int, of: str, pos: int) -> NoReturn:
    """Raise the error for a sum tag that no variant has."""
    raise DecodeError(f"unknown tag {tag:#x} for sum type {of}", offset=pos)


class RowBudgetSpent(Exception):
    """Raised inside a decoder whose `left` fell below zero; `over_budget` makes it public."""


def over_budget(what: str, max_rows: int) -> LimitExceeded:
    """Return the error for a payload that holds more than `max_rows` rows or lists of rows."""
    return LimitExceeded(
        f"{what} holds more rows than a payload of its size may",
        limit="max_rows_per_message",
        maximum=max_rows,
    )


def u8(data: bytes, pos: int) -> tuple[int, int]:
    """Read one byte."""
    if pos >= len(data):
        too_short("u8", 1, data, pos)
    return data[pos], pos + 1


def u32(data: bytes, pos: int) -> tuple[int, int]:
    """Read an unsigned 32-bit integer."""
    end = pos + 4
    if end > len(data):
        too_short("u32", 4, data, pos)
    return int.from_bytes(data[pos:end], "little"), end


def u64(data: bytes, pos: int) -> tuple[int, int]:
    """Read an unsigned 64-bit integer."""
    end = pos + 8
    if end > len(data):
        too_short("u64", 8, data, pos)
    return int.from_bytes(data[pos:end], "little"), end


def i64(data: bytes, pos: int) -> tuple[int, int]:
    """Read a signed 64-bit integer."""
    end = pos + 8
    if end > len(data):
        too_short("i64", 8, data, pos)
    return int.from_bytes(data[pos:end], "little", signed=True), end


def u128(data: bytes, pos: int) -> tuple[int, int]:
    """Read an unsigned 128-bit integer."""
    end = pos + 16
    if end > len(data):
        too_short("u128", 16, data, pos)
    return int.from_bytes(data[pos:end], "little"), end


def blob(data: bytes, pos: int) -> tuple[bytes, int]:
    """Read a length-prefixed byte string."""
    length, pos = u32(data, pos)
    end = pos + length
    if end > len(data):
        too_short("[u8]", length, data, pos)
    return data[pos:end], end


def string(data: bytes, pos: int) -> tuple[str, int]:
    """Read a length-prefixed UTF-8 string."""
    raw, end = blob(data, pos)
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise DecodeError(
            f"invalid utf-8: {error.reason}", offset=end - len(raw) + error.start
        ) from error


def strings(data: bytes, pos: int, left: int) -> tuple[tuple[str, ...], int]:
    """Read an array of strings, at most `left`."""
    count, pos = u32(data, pos)
    texts: list[str] = []
    for _ in range(count):
        if len(texts) >= left:
            raise RowBudgetSpent
        text, pos = string(data, pos)
        texts.append(text)
    return tuple(texts), pos


def option_string(data: bytes, pos: int) -> tuple[str | None, int]:
    """Read an optional string."""
    return string(data, pos + 1) if _is_some(data, pos) else (None, pos + 1)


def option_u32(data: bytes, pos: int) -> tuple[int | None, int]:
    """Read an optional unsigned 32-bit integer."""
    return u32(data, pos + 1) if _is_some(data, pos) else (None, pos + 1)


def _is_some(data: bytes, pos: int) -> bool:
    """Read the tag of an option: 0 is some, 1 is none (docs/protocol.md section 1.1)."""
    tag, _ = u8(data, pos)
    if tag > 1:
        unknown_tag(tag, "Option", pos)
    return tag == 0


def identity(data: bytes, pos: int) -> tuple[Identity, int]:
    """Read an Identity: 32 bytes, least significant first."""
    end = pos + 32
    if end > len(data):
        too_short("u256", 32, data, pos)
    return Identity(data[pos:end][::-1]), end


def connection_id(data: bytes, pos: int) -> tuple[ConnectionId, int]:
    """Read a ConnectionId: 16 bytes, least significant first."""
    end = pos + 16
    if end > len(data):
        too_short("u128", 16, data, pos)
    return ConnectionId(data[pos:end][::-1]), end


def row_list(data: bytes, pos: int, left: int) -> tuple[RowList, int, int]:
    """Read a BsatnRowList (docs/protocol.md section 5) and charge its rows to the budget `left`.

    Returns:
        the rows, the next position, and what is left of the budget (never negative).

    Raises:
        DecodeError: as `RowList.decode`.
        RowBudgetSpent: the list has more than `left` rows. Nothing was made of them by then.
    """
    # This is `RowList.decode` with the two commonest lists written out: rows of one size, and the
    # empty list that accompanies every plain insert. No list is shorter than 7 bytes.
    if pos + 7 > len(data):
        too_short("row list", 7, data, pos)
    tag, size, length = _FIXED_HEADER(data, pos)
    if tag == 0:
        start = pos + 7
        end = start + length
        if size and end <= len(data) and not length % size:
            left -= length // size
            if left < 0:
                raise RowBudgetSpent
            return RowList(data, start, end, size), end, left
        left -= not size
        if left < 0:
            raise RowBudgetSpent
    elif tag == 1:
        if data[pos : pos + 9] == _EMPTY:
            return EMPTY_ROWS, pos + 9, left
        (count,) = U32.unpack_from(data, pos + 1)
        left -= count
        # A count beyond the end of the data is damage, not size: that is left to `decode`.
        if left < 0 and 8 * count <= len(data) - pos:
            raise RowBudgetSpent
    rows, pos = RowList.decode(data, pos)
    return rows, pos, left


def put_blob(out: bytearray, value: bytes) -> None:
    """Write a length-prefixed byte string."""
    out += U32.pack(len(value))
    out += value


def put_string(out: bytearray, value: str) -> None:
    """Write a length-prefixed UTF-8 string."""
    put_blob(out, value.encode())


def put_strings(out: bytearray, values: Sequence[str]) -> None:
    """Write an array of strings."""
    out += U32.pack(len(values))
    for value in values:
        put_blob(out, value.encode())


def put_option_string(out: bytearray, value: str | None) -> None:
    """Write an optional string."""
    if value is None:
        out.append(1)
    else:
        out.append(0)
        put_string(out, value)


def put_option_u32(out: bytearray, value: int | None) -> None:
    """Write an optional unsigned 32-bit integer."""
    out += b"\x01" if value is None else b"\x00" + U32.pack(value)


def unencodable(message: object, cause: BaseException) -> EncodeError:
    """Return the error for a message one of whose fields does not fit the wire."""
    error = EncodeError(f"a field does not fit the wire: {cause}", what=type(message).__name__)
    error.__cause__ = cause
    return error
