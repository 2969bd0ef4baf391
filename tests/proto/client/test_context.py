"""The first argument of callbacks: it shows the session and queues requests."""

from __future__ import annotations

import pytest

from spacetime_proto.client import callback_types
from spacetime_proto.client import events as ev
from spacetime_proto.client.context import Context
from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.messages import v2
from tests.support.script import CONNECTION_ID, IDENTITY, Script


def test_a_context_shows_its_session() -> None:
    script = Script()
    script.open()
    why = ev.Reconnected()
    ctx = Context(script.session, why)
    assert ctx.db is script.session.db
    assert ctx.identity == IDENTITY
    assert ctx.connection_id == CONNECTION_ID
    assert ctx.event is why
    assert repr(ctx) == f"<Context {why!r}>"
    assert repr(Context(script.session, None)) == "<Context None>"


def test_requests_of_a_context_are_those_of_its_session() -> None:
    script = Script()
    script.open()
    ctx = Context(script.session, None)
    ctx.submit(script.module.reducers.set_name("Ada"))
    told: list[str] = []
    subscription = ctx.subscribe("SELECT * FROM user", on_applied=lambda _: told.append("applied"))
    call, subscribe = script.received()
    assert isinstance(call, v2.CallReducer)
    assert isinstance(subscribe, v2.Subscribe)
    assert subscription.queries == ("SELECT * FROM user",)
    script.send(v2.SubscribeAppliedMessage(subscribe.request_id, subscribe.query_set_id, ()))
    script.events()
    assert subscription.is_active


def test_there_is_no_identity_before_the_first_connection() -> None:
    ctx = Context(Script().session, None)
    with pytest.raises(LocalProtocolError, match="not known before the first connection"):
        _ = ctx.identity
    assert ctx.connection_id is None


def test_the_types_of_callbacks_can_be_used_when_a_program_runs() -> None:
    for name in callback_types.__all__:
        if name != "OnCallbackError":
            assert getattr(callback_types, name)[int].__args__[0] == Context[int]
