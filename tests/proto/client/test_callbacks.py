"""Callbacks that belong to no table."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from spacetime_proto.client import callback_types as types
from spacetime_proto.client import events as ev
from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.pending_call import PendingCall
from spacetime_proto.client.subscriptions import Subscription
from spacetime_proto.errors import SubscriptionError

CTX: Any = "ctx"


def note(*args: Any) -> None: ...


def test_register_and_cancel() -> None:
    callbacks = Callbacks()
    assert callbacks.interests == (False, False)
    handle = callbacks.add("transaction", note)
    assert callbacks.interests == (True, False)
    handle.cancel()
    handle.cancel()
    callbacks.remove("transaction", note)
    assert callbacks.interests == (False, False)
    with pytest.raises(TypeError, match="on_connect takes a callable"):
        callbacks.add("connect", 5)  # type: ignore[arg-type]


def test_callbacks_get_as_many_arguments_as_their_types_say() -> None:
    callbacks = Callbacks()
    for kind in ("connect", "connect_error", "disconnect", "transaction", "reducer"):
        callbacks.add(kind, note)
    subscription = Subscription(["q"], on_applied=note, on_error=note, on_end=note)
    error: Any = SubscriptionError("x")
    who: Any = "who"
    for callback_type, event in (
        (types.OnConnect, ev.Connected(CTX, who, who, "token")),
        (types.OnConnectError, ev.ConnectFailed(CTX, error)),
        (types.OnDisconnect, ev.Ended(CTX, None)),
        (types.OnTransaction, ev.TransactionApplied(CTX, ())),
        (types.OnReducer, ev.ReducerCompleted(CTX)),
        (types.OnApplied, ev.SetApplied(CTX, subscription)),
        (types.OnError, ev.SetFailed(CTX, subscription, error)),
        (types.OnEnd, ev.SetEnded(CTX, subscription)),
    ):
        ((function, args),) = callbacks.calls(event)
        assert function is note
        assert len(args) == len(get_args(callback_type)[0])


def test_a_subscription_without_callbacks_calls_nothing() -> None:
    callbacks = Callbacks()
    subscription = Subscription(["q"])
    error = SubscriptionError("x")
    for event in (
        ev.SetApplied(CTX, subscription),
        ev.SetEnded(CTX, subscription),
        ev.SetFailed(CTX, subscription, error),
        ev.CallDone(CTX, PendingCall("f", None)),
    ):
        assert list(callbacks.calls(event)) == []
        assert list(callbacks.waiters(event)) == []


def test_subscription_callbacks_and_waiters() -> None:
    callbacks = Callbacks()
    subscription = Subscription(["q"], on_error=note, on_end=note)
    woken: list[Any] = []
    subscription.on_change = woken.append
    error = SubscriptionError("x")
    failed = ev.SetFailed(CTX, subscription, error)
    ended = ev.SetEnded(CTX, subscription)
    wake = (subscription.on_change, (subscription,))
    assert list(callbacks.calls(failed)) == [(note, (CTX, error)), wake]
    assert list(callbacks.calls(ended)) == [(note, (CTX,)), wake]
    assert list(callbacks.waiters(failed)) == [wake]


def test_waiters_hear_of_replies_only() -> None:
    callbacks = Callbacks()
    callbacks.add("disconnect", note)
    pending: PendingCall[Any] = PendingCall("f", None, note)
    assert list(callbacks.waiters(ev.CallDone(CTX, pending))) == [(note, (pending,))]
    assert list(callbacks.waiters(ev.Ended(CTX, None))) == []


def test_a_failed_attempt_runs_every_callback_for_it() -> None:
    callbacks = Callbacks()
    error = SubscriptionError("x")
    failed = ev.ConnectFailed(CTX, error)
    assert list(callbacks.calls(failed)) == []
    callbacks.add("connect_error", note)
    callbacks.add("connect_error", print)
    assert list(callbacks.calls(failed)) == [(note, (CTX, error)), (print, (CTX, error))]
