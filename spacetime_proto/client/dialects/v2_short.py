"""The short reader: the two commonest messages of v2 and v3, each read in one step.

They are a transaction that changed one row, and a call that succeeded. One-row transactions are
most of what a busy client receives, and the general reader makes nine objects of each before the
cache sees the row. The short reader makes one:

* All one-row transactions of a table in a query set have the same bytes before their rows, the
  "head". It is parsed once; afterwards a dict finds set and table by these bytes.
* A list of one row is a header of 7 bytes and the row, so the row is cut out without a `RowList`.

This is right because nothing is guessed: every byte is compared or read, and a message of any other
shape, or a damaged one, gives None. The general reader then reads it from its start, and raises the
error if there is one. What both can read, both must read alike: `RowChanged.change` and
`CallCommitted.reply` convert to the general form. Together with the short paths behind it
(`Updates.on_row_changed`, `Calls.on_call_committed`, `Callbacks.only_call`) this halved the CPU of
one-row updates (benchmarks/TRIED.md).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ..meaning import CallCommitted, RowChanged

if TYPE_CHECKING:
    from typing import TypeAlias

#: (query set, table) by the bytes of a TransactionUpdate between its tag and its rows.
Heads: TypeAlias = "dict[bytes, tuple[int, str]]"

#: Bound on the heads that are kept, so that a server cannot fill the memory with them. Further ones
#: are left to the general reader.
_MAX_HEADS: Final = 4096

#: Tags of the two messages.
_TRANSACTION_UPDATE: Final = b"\x04"
_REDUCER_RESULT: Final = b"\x06"

# A head: number of query sets, id of the first, number of its tables, length of the table's name;
# the name; number of fragments (1) and tag of the first (0, PersistentRows).
_BEFORE_NAME: Final = struct.Struct("<IIII")
_BEFORE_SIZE: Final = _BEFORE_NAME.size
_AFTER_NAME: Final = b"\x01\x00\x00\x00\x00"
_NAME_LENGTH: Final = _BEFORE_SIZE - 4
_HEAD: Final = _BEFORE_SIZE + len(_AFTER_NAME)

_ROWS: Final = struct.Struct("<BHI").unpack_from
_ROWS_SIZE: Final = 7
_NO_ROWS: Final = b"\x01" + bytes(8)
_NO_ROWS_SIZE: Final = len(_NO_ROWS)

#: What a message costs of its payload's budget of rows. The general reader counts the same: one for
#: the message, the query set, the table and the fragment, and one for each row.
_COST: Final = 4
MAX_COST: Final = _COST + 2

_RESULT: Final = struct.Struct("<IqB").unpack_from
_RESULT_SIZE: Final = 13
_OK, _OK_EMPTY = 0, 1
_NOTHING: Final = bytes(8)


def read_short(data: bytes, pos: int, heads: Heads) -> RowChanged | CallCommitted | None:
    """Read the message at `pos` if it is one of the two.

    They are a TransactionUpdate that inserts a row, deletes one, or both, in one table of one set; and
    a ReducerResult of a reducer that returned nothing and changed none of this client's rows.

    Args:
        data: the payload.
        pos: where the message starts.
        heads: the heads known so far; new ones are added.

    Returns:
        the message, whose `end` is the position after it; None if it is anything else.
    """
    tag = data[pos : pos + 1]
    pos += 1
    if tag == _REDUCER_RESULT:
        return _call_committed(data, pos)
    if tag != _TRANSACTION_UPDATE:
        return None
    try:
        # Only the lowest byte of the length: a name of 256 bytes or more gives a head that is too
        # short for its length, and such heads are never learnt.
        at = pos + _HEAD + data[pos + _NAME_LENGTH]
        head = data[pos:at]
        known = heads.get(head) or _learn(head, heads)
        if known is None:
            return None
        cost = _COST
        # Inserts, then deletes. Kind 0 is FixedSize(size): one row if the data has that length.
        # Written out twice, because each function call would add a tenth to the time of this one.
        kind, size, length = _ROWS(data, at)
        if size == length and not kind and size:
            start = at + _ROWS_SIZE
            at = start + size
            new = data[start:at]
            cost += 1
        elif data[at : at + _NO_ROWS_SIZE] == _NO_ROWS:
            at += _NO_ROWS_SIZE
            new = None
        else:
            return None
        kind, size, length = _ROWS(data, at)
        if size == length and not kind and size:
            start = at + _ROWS_SIZE
            at = start + size
            old = data[start:at]
            cost += 1
        elif data[at : at + _NO_ROWS_SIZE] == _NO_ROWS:
            at += _NO_ROWS_SIZE
            old = None
        else:
            return None
    except (IndexError, struct.error):
        return None
    if at > len(data):  # the last slice is shorter than it should be
        return None
    return RowChanged(known[0], known[1], new, old, data, at, cost)


def _learn(head: bytes, heads: Heads) -> tuple[int, str] | None:
    """Read the bytes before the rows; None if there is more than one fragment, or damage."""
    if len(head) < _HEAD or len(heads) >= _MAX_HEADS:
        return None
    set_count, query_set, table_count, length = _BEFORE_NAME.unpack_from(head)
    name = head[_BEFORE_SIZE : -len(_AFTER_NAME)]
    if set_count != 1 or table_count != 1 or length != len(name):
        return None
    if not head.endswith(_AFTER_NAME):
        return None
    try:
        table = name.decode()
    except UnicodeDecodeError:
        return None
    known = heads[head] = (query_set, table)
    return known


def _call_committed(data: bytes, pos: int) -> CallCommitted | None:
    """Read a ReducerResult whose tag ends at `pos`."""
    at = pos + _RESULT_SIZE
    if at > len(data):
        return None
    request_id, micros, outcome = _RESULT(data, pos)
    if outcome == _OK_EMPTY:
        return CallCommitted(request_id, micros, at)
    if outcome == _OK and data[at : at + 8] == _NOTHING:
        return CallCommitted(request_id, micros, at + 8)
    return None
