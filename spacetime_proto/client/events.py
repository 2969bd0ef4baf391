"""What happens on a client session, as frozen values.

Two vocabularies. The first half is what callbacks find in ``ctx.event``: why rows changed. The
second half is what `ClientSession.events` yields, in the order in which callbacks run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from ..errors import SpacetimeError  # annotations of public fields
from ..types import ConnectionId, Identity, Timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cache.changes import TableDiff
    from .calls import PendingCall
    from .context import Context
    from .subscriptions import Subscription
    from .table_handles import Listeners, TableHandle

__all__ = [
    "BeforeDelete",
    "CallDone",
    "ConnectFailed",
    "Connected",
    "DisconnectedEvent",
    "Ended",
    "Event",
    "Reconnected",
    "ReducerCompleted",
    "ReducerEvent",
    "SetApplied",
    "SetEnded",
    "SetFailed",
    "SubscribeApplied",
    "SubscriptionFailed",
    "TableChanged",
    "Transaction",
    "TransactionApplied",
    "UnsubscribeApplied",
    "Why",
]

Status = Literal["committed", "failed", "out_of_energy", "internal_error"]


# --- why: ctx.event ---------------------------------------------------------------------------


class ReducerEvent(msgspec.Struct, frozen=True):
    """The result of a reducer call: this client's own, or on v1 possibly somebody else's.

    What the protocol in use does not tell is None.
    """

    name: str | None
    args: tuple[Any, ...] | None
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
    """A transaction whose cause the wire does not tell: other clients, schedules, SQL, procedures."""


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
    """What changed while the connection was lost."""


class DisconnectedEvent(msgspec.Struct, frozen=True):
    """The connection is over; `error` is None when this client closed it."""

    error: BaseException | None


Why: TypeAlias = (
    ReducerEvent
    | Transaction
    | SubscribeApplied
    | UnsubscribeApplied
    | SubscriptionFailed
    | Reconnected
    | DisconnectedEvent
)


# --- what: ClientSession.events ---------------------------------------------------------------


class Connected(msgspec.Struct, frozen=True):
    """The server greeted; also after each reconnect. The token is not part of the repr."""

    ctx: Context
    identity: Identity
    connection_id: ConnectionId
    token: str

    def __repr__(self) -> str:
        return f"Connected(identity={self.identity!r}, connection_id={self.connection_id!r})"


class ConnectFailed(msgspec.Struct, frozen=True):
    """An attempt ended before the server greeted."""

    ctx: Context
    error: BaseException


class Ended(msgspec.Struct, frozen=True):
    """A greeted connection is over; `error` is None when this client closed it."""

    ctx: Context
    error: BaseException | None


class BeforeDelete(msgspec.Struct, frozen=True):
    """Rows about to be deleted, while the cache still shows them."""

    ctx: Context
    table: TableHandle[Any]
    rows: Any
    listeners: Listeners


class SetApplied(msgspec.Struct, frozen=True):
    """A subscription's first rows are in the cache."""

    ctx: Context
    subscription: Subscription


class SetEnded(msgspec.Struct, frozen=True):
    """A subscription ended because this client asked for it."""

    ctx: Context
    subscription: Subscription


class SetFailed(msgspec.Struct, frozen=True):
    """A subscription was refused or died."""

    ctx: Context
    subscription: Subscription
    error: SpacetimeError


class TableChanged(msgspec.Struct, frozen=True):
    """The rows of one table that one message changed; they are decoded when they are looked at."""

    ctx: Context
    table: TableHandle[Any]
    diff: TableDiff
    listeners: Listeners
    """The callbacks registered when the message was applied."""

    @property
    def inserted(self) -> Sequence[Any]:
        """The rows that came. Raises DecodeError if one of them is damaged."""
        return self.diff.inserted

    @property
    def deleted(self) -> Sequence[Any]:
        """The rows that went. Raises DecodeError if one of them is damaged."""
        return self.diff.deleted

    @property
    def updated(self) -> Sequence[tuple[Any, Any]]:
        """(old, new) of the rows that were replaced. Raises DecodeError if one is damaged."""
        return self.diff.updated


class TransactionApplied(msgspec.Struct, frozen=True):
    """A committed transaction changed rows here: all of its tables."""

    ctx: Context
    changes: tuple[TableChanged, ...]


class ReducerCompleted(msgspec.Struct, frozen=True):
    """``ctx.event`` is a `ReducerEvent`; comes after the row changes of the call."""

    ctx: Context


class CallDone(msgspec.Struct, frozen=True):
    """The outcome of a call or one-off query is known."""

    ctx: Context
    pending: PendingCall[Any]


Event: TypeAlias = (
    Connected
    | ConnectFailed
    | Ended
    | BeforeDelete
    | SetApplied
    | SetEnded
    | SetFailed
    | TableChanged
    | TransactionApplied
    | ReducerCompleted
    | CallDone
)
