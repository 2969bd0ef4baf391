"""What the messages of v1 mean, in both of its encodings."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.cache.changes import TableChange
from spacetime_proto.client import meaning as inc
from spacetime_proto.client.dialects.dialect_v1 import V1Bsatn, V1Json
from spacetime_proto.client.meaning import SHARED_SET, CallSent, SubscribeSent, UnsubscribeSent
from spacetime_proto.errors import DecodeError
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v1
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from tests.support.golden import golden_module
from tests.support.payloads import compress
from tests.support.script import CONNECTION_ID, IDENTITY, NO_TIME, NOW, TOKEN, user

CHAT = golden_module("quickstart-chat").bound
PROCEDURES = golden_module("sdk-test-procedure").bound
USERS = CHAT.tables["user"]
ROWS = RowList.from_rows([USERS.codec.encode(USERS.row_class(*user(1, "Ada")))])


def update(inserts: RowList = ROWS, deletes: RowList = EMPTY_ROWS) -> v1.TableUpdate:
    parts = (v1.QueryUpdate(deletes, inserts),)
    return v1.TableUpdate(4096, "user", len(inserts) + len(deletes), parts)


def transaction(status: v1.UpdateStatus, args: bytes | str) -> v1.TransactionUpdate:
    call = v1.ReducerCallInfo("set_name", 3, args, 9)
    return v1.TransactionUpdate(status, NOW, IDENTITY, CONNECTION_ID, call, 12, NO_TIME)


def meaning(encoding: str, message: Any) -> Any:
    """Send a message through one encoding; return what the client makes of it."""
    if encoding == "json":
        text = v1.SERVER.to_json(message, JsonCodec.for_module(CHAT))
        (found,) = V1Json(CHAT, Limits()).decode(text)
    else:
        payload = compress(v1.encode_server(message))
        (found,) = V1Bsatn(CHAT, Limits()).decode(payload)
    return found


def slices(changes: list[TableChange]) -> list[tuple[Any, ...]]:
    return [
        (change.query_set, change.table, *(rows.slices() for rows in listed(change)))
        for change in changes
    ]


def listed(change: TableChange) -> list[RowList]:
    assert change.inserts is not None
    assert change.deletes is not None
    return [change.inserts, change.deletes]


INSERTED = [(SHARED_SET, "user", ROWS.slices(), [])]
DELETED = [(SHARED_SET, "user", [], ROWS.slices())]
both = pytest.mark.parametrize("encoding", ["bsatn", "json"])


@both
def test_a_greeting(encoding: str) -> None:
    found = meaning(encoding, v1.IdentityToken(IDENTITY, TOKEN, CONNECTION_ID))
    assert found == inc.Greeting(IDENTITY, CONNECTION_ID, TOKEN)


@both
def test_sets_begin_and_end_with_rows_of_the_one_bag(encoding: str) -> None:
    deletes = update(EMPTY_ROWS, ROWS)
    rows = v1.SubscribeRows(4096, "user", update())
    gone = v1.SubscribeRows(4096, "user", deletes)
    found = [
        meaning(encoding, message)
        for message in (
            v1.InitialSubscription((update(),), 1, NO_TIME),
            v1.SubscribeMultiApplied(2, 0, 7, (update(),)),
            v1.SubscribeAppliedMessage(3, 0, 7, rows),
            v1.UnsubscribeMultiApplied(4, 0, 7, (deletes,)),
            v1.UnsubscribeAppliedMessage(5, 0, 7, gone),
        )
    ]
    assert [(type(one), one.request_id, one.set_id) for one in found] == [
        (inc.Applied, 1, None),
        (inc.Applied, 2, 7),
        (inc.Applied, 3, 7),
        (inc.Unapplied, 4, 7),
        (inc.Unapplied, 5, 7),
    ]
    assert [slices(one.changes) for one in found] == [INSERTED] * 3 + [DELETED] * 2


@both
def test_a_refusal_may_answer_a_request_or_tell_of_a_death(encoding: str) -> None:
    for ids in ((1, 7), (None, None)):
        found = meaning(encoding, v1.SubscriptionErrorMessage(0, *ids, None, "no"))
        assert found == inc.Refused(*ids, "no")


@both
@pytest.mark.parametrize(
    ("status", "name", "text"),
    [
        (v1.Committed((update(),)), "committed", None),
        (v1.Failed("no such user"), "failed", "no such user"),
        (v1.OutOfEnergy(), "out_of_energy", None),
    ],
)
def test_a_transaction_tells_whose_call_it_was(
    encoding: str, status: v1.UpdateStatus, name: str, text: str | None
) -> None:
    function = CHAT.reducers["set_name"]
    dialect = (V1Json if encoding == "json" else V1Bsatn)(CHAT, Limits())
    sent = (function.args_to_json if encoding == "json" else function.encode_args)(["Ada"])
    found = meaning(encoding, transaction(status, sent))
    assert isinstance(found, inc.Changed)
    assert slices(found.changes) == (INSERTED if name == "committed" else [])
    info = found.reducer
    assert info is not None
    assert (info.name, info.status, info.message) == ("set_name", name, text)
    assert (info.caller_identity, info.caller_connection_id) == (IDENTITY, CONNECTION_ID)
    assert (info.timestamp, info.energy, info.request_id) == (NOW, 12, 9)
    assert dialect.decode_args(function, info.args) == ("Ada",)


def test_the_arguments_of_a_call_that_never_ran_are_none() -> None:
    function = CHAT.reducers["set_name"]
    assert V1Bsatn(CHAT, Limits()).decode_args(function, b"") == ()
    assert V1Json(CHAT, Limits()).decode_args(function, "") == ()


@both
def test_a_light_transaction_is_nobodys(encoding: str) -> None:
    found = meaning(encoding, v1.TransactionUpdateLight(9, (update(),)))
    assert isinstance(found, inc.Changed)
    assert found.reducer is None
    assert slices(found.changes) == INSERTED


@both
def test_answers_to_queries(encoding: str) -> None:
    tables = (v1.OneOffTable("user", ROWS),)
    found = meaning(encoding, v1.OneOffQueryResponse(b"id", None, tables, NO_TIME))
    assert isinstance(found, inc.QueryReply)
    assert (found.key, found.error) == (b"id", None)
    (change,) = found.changes
    assert change.inserts is not None
    assert change.inserts.slices() == ROWS.slices()
    refused = meaning(encoding, v1.OneOffQueryResponse(b"id", "no", (), NO_TIME))
    assert refused == inc.QueryReply(b"id", [], "no")


@pytest.mark.parametrize(
    ("encoding", "dialect", "value"),
    [("bsatn", V1Bsatn, b"\x03\0\0\0"), ("json", V1Json, "3")],
)
def test_answers_to_procedures(
    encoding: str, dialect: type[V1Bsatn | V1Json], value: bytes | str
) -> None:
    def reply(status: v1.ProcedureStatus) -> Any:
        return meaning(encoding, v1.ProcedureResult(status, NOW, NO_TIME, 4))

    returned = reply(v1.ProcedureReturned(value))
    assert returned == inc.ProcedureReply(4, value, None, NOW)
    function = PROCEDURES.procedures["return_primitive"]
    assert dialect(PROCEDURES, Limits()).decode_return(function, returned.value) == 3
    assert reply(v1.ProcedureInternalError("boom")).error == "boom"
    assert reply(v1.ProcedureOutOfEnergy()).error == "procedure ran out of energy"


def test_event_rows_come_as_inserts_and_are_not_kept() -> None:
    module = golden_module("sdk-test-event-table").bound
    name = next(name for name, table in module.tables.items() if table.definition.is_event)
    rows = RowList.from_rows([b"whatever"])
    table = v1.TableUpdate(1, name, 1, (v1.QueryUpdate(EMPTY_ROWS, rows),))
    payload = compress(v1.encode_server(v1.TransactionUpdateLight(0, (table,))))
    (found,) = V1Bsatn(module, Limits()).decode(payload)
    assert isinstance(found, inc.Changed)
    (change,) = found.changes
    assert (change.inserts, change.deletes) == (None, None)
    assert change.events is not None
    assert change.events.slices() == [b"whatever"]


def test_a_frame_of_the_other_kind_is_refused() -> None:
    with pytest.raises(DecodeError, match=r"a text message on v1\.bsatn"):
        next(V1Bsatn(CHAT, Limits()).decode("{}"))
    with pytest.raises(DecodeError, match=r"a binary message on v1\.json"):
        next(V1Json(CHAT, Limits()).decode(b"\0"))


def test_nothing_may_follow_a_message() -> None:
    body = v1.encode_server(v1.IdentityToken(IDENTITY, TOKEN, CONNECTION_ID)) + b"xy"
    with pytest.raises(DecodeError, match="2 bytes after the message in IdentityToken"):
        next(V1Bsatn(CHAT, Limits()).decode(compress(body)))


def test_requests_of_older_clients_are_understood() -> None:
    dialect = V1Bsatn(CHAT, Limits())
    quiet = v1.CallReducer("set_name", b"", 3, v1.NO_SUCCESS_NOTIFY)
    asked = {
        v1.SubscribeSingle("a", 1, 2): SubscribeSent(1, 2, ("a",)),
        v1.Unsubscribe(1, 2): UnsubscribeSent(1, 2),
        quiet: CallSent(3, "reducer", "set_name", expects_reply=False),
    }
    for message, sent in asked.items():
        assert list(dialect.decode_sent(v1.encode_client(message))) == [sent]
        assert list(V1Json(CHAT, Limits()).decode_sent(v1.encode_client(message))) == [sent]
