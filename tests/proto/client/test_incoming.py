"""What server messages mean: the short forms say the same as the long ones."""

from __future__ import annotations

import pytest

from spacetime_proto.cache.changes import TableChange
from spacetime_proto.client.incoming import (
    CallCommitted,
    Changed,
    Greeting,
    ReducerReply,
    RowChanged,
)
from spacetime_proto.sats.rows import RowList
from spacetime_proto.types import ConnectionId, Identity, Timestamp

TOKEN = "eyJhbGciOiJub25l.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


def test_a_greeting_does_not_show_its_token() -> None:
    greeting = Greeting(Identity(bytes(32)), ConnectionId(bytes(16)), TOKEN)
    assert greeting.token == TOKEN
    assert "eyJ" not in repr(greeting)
    assert repr(greeting.identity) in repr(greeting)


def row_list(*rows: bytes) -> bytes:
    out = bytearray()
    RowList.from_rows(list(rows)).encode_into(out)
    return bytes(out)


@pytest.mark.parametrize("new", [None, b"new row"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_short_change_lists_the_rows_where_they_are(new: bytes | None, old: bytes | None) -> None:
    inserts = row_list(*([] if new is None else [new]))
    deletes = row_list(*([] if old is None else [old]))
    data = b"what stands before" + inserts + deletes
    end = len(data)
    data += b"what follows"
    change = RowChanged(7, "user", new, old, data, end, 6).change()
    assert isinstance(change, TableChange)
    assert (change.query_set, change.table, change.events) == (7, "user", None)
    assert change.inserts is not None
    assert change.deletes is not None
    assert change.inserts.slices() == ([] if new is None else [new])
    assert change.deletes.slices() == ([] if old is None else [old])
    for rows in (change.inserts, change.deletes):
        assert len(rows) == 0 or rows.data is data


def test_a_short_answer_is_an_answer() -> None:
    assert CallCommitted(3, 1_000, 14).reply() == ReducerReply(3, "committed", Timestamp(1_000), [])
    assert CallCommitted.cost == 1


def test_a_change_of_somebody_else_has_no_reducer() -> None:
    assert Changed([]).reducer is None
