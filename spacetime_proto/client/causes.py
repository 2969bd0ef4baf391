"""Why a callback runs: the frozen values that ``ctx.event`` can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from ..errors import SpacetimeError  # annotations of public fields
from ..types import ConnectionId, Identity, Timestamp

if TYPE_CHECKING:
    from .subscriptions import Subscription

Status = Literal["committed", "failed", "out_of_energy", "internal_error"]


class ReducerEvent(msgspec.Struct, frozen=True):
    """The result of a reducer call: this client's own, or on v1 possibly another client's.

    Fields that the protocol in use does not carry are None.
    """

    name: str | None
    args: tuple[Any, ...] | None
    """None also where the bindings lack the reducer that another client called, or give it other
    parameters: that client was made for another version of the module."""
    status: Status
    message: str | None = None
    """Error text of a call that failed."""
    timestamp: Timestamp | None = None
    caller_identity: Identity | None = None
    caller_connection_id: ConnectionId | None = None
    energy: int | None = None
    """Energy quanta used (v1 only)."""
    is_own: bool = False
    """Whether this client made the call."""


class Transaction(msgspec.Struct, frozen=True):
    """A transaction of unknown cause: a call of another client, a schedule, SQL or a procedure."""


#: It carries no information, so one value serves all transactions.
TRANSACTION: Final = Transaction()


class SubscribeApplied(msgspec.Struct, frozen=True):
    """The first rows of a subscription."""

    subscription: Subscription


class UnsubscribeApplied(msgspec.Struct, frozen=True):
    """The rows of a subscription that was ended by this client."""

    subscription: Subscription


class SubscriptionFailed(msgspec.Struct, frozen=True):
    """A subscription was refused, or a live one was given up by the server."""

    subscription: Subscription | None
    error: SpacetimeError


class Reconnected(msgspec.Struct, frozen=True):
    """The difference between the rows before a lost connection and after reconnecting."""


class DisconnectedEvent(msgspec.Struct, frozen=True):
    """A connection is over, or an attempt to make one has failed."""

    error: BaseException | None
    """Why; None when this client closed the connection."""
    will_retry: bool = False
    """Whether another attempt follows; if not, the client is over."""
    retry_in: float | None = None
    """Seconds from the end of the connection to the next attempt; None if there is none."""


Why: TypeAlias = (
    ReducerEvent
    | Transaction
    | SubscribeApplied
    | UnsubscribeApplied
    | SubscriptionFailed
    | Reconnected
    | DisconnectedEvent
)
