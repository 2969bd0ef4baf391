"""The state machines of the client, as tables, and the one state that users see.

Two rules. Every transition of a session or a subscription is a line in this file, and no other file
assigns a state. An input that is not in a table is an error: the server's if it sent the input,
otherwise the caller's.
"""

from __future__ import annotations

import enum
from typing import Final

from ..errors import LocalProtocolError, ProtocolError


class ClientState(enum.StrEnum):
    """The state of a whole client, across its connections; ``client.state``."""

    NEW = "new"
    """It was not entered yet."""
    CONNECTING = "connecting"
    """An attempt is under way, from asking for the token to the server's greeting."""
    CONNECTED = "connected"
    """The server has greeted, and the connection is not over."""
    WAITING = "waiting"
    """There is no connection; another attempt follows in ``client.retry_in`` seconds."""
    CLOSED = "closed"
    """It is over: closed by this program, or ended by an error that is final."""


class SessionState(enum.Enum):
    """The state of a session."""

    IDLE = "idle"
    """No attempt was made yet, or the last one is over and another may be started."""
    CONNECTING = "connecting"
    """The upgrade was sent; the server has not greeted."""
    REPLAYING = "replaying"
    """Greeted after a reconnect; subscriptions are being replayed and the old cache is shown."""
    OPEN = "open"
    """Greeted and ready."""
    CLOSING = "closing"
    """A close frame was sent; waiting for the peer's."""
    CLOSED = "closed"
    """Over for good."""


class SessionInput(enum.Enum):
    """The inputs that change the state of a session."""

    START = enum.auto()
    GREETED = enum.auto()
    GREETED_AGAIN = enum.auto()
    REPLAYED = enum.auto()
    CLOSE = enum.auto()
    """The user asked for the end."""
    LOST = enum.auto()
    """The connection is gone; another attempt is allowed."""
    FINISHED = enum.auto()
    """The connection is gone, and that is all."""


_S, _I = SessionState, SessionInput

SESSION_TRANSITIONS: Final[dict[tuple[SessionState, SessionInput], SessionState]] = {
    (_S.IDLE, _I.START): _S.CONNECTING,
    (_S.IDLE, _I.CLOSE): _S.CLOSED,
    (_S.IDLE, _I.LOST): _S.IDLE,
    (_S.IDLE, _I.FINISHED): _S.CLOSED,
    (_S.CONNECTING, _I.GREETED): _S.OPEN,
    (_S.CONNECTING, _I.GREETED_AGAIN): _S.REPLAYING,
    (_S.CONNECTING, _I.CLOSE): _S.CLOSING,
    (_S.CONNECTING, _I.LOST): _S.IDLE,
    (_S.CONNECTING, _I.FINISHED): _S.CLOSED,
    (_S.REPLAYING, _I.REPLAYED): _S.OPEN,
    (_S.REPLAYING, _I.CLOSE): _S.CLOSING,
    (_S.REPLAYING, _I.LOST): _S.IDLE,
    (_S.REPLAYING, _I.FINISHED): _S.CLOSED,
    (_S.OPEN, _I.CLOSE): _S.CLOSING,
    (_S.OPEN, _I.LOST): _S.IDLE,
    (_S.OPEN, _I.FINISHED): _S.CLOSED,
    (_S.CLOSING, _I.CLOSE): _S.CLOSING,
    (_S.CLOSING, _I.LOST): _S.CLOSED,
    (_S.CLOSING, _I.FINISHED): _S.CLOSED,
    (_S.CLOSED, _I.CLOSE): _S.CLOSED,
    (_S.CLOSED, _I.FINISHED): _S.CLOSED,
}

_SERVER_SESSION_INPUTS: Final = frozenset({_I.GREETED, _I.GREETED_AGAIN, _I.REPLAYED})


def next_session_state(state: SessionState, event: SessionInput) -> SessionState:
    """Return the state after `event`.

    Raises:
        ProtocolError: the server sent its first message twice.
        LocalProtocolError: the caller asked for something that this state does not allow.
    """
    try:
        return SESSION_TRANSITIONS[state, event]
    except KeyError:
        pass
    if event in _SERVER_SESSION_INPUTS:
        raise ProtocolError(f"the server greeted a connection that is {state.value}")
    raise LocalProtocolError(f"cannot {event.name.lower()} a session that is {state.value}")


class SubscriptionState(enum.Enum):
    """The state of a subscription (one query set)."""

    PENDING = "pending"
    """Not sent yet."""
    SENT = "sent"
    APPLIED = "applied"
    """Its rows are in the cache and kept up to date."""
    ENDING = "ending"
    """The end was asked for and has not been confirmed."""
    ENDED = "ended"
    FAILED = "failed"
    """Refused, given up by the server, or lost with the connection."""


class SubscriptionInput(enum.Enum):
    """The inputs that change the state of a subscription."""

    SEND = enum.auto()
    APPLIED = enum.auto()
    REFUSED = enum.auto()
    """A SubscriptionError: the answer to its Subscribe, or the failure of the live set."""
    UNSUBSCRIBE = enum.auto()
    ENDED = enum.auto()
    """The server confirmed the end."""
    LOST = enum.auto()
    """The connection ended for good."""
    REPLAY = enum.auto()
    """A new connection takes it over: it has to be sent again."""


_T, _J = SubscriptionState, SubscriptionInput

SUBSCRIPTION_TRANSITIONS: Final[
    dict[tuple[SubscriptionState, SubscriptionInput], SubscriptionState]
] = {
    (_T.PENDING, _J.SEND): _T.SENT,
    # Not sent yet, so nothing has to be taken back (docs/protocol.md section 6.5).
    (_T.PENDING, _J.UNSUBSCRIBE): _T.ENDED,
    (_T.PENDING, _J.LOST): _T.FAILED,
    (_T.PENDING, _J.REPLAY): _T.PENDING,
    (_T.SENT, _J.APPLIED): _T.APPLIED,
    (_T.SENT, _J.REFUSED): _T.FAILED,
    (_T.SENT, _J.UNSUBSCRIBE): _T.ENDING,
    (_T.SENT, _J.LOST): _T.FAILED,
    (_T.SENT, _J.REPLAY): _T.PENDING,
    (_T.APPLIED, _J.REFUSED): _T.FAILED,
    (_T.APPLIED, _J.UNSUBSCRIBE): _T.ENDING,
    (_T.APPLIED, _J.ENDED): _T.ENDED,
    (_T.APPLIED, _J.LOST): _T.ENDED,
    (_T.APPLIED, _J.REPLAY): _T.PENDING,
    # Unsubscribe was sent before the first rows came: they are applied, and removed later.
    (_T.ENDING, _J.APPLIED): _T.ENDING,
    # It failed or was refused after Unsubscribe was sent: ended either way.
    (_T.ENDING, _J.REFUSED): _T.ENDED,
    (_T.ENDING, _J.ENDED): _T.ENDED,
    (_T.ENDING, _J.LOST): _T.ENDED,
    (_T.ENDING, _J.REPLAY): _T.ENDED,
    # Late messages about a set that has ended are a normal race, not an error.
    (_T.ENDED, _J.APPLIED): _T.ENDED,
    (_T.ENDED, _J.REFUSED): _T.ENDED,
    (_T.ENDED, _J.ENDED): _T.ENDED,
    (_T.ENDED, _J.LOST): _T.ENDED,
    (_T.FAILED, _J.REFUSED): _T.FAILED,
    (_T.FAILED, _J.ENDED): _T.FAILED,
    (_T.FAILED, _J.LOST): _T.FAILED,
}

_SERVER_SUBSCRIPTION_INPUTS: Final = frozenset({_J.APPLIED, _J.REFUSED, _J.ENDED})


def next_subscription_state(
    state: SubscriptionState, event: SubscriptionInput
) -> SubscriptionState:
    """Return the state after `event`.

    Raises:
        ProtocolError: the server sent an answer that does not fit this state.
        LocalProtocolError: the caller asked for something that this state does not allow.
    """
    try:
        return SUBSCRIPTION_TRANSITIONS[state, event]
    except KeyError:
        pass
    if event in _SERVER_SUBSCRIPTION_INPUTS:
        raise ProtocolError(
            f"the server says {event.name.lower()} of a subscription that is {state.value}"
        )
    if state is _T.ENDING:
        raise LocalProtocolError("unsubscribe was already called on this subscription")
    raise LocalProtocolError(
        f"cannot {event.name.lower()} a subscription that is already {state.value}"
    )
