"""The events of a client session, as frozen values.

They are what `ClientSession.events` yields, in the order in which callbacks run. Each has a context,
whose event is one of the causes that are re-exported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..errors import SpacetimeError  # annotations of public fields
from ..types import ConnectionId, Identity
from .causes import (
    DisconnectedEvent,
    Reconnected,
    ReducerEvent,
    SubscribeApplied,
    SubscriptionFailed,
    Transaction,
    UnsubscribeApplied,
    Why,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cache.changes import TableDiff
    from .context import Context
    from .pending_call import PendingCall
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


class Connected(msgspec.Struct, frozen=True):
    """A connection is established, the first or a later one. The token is not part of the repr."""

    ctx: Context
    identity: Identity
    connection_id: ConnectionId
    token: str

    def __repr__(self) -> str:
        return f"Connected(identity={self.identity!r}, connection_id={self.connection_id!r})"


class ConnectFailed(msgspec.Struct, frozen=True):
    """An attempt ended before the server's first message."""

    ctx: Context
    error: BaseException


class Ended(msgspec.Struct, frozen=True):
    """An established connection is over; `error` is None when this client closed it."""

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
