"""Answers about calls and transactions: outcomes, events, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.client import events as ev
from spacetime_proto.client.pending_call import Call, PendingCall
from spacetime_proto.dataframes.query_rows import Rows
from spacetime_proto.errors import (
    Disconnected,
    InternalError,
    LocalProtocolError,
    ProtocolError,
    QueryError,
    ReducerError,
)
from spacetime_proto.messages import v1, v2
from spacetime_proto.sats.algebraic import Primitive, ProductType
from spacetime_proto.schema.model import ModuleDef, ReducerDef
from spacetime_proto.types import ConnectionId
from tests.support.golden import golden_module
from tests.support.script import CONNECTION_ID, IDENTITY, NO_TIME, NOW, OTHER, Script, message, user

OLD = ["v1.bsatn.spacetimedb", "v1.json.spacetimedb"]


def subscribed(script: Script, *rows: Any) -> None:
    script.session.subscribe("SELECT * FROM user")
    (sent,) = script.received()
    if isinstance(sent, v1.SubscribeMulti):
        tables = (script.v1_table("user", rows),)
        script.send(v1.SubscribeMultiApplied(sent.request_id, 5, sent.query_id, tables))
    else:
        script.send(v2.SubscribeAppliedMessage(sent.request_id, 1, (script.single("user", *rows),)))
    script.events()


def end_of(script: Script) -> BaseException | None:
    event = script.events()[-1]
    assert isinstance(event, ev.Ended)
    return event.error


# --- v2 and v3 ----------------------------------------------------------------------------------


@pytest.fixture
def script() -> Script:
    script = Script()
    script.open()
    return script


def set_name(script: Script, name: str = "x") -> PendingCall[Any]:
    return script.session.call(script.module.reducers.set_name(name))


def test_a_reducer_may_return_a_value() -> None:
    add = ReducerDef("add", "add", ProductType(), ok_type=Primitive("U8"))
    script = Script(module=dynamic_module(ModuleDef(reducers=(add,))))
    script.open()
    pending = script.session.call(script.module.reducers.add())
    (sent,) = script.received()
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerOk(b"\x07")))
    assert [type(event) for event in script.events()] == [ev.ReducerCompleted, ev.CallDone]
    assert pending.result() == 7


def test_row_changes_come_before_the_reply(script: Script) -> None:
    subscribed(script, user(1))
    pending = set_name(script)
    (sent,) = script.received()
    update = script.update(1, "user", (user(1, "x"),), (user(1),))
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerOk(b"", update)))
    changed, transaction, completed, done = script.events()
    assert isinstance(changed, ev.TableChanged)
    assert [(old.name, new.name) for old, new in changed.updated] == [(None, "x")]
    assert changed.inserted == changed.deleted == () or not (changed.inserted or changed.deleted)
    assert isinstance(transaction, ev.TransactionApplied)
    assert transaction.changes == (changed,)
    assert isinstance(completed, ev.ReducerCompleted)
    assert isinstance(done, ev.CallDone)
    event = changed.ctx.event
    assert isinstance(event, ev.ReducerEvent)
    assert event == ev.ReducerEvent(
        "set_name", ("x",), "committed", None, NOW, IDENTITY, CONNECTION_ID, None, True
    )
    assert pending.result() is None


def test_without_interest_in_transactions_there_is_no_event_of_them(script: Script) -> None:
    script.session.wants_everything = False
    script.session.db.user.on_insert(lambda ctx, row: None)
    subscribed(script, user(1))
    script.send(script.update(1, "user", (user(2),)))
    assert [type(event) for event in script.events()] == [ev.TableChanged]


def test_ok_empty_is_a_success(script: Script) -> None:
    pending = set_name(script)
    (sent,) = script.received()
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerOkEmpty()))
    script.events()
    assert pending.result() is None


def test_the_module_says_no(script: Script) -> None:
    pending = set_name(script)
    (sent,) = script.received()
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerErr(b"\x02\x00\x00\x00no")))
    script.events()
    with pytest.raises(ReducerError, match=r"^no$") as caught:
        pending.result()
    assert (caught.value.name, caught.value.value) == ("set_name", "no")


def test_the_host_says_no(script: Script) -> None:
    pending = set_name(script)
    (sent,) = script.received()
    outcome = v2.ReducerInternalError("The instance encountered a fatal error.")
    script.send(v2.ReducerResult(sent.request_id, NOW, outcome))
    completed, _ = script.events()
    assert isinstance(completed.ctx.event, ev.ReducerEvent)
    assert completed.ctx.event.status == "internal_error"
    with pytest.raises(InternalError, match="fatal error") as caught:
        pending.result()
    assert caught.value.name == "set_name"


def test_an_error_value_that_does_not_decode_ends_the_connection(script: Script) -> None:
    pending = set_name(script)
    (sent,) = script.received()
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerErr(b"\xff")))
    assert isinstance(end_of(script), ProtocolError)
    assert pending.is_done


@pytest.mark.parametrize(
    "answer",
    [
        v2.ReducerResult(77, NOW, v2.ReducerOk()),
        v2.ProcedureResult(v2.ProcedureReturned(b""), NOW, NO_TIME, 77),
        v2.OneOffQueryResult(77, ()),
    ],
)
def test_answers_to_nothing_are_errors(script: Script, answer: Any) -> None:
    script.send(answer)
    assert "77" in str(end_of(script))


def test_answers_of_the_wrong_kind_are_errors() -> None:
    wrong: list[Any] = [
        lambda n: v2.ProcedureResult(v2.ProcedureReturned(b""), NOW, NO_TIME, n),
        lambda n: v2.OneOffQueryResult(n, ()),
    ]
    for make in wrong:
        script = Script()
        script.open()
        set_name(script)
        (sent,) = script.received()
        script.send(make(sent.request_id))
        assert isinstance(end_of(script), ProtocolError)
    script = Script()
    script.open()
    script.session.query("SELECT * FROM user")
    (sent,) = script.received()
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerOk()))
    assert "SELECT * FROM user" in str(end_of(script))


def test_one_off_queries(script: Script) -> None:
    pending = script.session.query("SELECT * FROM user")
    (sent,) = script.received()
    assert sent.query_string == "SELECT * FROM user"
    script.send(v2.OneOffQueryResult(sent.request_id, (script.single("user", user(1), user(2)),)))
    (done,) = script.events()
    assert isinstance(done, ev.CallDone)
    rows = pending.result()
    assert [row.identity.data[0] for row in rows] == [1, 2]
    assert type(rows) is Rows
    assert "<caption>user: 2 rows</caption>" in rows._repr_html_()
    assert len(script.session.db.user) == 0


def test_a_query_that_is_refused(script: Script) -> None:
    pending = script.session.query("nonsense")
    (sent,) = script.received()
    script.send(v2.OneOffQueryResult(sent.request_id, "Unsupported expression"))
    script.events()
    with pytest.raises(QueryError, match="Unsupported") as caught:
        pending.result()
    assert caught.value.query == "nonsense"


@pytest.mark.parametrize("outcome", [v2.ReducerOkEmpty(), v2.ReducerInternalError("no")])
def test_a_call_is_answered_once(script: Script, outcome: Any) -> None:
    set_name(script)
    (sent,) = script.received()
    reply = v2.ReducerResult(sent.request_id, NOW, outcome)
    script.send(reply)
    script.events()
    script.send(reply)
    assert "unknown" in str(end_of(script))


def test_a_query_that_answers_an_unknown_table(script: Script) -> None:
    script.session.query("SELECT * FROM st_table")
    (sent,) = script.received()
    rows = v2.SingleTableRows("st_table", script.rows("user", user(1)))
    script.send(v2.OneOffQueryResult(sent.request_id, (rows,)))
    assert "st_table" in str(end_of(script))


def test_procedures_return_and_fail() -> None:
    module = golden_module("sdk-test-procedure")
    script = Script(module=module)
    script.open()
    good = script.session.call(module.procedures.return_primitive(1, 2))
    unit = script.session.call(module.procedures.insert_with_tx_commit())
    bad = script.session.call(module.procedures.will_panic())
    first, second, third = script.received()
    script.send(
        v2.ProcedureResult(v2.ProcedureReturned(b""), NOW, NO_TIME, second.request_id),
        v2.ProcedureResult(v2.ProcedureReturned(b"\3\0\0\0"), NOW, NO_TIME, first.request_id),
        v2.ProcedureResult(v2.ProcedureInternalError("boom"), NOW, NO_TIME, third.request_id),
    )
    script.events()
    assert good.result() == 3
    assert unit.result() is None
    with pytest.raises(InternalError, match="boom") as caught:
        bad.result()
    assert caught.value.name == "will_panic"


def test_a_procedure_that_the_bindings_lack_cannot_have_returned() -> None:
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    connection.calls.call_sent(9, PendingCall("other", Call("procedure", "other")))
    script.send(v2.ProcedureResult(v2.ProcedureReturned(b""), NOW, NO_TIME, 9))
    assert "other" in str(end_of(script))


def test_a_reducer_that_the_bindings_lack_is_answered_as_text() -> None:
    """Only a replay can have called it; its answer is told as it is."""
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    calls = [PendingCall("other", Call("reducer", "other")) for _ in range(2)]
    connection.calls.call_sent(8, calls[0])
    connection.calls.call_sent(9, calls[1])
    script.send(
        v2.ReducerResult(8, NOW, v2.ReducerOk(b"\1")),
        v2.ReducerResult(9, NOW, v2.ReducerErr(b"\1")),
    )
    script.events()
    assert calls[0].result() is None
    with pytest.raises(ReducerError, match="x01"):
        calls[1].result()


def test_a_call_whose_message_is_refused_has_no_outcome(script: Script) -> None:
    """A before-delete callback ends the connection: nothing applied, the call's fate unknown."""
    subscribed(script, user(1))
    script.session.db.user.on_before_delete(lambda ctx, row: None)
    pending = set_name(script)
    (sent,) = script.received()
    update = script.update(1, "user", (), (user(1),))
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerOk(b"", update)))
    before = next(iter(script.session.message_events() or ()))
    assert isinstance(before, ev.BeforeDelete)
    del before
    script.session.fail(RuntimeError("no"))
    script.events()
    assert len(script.session.db.user) == 1
    assert isinstance(pending.error, Disconnected)
    assert pending.error.outcome_unknown


def test_a_transaction_after_a_look_is_applied(script: Script) -> None:
    subscribed(script, user(1))
    script.session.db.user.on_before_delete(lambda ctx, row: None)
    script.send(script.update(1, "user", (), (user(1),)))
    kinds = [type(event).__name__ for event in script.events()]
    assert kinds == ["BeforeDelete", "TableChanged", "TransactionApplied"]
    script.send(script.update(1, "user", (user(3),)))
    kinds = [type(event).__name__ for event in script.events()]
    assert kinds == ["TableChanged", "TransactionApplied"]


def test_before_delete_passes_over_what_is_only_updated(script: Script) -> None:
    subscribed(script, user(1))
    script.session.db.user.on_before_delete(lambda ctx, row: None)
    script.send(script.update(1, "user", (user(1, "new"),), (user(1),)))
    kinds = [type(event).__name__ for event in script.events()]
    assert kinds == ["TableChanged", "TransactionApplied"]


# --- v1 -----------------------------------------------------------------------------------------


def transaction(
    script: Script,
    status: Any,
    *,
    name: str = "set_name",
    args: tuple[Any, ...] | None = ("x",),
    request_id: int = 0,
    identity: Any = IDENTITY,
    connection_id: ConnectionId = CONNECTION_ID,
    energy: int = 42,
) -> v1.TransactionUpdate:
    is_json = script.protocol == "v1.json.spacetimedb"
    encoded: bytes | str = "[]" if is_json else b""
    if args is not None:
        function = script.module.bound.reducers[name]
        encoded = function.args_to_json(args) if is_json else function.encode_args(args)
    info = v1.ReducerCallInfo(name, 3, encoded, request_id)
    return v1.TransactionUpdate(status, NOW, identity, connection_id, info, energy, NO_TIME)


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest) -> Script:
    script = Script(request.param)
    script.open()
    subscribed(script, user(1))
    return script


def test_v1_own_call(old: Script) -> None:
    pending = set_name(old)
    (sent,) = old.received()
    update = old.v1_table("user", (user(1, "x"),), (user(1),))
    old.send(transaction(old, v1.Committed((update,)), request_id=sent.request_id))
    changed, _, completed, done = old.events()
    assert isinstance(changed, ev.TableChanged)
    assert isinstance(completed, ev.ReducerCompleted)
    assert isinstance(done, ev.CallDone)
    assert pending.result() is None
    event = changed.ctx.event
    assert isinstance(event, ev.ReducerEvent)
    assert (event.is_own, event.args, event.energy) == (True, ("x",), 42)


def test_v1_somebody_elses_call(old: Script) -> None:
    pending = set_name(old)
    (sent,) = old.received()
    update = old.v1_table("user", (user(2, "y"),))
    old.send(
        transaction(
            old, v1.Committed((update,)), args=("y",), request_id=sent.request_id, identity=OTHER
        )
    )
    changed, _, completed = old.events()
    assert isinstance(completed, ev.ReducerCompleted)
    event = changed.ctx.event
    assert isinstance(event, ev.ReducerEvent)
    assert (event.is_own, event.args, event.caller_identity) == (False, ("y",), OTHER)
    assert not pending.is_done


def test_v1_same_user_on_another_connection_is_somebody_else(old: Script) -> None:
    pending = set_name(old)
    (sent,) = old.received()
    other = ConnectionId(bytes([9]) * 16)
    old.send(transaction(old, v1.Committed(()), request_id=sent.request_id, connection_id=other))
    old.events()
    assert not pending.is_done


def test_v1_light_updates_never_match_a_request(old: Script) -> None:
    pending = set_name(old)
    (sent,) = old.received()
    old.send(v1.TransactionUpdateLight(sent.request_id, (old.v1_table("user", (user(2),)),)))
    changed, _ = old.events()
    assert isinstance(changed.ctx.event, ev.Transaction)
    assert not pending.is_done


def test_v1_failures(old: Script) -> None:
    said, crashed, tired = set_name(old), set_name(old), set_name(old)
    first, second, third = (sent.request_id for sent in old.received())
    old.send(transaction(old, v1.Failed("no"), request_id=first))
    old.send(
        transaction(
            old,
            v1.Failed("The instance encountered a fatal error.: runtime error: its cause"),
            request_id=second,
        )
    )
    old.send(transaction(old, v1.OutOfEnergy(), request_id=third))
    statuses = [
        event.ctx.event.status for event in old.events() if isinstance(event, ev.ReducerCompleted)
    ]  # type: ignore[union-attr]
    assert statuses == ["failed", "internal_error", "out_of_energy"]
    with pytest.raises(ReducerError, match="no"):
        said.result()
    with pytest.raises(InternalError, match="fatal"):
        crashed.result()
    with pytest.raises(InternalError, match="energy"):
        tired.result()


def test_v1_failures_before_the_call_settle_the_oldest_of_that_name(old: Script) -> None:
    """Request id 0 and empty arguments: docs/protocol.md section 4.4, pre-execution errors."""
    message_call = old.session.call(old.module.reducers.send_message("m"))
    older, newer = set_name(old, "a"), set_name(old, "b")
    old.received()
    old.send(transaction(old, v1.Failed("invalid arguments"), args=None, energy=0))
    (completed, done) = old.events()
    assert isinstance(completed.ctx.event, ev.ReducerEvent)
    assert completed.ctx.event.args == ("a",)
    assert isinstance(done, ev.CallDone)
    assert done.pending is older
    assert isinstance(older.error, InternalError)
    assert not newer.is_done
    assert not message_call.is_done


def test_a_1x_server_echoes_no_id_of_a_call_that_failed(old: Script) -> None:
    """Seen on SpacetimeDB 1.3.0: request id 0, but the arguments are there and energy was used."""
    pending = set_name(old, "a")
    old.received()
    old.send(transaction(old, v1.Failed("Names must not be empty"), args=("a",), energy=650_000))
    old.events()
    assert isinstance(pending.error, ReducerError)


def test_v1_failures_that_match_nothing_are_only_told(old: Script) -> None:
    old.send(transaction(old, v1.Failed("invalid arguments"), args=None, energy=0))
    (completed,) = old.events()
    assert isinstance(completed.ctx.event, ev.ReducerEvent)
    assert completed.ctx.event.args is None


def test_v1_unknown_reducers_are_never_fatal(old: Script) -> None:
    old.send(transaction(old, v1.Committed(()), name="other", args=None, identity=OTHER))
    (completed,) = old.events()
    assert isinstance(completed.ctx.event, ev.ReducerEvent)
    assert (completed.ctx.event.name, completed.ctx.event.args) == ("other", None)


@pytest.mark.parametrize("protocol", OLD)
@pytest.mark.parametrize("status", [v1.Committed(()), v1.Failed("no"), v1.OutOfEnergy()])
def test_v1_arguments_of_others_that_do_not_fit_the_bindings_are_left_out(
    protocol: str, status: Any
) -> None:
    script = Script(protocol)
    script.open()
    subscribed(script)
    pending = set_name(script)
    (sent,) = script.received()
    wrong: list[bytes | str] = [b"\1", b"\xff" * 40, b"\2\0\0\0ab\0"]
    if "json" in protocol:
        wrong = ["[]", "[1]", '["a", "b"]', "{}", "no JSON", "null", "[" * 200 + "]" * 200]
    for args in wrong:
        call = v1.ReducerCallInfo("set_name", 3, args, sent.request_id)
        script.send(v1.TransactionUpdate(status, NOW, OTHER, CONNECTION_ID, call, 1, NO_TIME))
        (completed,) = script.events()
        event = completed.ctx.event
        assert isinstance(event, ev.ReducerEvent)
        assert (event.name, event.args, event.is_own) == ("set_name", None, False)
    update = script.v1_table("user", (user(2, "y"),))
    script.send(transaction(script, v1.Committed((update,)), args=("y",), identity=OTHER))
    changed, _, completed = script.events()
    assert isinstance(changed, ev.TableChanged)
    assert completed.ctx.event.args == ("y",)  # type: ignore[union-attr]
    script.send(transaction(script, v1.Committed(()), request_id=sent.request_id))
    script.events()
    assert pending.result() is None


def test_v1_an_own_id_with_another_name_does_not_match(old: Script) -> None:
    pending = set_name(old)
    (sent,) = old.received()
    old.send(
        transaction(
            old, v1.Committed(()), name="send_message", args=("m",), request_id=sent.request_id
        )
    )
    old.events()
    assert not pending.is_done


def test_v1_one_off_queries(old: Script) -> None:
    good = old.session.query("SELECT * FROM message")
    bad = old.session.query("nonsense")
    call = set_name(old)
    first, second, _ = old.received()
    table = v1.OneOffTable("message", old.rows("message", message("a")))
    old.send(v1.OneOffQueryResponse(first.message_id, None, (table,), NO_TIME))
    old.send(v1.OneOffQueryResponse(second.message_id, "nonsense", (), NO_TIME))
    old.events()
    assert [row.text for row in good.result()] == ["a"]
    with pytest.raises(QueryError, match="nonsense"):
        bad.result()
    assert not call.is_done


@pytest.mark.parametrize("protocol", OLD)
def test_v1_procedures(protocol: str) -> None:
    module = golden_module("sdk-test-procedure")
    script = Script(protocol, module=module)
    script.open()
    good = script.session.call(module.procedures.return_primitive(1, 2))
    bad = script.session.call(module.procedures.will_panic())
    tired = script.session.call(module.procedures.will_panic())
    ids = [sent.request_id for sent in script.received()]
    value: bytes | str = "3" if "json" in protocol else b"\3\0\0\0"
    script.send(v1.ProcedureResult(v1.ProcedureReturned(value), NOW, NO_TIME, ids[0]))
    script.send(v1.ProcedureResult(v1.ProcedureInternalError("boom"), NOW, NO_TIME, ids[1]))
    script.send(v1.ProcedureResult(v1.ProcedureOutOfEnergy(), NOW, NO_TIME, ids[2]))
    script.events()
    assert good.result() == 3
    for pending, text in ((bad, "boom"), (tired, "energy")):
        with pytest.raises(InternalError, match=text):
            pending.result()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("send_message", r"not 'send_message'; write call\(reducers.send_message\(...\)\)"),
        (
            "sendMessage",
            r"write call\(reducers.send_message\(...\)\) with module_bindings.reducers",
        ),
        ("sned_message", r"write call\(reducers.send_message"),
        ("nothing like it", r"not 'nothing like it'; write call\(reducers.NAME\(...\)\)"),
        ("x\n" * 10_000, r"^a call is [^\n]{1,250}$"),
        (5, r"not 5; write call\(reducers.NAME"),
        (None, r"not None; write"),
    ],
)
def test_what_is_no_call_is_told_what_is(script: Script, given: Any, words: str) -> None:
    for call in (script.session.call, script.session.submit):
        with pytest.raises(LocalProtocolError, match=words):
            call(given)


def test_a_function_that_was_not_called_is_no_call(script: Script) -> None:
    with pytest.raises(LocalProtocolError, match=r"not 'send_message'; write call\(reducers.send"):
        script.session.call(script.module.reducers.send_message)
