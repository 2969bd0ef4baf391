"""The transition tables: every (state, input) either moves as listed or blames the right side."""

from __future__ import annotations

import itertools

import pytest

from spacetime_proto.client.states import (
    SESSION_TRANSITIONS,
    SUBSCRIPTION_TRANSITIONS,
    SessionInput,
    SessionState,
    SubscriptionInput,
    SubscriptionState,
    next_session_state,
    next_subscription_state,
)
from spacetime_proto.errors import LocalProtocolError, ProtocolError

FROM_SERVER = {
    SessionInput.GREETED,
    SessionInput.GREETED_AGAIN,
    SessionInput.REPLAYED,
    SubscriptionInput.APPLIED,
    SubscriptionInput.REFUSED,
    SubscriptionInput.ENDED,
}


@pytest.mark.parametrize("state,event", list(itertools.product(SessionState, SessionInput)))
def test_every_session_input_moves_or_is_blamed(state: SessionState, event: SessionInput) -> None:
    expected = SESSION_TRANSITIONS.get((state, event))
    if expected is not None:
        assert next_session_state(state, event) is expected
    elif event in FROM_SERVER:
        with pytest.raises(ProtocolError, match="greeted"):
            next_session_state(state, event)
    else:
        with pytest.raises(LocalProtocolError, match=state.value):
            next_session_state(state, event)


@pytest.mark.parametrize(
    "state,event", list(itertools.product(SubscriptionState, SubscriptionInput))
)
def test_every_subscription_input_moves_or_is_blamed(
    state: SubscriptionState, event: SubscriptionInput
) -> None:
    expected = SUBSCRIPTION_TRANSITIONS.get((state, event))
    if expected is not None:
        assert next_subscription_state(state, event) is expected
    elif event in FROM_SERVER:
        with pytest.raises(ProtocolError, match=state.value):
            next_subscription_state(state, event)
    else:
        with pytest.raises(LocalProtocolError):
            next_subscription_state(state, event)


def test_a_closed_session_stays_closed() -> None:
    """No transition leaves CLOSED."""
    targets = {to for (at, _), to in SESSION_TRANSITIONS.items() if at is SessionState.CLOSED}
    assert targets == {SessionState.CLOSED}


def test_every_session_state_is_reachable_and_can_end() -> None:
    reached = {SessionState.IDLE}
    while True:
        more = {to for (at, _), to in SESSION_TRANSITIONS.items() if at in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(SessionState)
    for state in SessionState:
        assert (state, SessionInput.FINISHED) in SESSION_TRANSITIONS


def test_an_ended_subscription_cannot_be_unsubscribed_again() -> None:
    with pytest.raises(LocalProtocolError, match="already ended"):
        next_subscription_state(SubscriptionState.ENDED, SubscriptionInput.UNSUBSCRIBE)
    with pytest.raises(LocalProtocolError, match="already called"):
        next_subscription_state(SubscriptionState.ENDING, SubscriptionInput.UNSUBSCRIBE)
