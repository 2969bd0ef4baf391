"""What messages mean, and that a protocol does not change it."""

from __future__ import annotations

import pytest

from spacetime_proto.cache.changes import TableChange
from spacetime_proto.client.dialects.dialect import Dialect
from spacetime_proto.client.dialects.dialect_v1 import V1Bsatn, V1Json
from spacetime_proto.client.dialects.dialect_v2 import V2, V3
from spacetime_proto.client.meaning import (
    CallCommitted,
    CallSent,
    Changed,
    Greeting,
    QuerySent,
    ReducerReply,
    RowChanged,
    SubscribeSent,
    UnsubscribeSent,
)
from spacetime_proto.limits import Limits
from spacetime_proto.sats.rows import RowList
from spacetime_proto.types import ConnectionId, Identity, Timestamp
from tests.support.golden import golden_module

BOUND = golden_module("quickstart-chat").bound
REDUCER = BOUND.reducers["set_name"]
PROCEDURE = golden_module("sdk-test-procedure").bound.procedures["will_panic"]

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


@pytest.mark.parametrize("dialect", [V1Bsatn, V1Json, V2, V3])
def test_what_is_sent_is_what_was_asked_for(dialect: type[Dialect]) -> None:
    made = dialect(BOUND, Limits())
    asked = {
        made.subscribe(1, 2, ["a", "b"]): SubscribeSent(1, 2, ("a", "b")),
        made.unsubscribe(3, 2): UnsubscribeSent(3, 2),
        made.query(4, "SELECT 1"): QuerySent(made.query_key(4), "SELECT 1"),
        made.call(5, REDUCER, ["Ada"]): CallSent(5, "reducer", "set_name"),
        made.call(6, PROCEDURE, []): CallSent(6, "procedure", "will_panic"),
    }
    if made.has_legacy_set:
        asked[made.subscribe_legacy(7, ["a"])] = SubscribeSent(7, None, ("a",))
    for payload, meaning in asked.items():
        assert list(made.decode_sent(payload)) == [meaning]
