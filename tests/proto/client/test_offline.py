"""What was asked for without a connection: kept in order, sent, or settled."""

from __future__ import annotations

from spacetime_proto.client import events as ev
from spacetime_proto.client.context import Context
from spacetime_proto.client.offline import Waiting
from spacetime_proto.client.pending_call import Call, PendingCall
from spacetime_proto.client.states import SubscriptionInput, SubscriptionState
from spacetime_proto.client.stats import Counters
from spacetime_proto.client.subscriptions import Subscription
from spacetime_proto.errors import ConnectError, Disconnected, EncodeError
from spacetime_proto.messages import v2
from tests.support.script import Script


def pending(*args: object) -> PendingCall[None]:
    return PendingCall("set_name", Call("reducer", "set_name", args))


def context(script: Script) -> Context[object]:
    return Context(script.session, None)


def test_everything_is_sent_in_order_and_once() -> None:
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    waiting = Waiting(Counters())
    waiting.sets += [Subscription(["SELECT * FROM user"]), Subscription(["SELECT * FROM message"])]
    waiting.calls += [pending("Ada"), PendingCall("SELECT 1", None), pending("Eve")]
    assert waiting.send(connection, context(script)) == []
    sent = script.received()
    assert [type(one) for one in sent] == [
        v2.Subscribe, v2.Subscribe, v2.CallReducer, v2.OneOffQuery, v2.CallReducer,
    ]  # fmt: skip
    assert sent[0].query_strings == ("SELECT * FROM user",)
    assert not waiting.calls
    assert not waiting.sets
    assert waiting.send(connection, context(script)) == []
    assert script.received() == []


def test_a_call_that_does_not_fit_is_settled_and_the_others_go() -> None:
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    waiting = Waiting(Counters())
    wrong, right = pending(1), pending("Ada")
    waiting.calls += [wrong, right]
    (event,) = waiting.send(connection, context(script))
    assert isinstance(event, ev.CallDone)
    assert event.pending is wrong
    assert isinstance(wrong.error, EncodeError)
    assert not right.is_done
    assert len(script.received()) == 1


def test_the_sets_of_a_lost_connection_come_first_and_cancelled_ones_never() -> None:
    waiting = Waiting(Counters())
    new, kept, ended = Subscription(["new"]), Subscription(["kept"]), Subscription(["ended"])
    ended.move(SubscriptionInput.UNSUBSCRIBE)
    assert ended.is_ended
    waiting.sets.append(new)
    waiting.take_over([kept, ended])
    assert waiting.sets == [kept, new]
    waiting.forget(kept)
    assert waiting.take_sets() == [new]
    assert waiting.take_sets() == []


def test_calls_that_were_never_sent_say_so() -> None:
    waiting = Waiting(Counters())
    script = Script()
    waiting.calls += [pending("Ada"), pending("Eve")]
    cause = ConnectError("no route")
    first, second = waiting.drop_calls(cause, context(script), for_good=False)
    assert isinstance(first, ev.CallDone)
    assert isinstance(second, ev.CallDone)
    error = first.pending.error
    assert isinstance(error, Disconnected)
    assert str(error) == "set_name was not sent: no route"
    assert error.__cause__ is cause
    assert not error.outcome_unknown and not error.is_final
    assert waiting.calls == []


def test_closing_settles_everything() -> None:
    waiting = Waiting(Counters())
    script = Script()
    subscription = Subscription(["SELECT * FROM user"])
    waiting.calls.append(pending("Ada"))
    waiting.sets.append(subscription)
    events = list(waiting.drop(None, context(script)))
    done = events[0]
    assert isinstance(done, ev.CallDone)
    assert str(done.pending.error) == "set_name was not sent: this client was closed"
    assert isinstance(done.pending.error, Disconnected) and done.pending.error.is_final
    assert subscription.state is SubscriptionState.FAILED
    assert waiting.sets == []
