"""Functions that generated readers of messages call: errors of damaged data, and row lists.

The texts of the errors are those of a SpacetimeDB server, so that the server role can send them as
close reasons.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NoReturn

from ..errors import DecodeError, LimitExceeded
from ..sats.rows import EMPTY_ROWS, RowList
from .compression import BROTLI, GZIP, inflate

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from ..limits import Limits

#: ``(data, pos, left, compressed) -> (value, position after it, what is left of the row budget)``.
Read: TypeAlias = "Callable[[bytes, int, int, CompressedUpdates | None], tuple[Any, int, int]]"

_U32: Final = struct.Struct("<I").unpack_from
_FIXED_HEADER: Final = struct.Struct("<BHI").unpack_from
_EMPTY: Final = bytes.fromhex("010000000000000000")


def too_short(kind: str, needed: int, data: bytes, pos: int) -> NoReturn:
    """Raise the error for a `kind` that needs more bytes than are left."""
    given = max(0, len(data) - pos)
    raise DecodeError(f"data too short for {kind}: Expected {needed}, given {given}", offset=pos)


def cut_short(data: bytes, pos: int, parts: tuple[tuple[str, int], ...]) -> NoReturn:
    """Raise the error for the first of `parts` (name and size of each) that is cut short."""
    for kind, size in parts:
        if pos + size > len(data):
            too_short(kind, size, data, pos)
        pos += size
    raise AssertionError("all parts are there")


def unknown_tag(tag: int, of: str, pos: int) -> NoReturn:
    """Raise the error for a sum tag that no variant has."""
    raise DecodeError(f"unknown tag {tag:#x} for sum type {of}", offset=pos)


def invalid_text(error: UnicodeDecodeError, pos: int) -> NoReturn:
    """Raise the error for a string at `pos` that is not UTF-8."""
    raise DecodeError(f"invalid utf-8: {error.reason}", offset=pos + error.start) from error


def in_table(error: DecodeError, table: str) -> DecodeError:
    """Return the error with `table` named in it."""
    return error.within(f"table {table!r}") if table else error


class RowBudgetSpent(Exception):
    """Raised by a reader whose `left` fell below zero; `over_budget` makes it public.

    Its text is the name of the message, once that is known.
    """


def over_budget(what: str, max_rows: int) -> LimitExceeded:
    """Return the error for a payload that holds more than `max_rows` rows or lists of rows."""
    return LimitExceeded(
        f"{what} holds more rows than a payload of its size may",
        limit="max_rows_per_message",
        maximum=max_rows,
    )


def row_list(data: bytes, pos: int, left: int) -> tuple[RowList, int, int]:
    """Read a BsatnRowList (docs/protocol.md section 5) and charge its rows to the budget `left`.

    Returns:
        the rows, the next position, and what is left of the budget (never negative).

    Raises:
        DecodeError: as `RowList.decode`.
        RowBudgetSpent: the list has more than `left` rows; none of them was read.
    """
    # Called for every list, so the two commonest ones are written out to save the time of
    # `RowList.decode`: rows of one size, and the empty list beside every plain insert. All others,
    # damaged ones included, go to `RowList.decode`, so the errors come from one place. No list is
    # shorter than 7 bytes.
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
        (count,) = _U32(data, pos + 1)
        left -= count
        # If the data cannot hold that many offsets, it is damaged: `decode` raises that error.
        if left < 0 and 8 * count <= len(data) - pos:
            raise RowBudgetSpent
    rows, pos = RowList.decode(data, pos)
    return rows, pos, left


class CompressedUpdates:
    """Opens the query updates of one v1 message that are compressed on their own.

    Together they may become as large as one payload. With a bound for each, many tiny updates could
    become much larger: `Limits` grant even the smallest body a minimum.
    """

    def __init__(self, limits: Limits, wire_size: int) -> None:
        self._limits = limits
        self._max_bytes = self._bytes_left = limits.decompressed_for(wire_size)

    def read(self, tag: int, data: bytes, pos: int, left: int, read: Read) -> tuple[Any, int, int]:
        """Open the update whose `tag` was read before `pos`, and `read` what it holds.

        Raises:
            DecodeError: an unknown tag, or damage, within the update too.
            LimitExceeded: the updates of this message become too large.
        """
        if tag not in (BROTLI, GZIP):
            unknown_tag(tag, "CompressableQueryUpdate", pos - 1)
        if pos + 4 > len(data):
            too_short("u32", 4, data, pos)
        (length,) = _U32(data, pos)
        pos += 4
        end = pos + length
        if end > len(data):
            too_short("[u8]", length, data, pos)
        inner = inflate(data[pos:end], tag, self._limits)
        self._bytes_left -= len(inner)
        if self._bytes_left < 0:
            raise LimitExceeded(
                f"the compressed updates of a message become more than {self._max_bytes:,} bytes",
                limit="decompression_ratio",
                maximum=self._limits.decompression_ratio,
            )
        value, at, left = read(inner, 0, left, self)
        if at != len(inner):
            raise DecodeError(f"{len(inner) - at} bytes after the update", what="compressed update")
        return value, end, left
