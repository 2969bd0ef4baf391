"""The short ways of v2 and v3 do exactly what the general ones do, with any traffic, valid or not."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.client import events as ev
from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.dialects.dialect_v2 import V2, V3
from spacetime_proto.client.pump import Invoke, Read, Received, pump
from spacetime_proto.errors import SpacetimeError
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v2
from spacetime_proto.messages.payloads import CLIENT_BATCH_SIZE, MAX_BATCH_MESSAGES
from spacetime_proto.testing.byte_strategies import damaged
from spacetime_proto.testing.message_strategies import v2_server_messages
from tests.support.golden import golden_module
from tests.support.payloads import compress
from tests.support.script import NOW, Script, user

CHAT = golden_module("quickstart-chat").bound
V2_NAME, V3_NAME = "v2.bsatn.spacetimedb", "v3.bsatn.spacetimedb"


def general_only() -> AbstractContextManager[object]:
    """Switch the short reader off as long as the context lasts."""
    return patch("spacetime_proto.client.dialects.dialect_v2.read_short", lambda *_: None)


# --- messages ---------------------------------------------------------------------------------

USERS = st.builds(user, st.integers(1, 2), st.sampled_from((None, "a")))
ROWS = st.lists(USERS, max_size=2).map(tuple)
RETURNED = st.sampled_from((b"", b"", b"\0"))


@st.composite
def messages(draw: Any, script: Script) -> Any:
    """Draw what a server may send to a client with sets 1 and 2 and calls 3 to 6 under way."""
    set_id = draw(st.sampled_from((1, 1, 1, 2, 9)))
    update = script.update(set_id, "user", draw(ROWS), draw(ROWS))
    request_id = draw(st.integers(3, 7))
    return draw(
        st.sampled_from(
            (
                update,
                update,
                v2.ReducerResult(request_id, NOW, v2.ReducerOkEmpty()),
                v2.ReducerResult(request_id, NOW, v2.ReducerOk()),
                v2.ReducerResult(request_id, NOW, v2.ReducerOk(draw(RETURNED), update)),
                v2.ReducerResult(request_id, NOW, v2.ReducerInternalError("boom")),
                v2.SubscriptionErrorMessage(None, 2, "gone"),
            )
        )
    )


@st.composite
def traffic(draw: Any, script: Script) -> list[bytes]:
    """Draw payloads; some are damaged, some compressed."""
    payloads = []
    for _ in range(draw(st.integers(1, 5))):
        most = 3 if script.protocol == V3_NAME else 1
        drawn = [draw(messages(script)) for _ in range(draw(st.integers(1, most)))]
        body = b"".join(map(v2.encode_server, drawn))
        payload = compress(body, draw(st.sampled_from(("none", "none", "gzip"))))
        if draw(st.integers(0, 5)) == 0:
            payload = draw(damaged(payload))
        payloads.append(payload)
    return payloads


# --- what comes of them -----------------------------------------------------------------------


def opened(protocol: str, sets: int, **options: Any) -> Script:
    """Return a client with rows, one or two sets, and calls under way."""
    script = Script(protocol, **options)
    script.open()
    for set_id in range(1, sets + 1):
        script.session.subscribe("SELECT * FROM user")
        script.received()
        rows = (script.single("user", user(1), user(2)),)
        script.send(v2.SubscribeAppliedMessage(set_id, set_id, rows))
    script.events()
    for _ in range(4):
        script.session.call(script.module.reducers.set_name("x"))
    script.session.query("SELECT * FROM user")
    script.received()
    return script


def told(event: ev.Event) -> Any:
    """Return all that can be seen of an event."""
    seen: list[Any] = [type(event)]
    ctx = getattr(event, "ctx", None)
    if ctx is not None and not isinstance(ctx.event, ev.DisconnectedEvent):
        seen.append(repr(ctx.event))
    if isinstance(event, ev.TableChanged):
        diff = event.diff
        seen += [event.table.table_name, list(event.inserted), list(event.deleted)]
        seen += [list(event.updated), diff.inserted_count, diff.deleted_count, diff.updated_count]
    elif isinstance(event, ev.BeforeDelete):
        seen += [event.table.table_name, list(event.rows)]
    elif isinstance(event, ev.TransactionApplied):
        seen += [told(change) for change in event.changes]
    elif isinstance(event, ev.CallDone):
        pending = event.pending
        seen += [pending.request_id, pending.value, repr(pending.error)]
    elif isinstance(event, ev.Ended):
        seen += [repr(event.error)]
    return seen


def outcome(script: Script, payloads: list[bytes]) -> Any:
    """Return what the payloads do to a client: events, and the cache at the end."""
    for payload in payloads:
        script.send_raw(payload)
    seen: list[Any] = []
    for event in script.session.events():
        try:
            seen.append(told(event))
        except SpacetimeError as error:  # a row that does not decode
            seen.append(repr(error))
    store = script.session.cache.tables["user"]
    return (
        seen,
        {data: store.count(data) for data in store.rows},
        script.session.cache.absent_deletes,
    )


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_traffic_means_the_same_either_way(data: Any) -> None:
    protocol = data.draw(st.sampled_from((V2_NAME, V3_NAME)))
    sets = data.draw(st.integers(1, 2))
    options = {"strict_deletes": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        options["limits"] = Limits(max_rows_per_message=data.draw(st.integers(1, 12)))
    everything, outcomes = data.draw(st.booleans()), data.draw(st.booleans())
    listens, looks = data.draw(st.booleans()), data.draw(st.booleans())
    payloads = data.draw(traffic(Script(protocol)))
    found = []
    for is_general in (False, True):
        with general_only() if is_general else nullcontext():
            # The budget of rows is for the traffic, not for what comes before it.
            script = opened(protocol, sets)
            session: Any = script.session
            dialect = V3 if protocol == V3_NAME else V2
            limits = options.get("limits", Limits())
            session._connection.dialect = dialect(script.module.bound, limits)
            session.cache._strict = options["strict_deletes"]
            session.wants_everything, session.wants_outcomes = everything, outcomes
            if listens:
                session.db.user.on_update(lambda *_: None)
            if looks:
                session.db.user.on_before_delete(lambda *_: None)
            found.append(outcome(script, payloads))
    short, general = found
    if not outcomes:
        short, general = without_outcomes(short), without_outcomes(general)
    if not listens and not everything:
        # The pump passes over changes that nobody wants; the short way does not mention them.
        short, general = without_changes(short), without_changes(general)
    assert short == general


def without_outcomes(seen: Any) -> Any:
    """Leave out what `wants_outcomes` decides: `ReducerCompleted`, and the event behind a reply."""
    events = [
        [event[0], *event[2:]] if event[0] is ev.CallDone else event
        for event in seen[0]
        if event[0] is not ev.ReducerCompleted
    ]
    return (events, *seen[1:])


def without_changes(seen: Any) -> Any:
    return ([event for event in seen[0] if event[0] is not ev.TableChanged], *seen[1:])


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_bytes_are_read_the_same_either_way(data: Any) -> None:
    drawn = data.draw(st.lists(v2_server_messages(), min_size=1, max_size=3))
    payload = b"\0" + b"".join(map(v2.encode_server, drawn))
    payload = data.draw(st.just(payload) | damaged(payload))
    limits = Limits(max_rows_per_message=data.draw(st.integers(1, 20)))
    for dialect in (V2(CHAT, limits), V3(CHAT, limits)):
        short = meanings(dialect, payload)
        with general_only():
            general = meanings(dialect, payload)
        assert short == general


def meanings(dialect: V2, payload: bytes) -> list[Any]:
    """Return what a payload means, in the long form, and the error that it ends with."""
    found: list[Any] = []
    try:
        for one in dialect.decode(payload):
            change, reply = getattr(one, "change", None), getattr(one, "reply", None)
            if change is not None:
                found.append(("Changed", [change()]))
            elif reply is not None:
                found.append(reply())
            elif type(one).__name__ == "Changed":
                found.append(("Changed", one.changes))  # type: ignore[union-attr]
            else:
                found.append(one)
    except SpacetimeError as error:
        found.append(repr(error))
    return found


# --- calls out, callbacks in ------------------------------------------------------------------


@given(st.integers(0, 0xFFFF_FFFF), st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_call_is_encoded_as_its_message_is(request_id: int, name: str) -> None:
    dialect = V2(CHAT, Limits())
    function = CHAT.reducers["set_name"]
    for _ in range(2):
        made = dialect.call(request_id, function, (name,))
        args = function.encode_args((name,))
        assert made == v2.encode_client(v2.CallReducer(request_id, "set_name", args))


def test_a_call_of_a_procedure_is_encoded_as_its_message_is() -> None:
    module = golden_module("sdk-test-procedure").bound
    function = module.procedures["return_primitive"]
    args = tuple(range(len(function.definition.params.elements)))
    made = V3(module, Limits()).call(7, function, args)
    encoded = function.encode_args(args)
    assert made == v2.encode_client(v2.CallProcedure(7, "return_primitive", encoded))


def test_what_is_too_much_for_one_payload_goes_in_several() -> None:
    dialect = V3(CHAT, Limits())
    many: list[bytes | str] = [b"x"] * (MAX_BATCH_MESSAGES + 1)
    large: list[bytes | str] = [b"x" * CLIENT_BATCH_SIZE, b"y"]
    for payloads in (many, large):
        batches = dialect.batch(payloads)
        assert len(batches) == 2
        assert b"".join(map(bytes, batches)) == b"".join(map(bytes, payloads))  # type: ignore[arg-type]


def run(script: Script, callbacks: Callbacks, **options: Any) -> list[Any]:
    """Run the pump on what has come; return what it ended with."""
    generator = pump(script.session, callbacks, **options)
    want: Any = next(generator)
    try:
        while not isinstance(want, Read):
            if isinstance(want, Invoke):
                try:
                    want.function(*want.args)
                except RuntimeError as error:
                    want = generator.throw(error)
                    continue
            want = generator.send(None)
        generator.send(Received(0.0))
    except StopIteration:
        return [script.session.close_error]
    return []


def raising(*_: Any) -> None:
    raise RuntimeError("callback")


@pytest.mark.parametrize("protocol", [V2_NAME, V3_NAME])
def test_the_only_callback_of_a_message(protocol: str) -> None:
    script = opened(protocol, 1)
    seen: list[Any] = []
    callbacks = Callbacks()
    assert callbacks.interests == (False, False)
    script.session.db.user.on_update(lambda ctx, old, new: seen.append((ctx.event, new.name)))
    script.send(script.update(1, "user", (user(1, "x"),), (user(1),)))
    script.send(script.update(1, "user", (user(3, "y"),)))  # nobody listens to that
    script.send(v2.ReducerResult(2, NOW, v2.ReducerOkEmpty()))
    assert run(script, callbacks) == []
    assert seen == [(ev.Transaction(), "x")]
    assert len(script.session.db.user) == 3
    callbacks.add("reducer", lambda ctx: seen.append(ctx.event.timestamp))
    assert callbacks.interests == (False, True)
    script.send(v2.ReducerResult(3, NOW, v2.ReducerOk()))
    assert run(script, callbacks) == []
    assert seen[1:] == [NOW]
    callbacks.add("reducer", lambda ctx: seen.append("second"))
    script.send(v2.ReducerResult(4, NOW, v2.ReducerOk()))
    assert run(script, callbacks) == []
    assert seen[2:] == [NOW, "second"]


def test_the_only_callback_may_raise() -> None:
    errors: list[Any] = []
    for handler in (None, lambda error, function: errors.append((error, function))):
        script = opened(V2_NAME, 1)
        script.session.db.user.on_update(raising)
        script.send(script.update(1, "user", (user(1, "x"),), (user(1),)))
        ended = run(script, Callbacks(), on_callback_error=handler)
        if handler is None:
            assert isinstance(ended[0], RuntimeError)
        else:
            assert ended == []
            assert [(type(error), function) for error, function in errors] == [
                (RuntimeError, raising)
            ]


def test_messages_with_more_callbacks_than_one() -> None:
    script = opened(V2_NAME, 1)
    seen: list[Any] = []
    callbacks = Callbacks()
    db = script.session.db
    db.user.on_update(lambda ctx, old, new: seen.append(new.name))
    # An insert beside the update.
    script.send(script.update(1, "user", (user(1, "x"), user(3)), (user(1),)))
    assert run(script, callbacks) == []
    db.user.on_update(lambda ctx, old, new: seen.append("again"))
    script.send(script.update(1, "user", (user(1, "y"),), (user(1, "x"),)))
    assert run(script, callbacks) == []
    assert seen == ["x", "y", "again"]
    # A listener to all outcomes beside whoever made the call.
    seen.clear()
    callbacks.add("reducer", lambda ctx: seen.append("all"))
    call = script.module.reducers.set_name("x")
    script.session.call(call, on_done=lambda pending: seen.append("own"))
    (sent,) = script.received()
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerOkEmpty()))
    assert run(script, callbacks) == []
    assert seen == ["all", "own"]
    # A transaction as a whole, and one event of a kind that is never short.
    changed = ev.TableChanged(None, None, None, None)  # type: ignore[arg-type]
    assert callbacks.only_call([changed, changed]) is None
    assert callbacks.only_call([ev.Ended(None, None)]) is None  # type: ignore[arg-type]
    assert callbacks.only_call([]) is None


def test_a_damaged_row_with_one_listener_ends_the_connection() -> None:
    script = opened(V2_NAME, 1)
    script.session.db.user.on_update(raising)
    update = v2.encode_server(script.update(1, "user", (user(1, "abcd"),), (user(1),)))
    script.send_raw(b"\0" + update.replace(b"abcd", b"\xff\xff\xff\xff"))
    (error,) = run(script, Callbacks())
    assert "invalid utf8: invalid start byte in name" in str(error)
