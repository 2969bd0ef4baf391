"""`RowList`: the rows of one table as they came, still encoded (docs/protocol.md section 5).

A row list is a window into a message: rows are not copied out of the payload until they are needed.
``FixedSize`` or ``RowOffsets`` is the sender's choice for this one list and says nothing about the
table (strings of equal length give ``FixedSize`` too).
"""

from __future__ import annotations

from itertools import pairwise
from operator import le
from struct import Struct, error, pack, unpack_from
from typing import TYPE_CHECKING, Final, cast

import msgspec

from ..errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

_U32: Final = Struct("<I")
_FIXED_HEADER: Final = Struct("<BHI")
_MAX_FIXED_SIZE: Final = 0xFFFF
_ONE_OFFSET: Final = (0,)


class RowList(msgspec.Struct, frozen=True, gc=False):
    """Encoded rows in ``data[start:end]``, one after the other.

    Made by `decode` or `from_rows`, which guarantee: with `row_size` the length is a multiple of
    it; with offsets the first is 0, they ascend, and none lies beyond the end.
    """

    data: bytes
    """The whole message; not copied."""
    start: int
    """Position in `data` of the first row."""
    end: int
    """Position in `data` after the last row."""
    row_size: int = 0
    """Bytes per row, or 0 when `offsets` says where the rows are."""
    offsets: tuple[int, ...] = ()
    """Where each row starts, relative to `start`; empty when `row_size` is set."""

    def __len__(self) -> int:
        size = self.row_size
        return (self.end - self.start) // size if size else len(self.offsets)

    def ends(self) -> Sequence[int]:
        """Return the position in `data` after each row; a row starts where the one before ends."""
        size = self.row_size
        if size:
            return range(self.start + size, self.end + 1, size)
        offsets = self.offsets
        if len(offsets) == 1:
            return (self.end,)
        start = self.start
        ends = [start + offset for offset in offsets]
        if ends:
            del ends[0]
            ends.append(self.end)
        return ends

    def bounds(self) -> list[tuple[int, int]]:
        """Return (start, end) of each row, as positions in `data`."""
        size = self.row_size
        if size:
            return [(at, at + size) for at in range(self.start, self.end, size)]
        if not self.offsets:
            return []
        return list(pairwise((self.start, *self.ends())))

    def slices(self) -> list[bytes]:
        """Return a copy of each row's bytes."""
        data = self.data
        size = self.row_size
        if size:
            if self.end - self.start == size:
                return [data[self.start : self.end]]
            # Copies each row once, in a loop in C; slicing the memoryview itself copies nothing.
            window = memoryview(data)[self.start : self.end]
            return [row for (row,) in Struct(f"{size}s").iter_unpack(window)]
        rows = []
        at = self.start
        for end in self.ends():
            rows.append(data[at:end])
            at = end
        return rows

    @classmethod
    def from_rows(cls, rows: Sequence[bytes]) -> RowList:
        """Make a list of encoded rows, choosing the hint as the server does.

        ``FixedSize`` when all rows have one length between 1 and 65,535; offsets otherwise.
        """
        if not rows:
            return EMPTY_ROWS
        data = b"".join(rows)
        size = len(rows[0])
        if 0 < size <= _MAX_FIXED_SIZE and all(len(row) == size for row in rows):
            return cls(data, 0, len(data), size)
        offsets = []
        at = 0
        for row in rows:
            offsets.append(at)
            at += len(row)
        return cls(data, 0, at, 0, tuple(offsets))

    @classmethod
    def decode(cls, data: bytes, pos: int) -> tuple[RowList, int]:
        """Read a ``BsatnRowList`` at `pos`; return it and the position after it.

        Raises:
            DecodeError: it is cut short, has an unknown hint, or its hint does not fit its data.
        """
        try:
            tag = data[pos]
            if tag == 0:
                _, row_size, length = _FIXED_HEADER.unpack_from(data, pos)
                start = pos + 7
                end = start + length
                if length % row_size if row_size else length:
                    raise DecodeError(
                        f"{length} bytes of rows do not divide into rows of {row_size} bytes",
                        what="row list",
                        offset=pos,
                    )
                # A row size of 0 is how a 1.x server writes rows without bytes (docs/protocol.md
                # section 15). It never writes an empty list like this, and a table is a set: there
                # is exactly one row.
                offsets: tuple[int, ...] = () if row_size else _ONE_OFFSET
            elif tag == 1:
                (count,) = _U32.unpack_from(data, pos + 1)
                start = pos + 5 + 8 * count
                (length,) = _U32.unpack_from(data, start)
                # The length behind the offsets could be read, so all of them are present: a false
                # count cannot make `unpack_from` allocate more than the message can hold.
                offsets = cast("tuple[int, ...]", unpack_from(f"<{count}Q", data, pos + 5))
                start += 4
                end = start + length
                row_size = 0
                _check_offsets(offsets, length, pos)
            else:
                raise DecodeError(f"unknown row size hint {tag}", what="row list", offset=pos)
        except (error, IndexError) as cut:
            raise DecodeError("cut short", what="row list", offset=pos) from cut
        if end > len(data):
            raise DecodeError(
                f"{length} bytes announced, {len(data) - start} present",
                what="row list",
                offset=start,
            )
        return cls(data, start, end, row_size, offsets), end

    def encode_into(self, out: bytearray) -> None:
        """Append the ``BsatnRowList`` encoding to `out`."""
        length = self.end - self.start
        if self.row_size:
            out += _FIXED_HEADER.pack(0, self.row_size, length)
        else:
            count = len(self.offsets)
            out += pack(f"<BI{count}QI", 1, count, *self.offsets, length)
        out += memoryview(self.data)[self.start : self.end]


def _check_offsets(offsets: tuple[int, ...], length: int, pos: int) -> None:
    if offsets == _ONE_OFFSET or (not offsets and not length):
        return
    if not offsets:
        raise DecodeError(f"{length} bytes of rows, but no row", what="row list", offset=pos)
    # `map` compares each offset with the next in C; its shorter argument ends it.
    if offsets[0] or offsets[-1] > length or not all(map(le, offsets, offsets[1:])):
        raise DecodeError(
            f"the row offsets do not ascend from 0 to {length}", what="row list", offset=pos
        )


EMPTY_ROWS: Final = RowList(b"", 0, 0)
"""The list without rows."""
