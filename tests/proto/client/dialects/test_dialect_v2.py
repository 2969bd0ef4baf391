"""What the messages of v2 and v3 mean, alone and several to a payload."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from spacetime_proto.client import meaning as inc
from spacetime_proto.client.dialects.dialect_v2 import V2, V3
from spacetime_proto.client.dialects.v2_short import Heads, read_short
from spacetime_proto.errors import DecodeError, LimitExceeded, ProtocolError
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v2
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from tests.support.golden import golden_module
from tests.support.payloads import compress
from tests.support.script import CONNECTION_ID, IDENTITY, NO_TIME, NOW, TOKEN

CHAT = golden_module("quickstart-chat").bound
PROCEDURES = golden_module("sdk-test-procedure").bound
ROWS = RowList.from_rows([b"a", b"b"])
ONE = RowList.from_rows([b"row"])
TABLES = (v2.SingleTableRows("user", ROWS),)


def payload(*messages: Any) -> bytes:
    return compress(b"".join(map(v2.encode_server, messages)))


def is_short(dialect: V2, data: bytes) -> bool:
    """Whether the payload is read at once, as one message of the commonest."""
    return isinstance(dialect.decode(data), tuple)


def meaning(message: Any) -> Any:
    """Return what a message means, which is the same on both protocols."""
    data = payload(message)
    (alone,) = V2(CHAT, Limits()).decode(data)
    (batched,) = V3(CHAT, Limits()).decode(data)
    assert type(alone) is type(batched)
    return alone


def update(*fragments: v2.PersistentRows | v2.EventRows) -> v2.TransactionUpdate:
    return v2.TransactionUpdate((v2.QuerySetUpdate(9, (v2.TableUpdate("user", fragments),)),))


SHORT_UPDATE = update(v2.PersistentRows(ONE, EMPTY_ROWS))
SHORT_RESULT = v2.ReducerResult(5, NOW, v2.ReducerOkEmpty())


def test_greetings_and_sets() -> None:
    greeting = v2.InitialConnection(IDENTITY, CONNECTION_ID, TOKEN)
    assert meaning(greeting) == inc.Greeting(IDENTITY, CONNECTION_ID, TOKEN)
    applied = meaning(v2.SubscribeAppliedMessage(1, 9, TABLES))
    assert isinstance(applied, inc.Applied)
    assert (applied.request_id, applied.set_id) == (1, 9)
    (change,) = applied.changes
    assert (change.query_set, change.table, change.deletes) == (9, "user", None)
    assert change.inserts is not None
    assert change.inserts.slices() == [b"a", b"b"]
    assert meaning(v2.UnsubscribeAppliedMessage(2, 9, TABLES)) == inc.Unapplied(2, 9, None)
    assert meaning(v2.SubscriptionErrorMessage(None, 9, "no")) == inc.Refused(None, 9, "no")


def test_a_transaction_has_rows_and_events() -> None:
    found = meaning(update(v2.PersistentRows(ROWS, ONE), v2.EventRows(ONE)))
    assert isinstance(found, inc.Changed)
    rows, events = found.changes
    assert rows.inserts is not None
    assert rows.deletes is not None
    assert (rows.inserts.slices(), rows.deletes.slices()) == ([b"a", b"b"], [b"row"])
    assert (events.inserts, events.deletes) == (None, None)
    assert events.events is not None
    assert events.events.slices() == [b"row"]


@pytest.mark.parametrize(
    ("outcome", "reply"),
    [
        (v2.ReducerErr(b"no"), inc.ReducerReply(5, "failed", NOW, [], b"no")),
        (
            v2.ReducerInternalError("boom"),
            inc.ReducerReply(5, "internal_error", NOW, [], b"", "boom"),
        ),
        (
            v2.ReducerOk(b"value", v2.TransactionUpdate()),
            inc.ReducerReply(5, "committed", NOW, [], b"value"),
        ),
    ],
)
def test_outcomes_of_reducers(outcome: v2.ReducerOutcome, reply: inc.ReducerReply) -> None:
    assert meaning(v2.ReducerResult(5, NOW, outcome)) == reply


def test_a_compressed_answer_may_be_short_too() -> None:
    data = b"\x02" + gzip.compress(v2.encode_server(SHORT_RESULT))
    (found,) = V2(CHAT, Limits()).decode(data)
    assert isinstance(found, inc.CallCommitted)
    assert found.reply() == inc.ReducerReply(5, "committed", NOW, [])


def test_outcomes_of_procedures_and_queries() -> None:
    returned = v2.ProcedureResult(v2.ProcedureReturned(b"\x03\0\0\0"), NOW, NO_TIME, 4)
    found = meaning(returned)
    assert found == inc.ProcedureReply(4, b"\x03\0\0\0", None, NOW)
    function = PROCEDURES.procedures["return_primitive"]
    assert V2(PROCEDURES, Limits()).decode_return(function, found.value) == 3
    failed = v2.ProcedureResult(v2.ProcedureInternalError("boom"), NOW, NO_TIME, 4)
    assert meaning(failed) == inc.ProcedureReply(4, b"", "boom", NOW)
    (change,) = meaning(v2.OneOffQueryResult(6, TABLES)).changes
    assert (change.query_set, change.table) == (0, "user")
    assert meaning(v2.OneOffQueryResult(6, "no")) == inc.QueryReply(6, [], "no")


def test_the_commonest_messages_are_short() -> None:
    for dialect in (V2(CHAT, Limits()), V3(CHAT, Limits())):
        assert is_short(dialect, payload(SHORT_UPDATE))
        (change,) = dialect.decode(payload(SHORT_UPDATE))
        assert isinstance(change, inc.RowChanged)
        assert (change.query_set, change.table, change.new) == (9, "user", b"row")
        assert is_short(dialect, payload(SHORT_RESULT))
        (reply,) = dialect.decode(payload(SHORT_RESULT))
        assert isinstance(reply, inc.CallCommitted)


@pytest.mark.parametrize(
    "data",
    [
        payload(SHORT_UPDATE, SHORT_RESULT),
        payload(SHORT_RESULT, SHORT_UPDATE),
        payload(update(v2.PersistentRows(ROWS, EMPTY_ROWS))),
        payload(v2.ReducerResult(5, NOW, v2.ReducerErr(b""))),
        payload(v2.InitialConnection(IDENTITY, CONNECTION_ID, TOKEN)),
    ],
)
def test_other_payloads_are_not_short(data: bytes) -> None:
    assert not is_short(V2(CHAT, Limits()), data)
    assert not is_short(V3(CHAT, Limits()), data)


def test_the_short_reader_is_tried_once_for_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def counting(data: bytes, pos: int, heads: Heads) -> Any:
        tried.append(pos)
        return read_short(data, pos, heads)

    monkeypatch.setattr("spacetime_proto.client.dialects.dialect_v2.read_short", counting)
    refused = v2.SubscriptionErrorMessage(1, 9, "no")
    for messages in ((SHORT_UPDATE,), (refused,), (refused, SHORT_UPDATE), (SHORT_UPDATE, refused)):
        tried.clear()
        assert len(list(V3(CHAT, Limits()).decode(payload(*messages)))) == len(messages)
        assert len(tried) == len(set(tried)) == len(messages)


def test_short_messages_count_against_the_budget_of_rows() -> None:
    dialect = V3(CHAT, Limits(max_rows_per_message=5))
    assert not is_short(dialect, payload(SHORT_UPDATE))
    assert len(list(dialect.decode(payload(SHORT_UPDATE)))) == 1
    with pytest.raises(LimitExceeded):
        list(dialect.decode(payload(*[SHORT_UPDATE] * 3)))


def test_v3_reads_all_messages_of_a_payload_in_order() -> None:
    data = payload(SHORT_UPDATE, v2.SubscriptionErrorMessage(1, 9, "no"), SHORT_RESULT)
    assert [type(one) for one in V3(CHAT, Limits()).decode(data)] == [
        inc.RowChanged,
        inc.Refused,
        inc.CallCommitted,
    ]
    with pytest.raises(DecodeError):
        list(V2(CHAT, Limits()).decode(data))


def test_v3_puts_what_is_sent_into_one_payload() -> None:
    sent: list[bytes | str] = [v2.encode_client(v2.OneOffQuery(n, "q")) for n in range(3)]
    assert V3(CHAT, Limits()).batch(list(sent)) == [b"".join(map(bytes, sent))]  # type: ignore[arg-type]
    assert V2(CHAT, Limits()).batch(list(sent)) == sent


def test_text_is_refused_both_ways() -> None:
    with pytest.raises(DecodeError, match=r"server sent a text message on v2\.bsatn"):
        V2(CHAT, Limits()).decode("{}")
    with pytest.raises(DecodeError, match=r"a text message on v3\.bsatn"):
        V3(CHAT, Limits()).decode_sent("{}")


def test_arguments_are_read_back() -> None:
    function = CHAT.reducers["set_name"]
    assert V2(CHAT, Limits()).decode_args(function, function.encode_args(["Ada"])) == ("Ada",)


def test_there_is_no_legacy_subscription() -> None:
    with pytest.raises(ProtocolError, match="no legacy subscription"):
        V2(CHAT, Limits()).subscribe_legacy(1, ["q"])
