"""What a client message asked for, whatever protocol it went by; used to replay recordings."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from .calls import CallKind  # annotation of a public field

__all__ = ["CallSent", "Outgoing", "QuerySent", "SubscribeSent", "UnsubscribeSent"]


class SubscribeSent(msgspec.Struct, frozen=True):
    """A query set was asked for; without `set_id` it is v1's legacy set."""

    request_id: int
    set_id: int | None
    queries: tuple[str, ...]


class UnsubscribeSent(msgspec.Struct, frozen=True):
    """The end of a query set was asked for."""

    request_id: int
    set_id: int


class QuerySent(msgspec.Struct, frozen=True):
    """A one-off query."""

    key: int | bytes
    """Request id, or v1's message id."""
    sql: str


class CallSent(msgspec.Struct, frozen=True):
    """A call; `expects_reply` is False for v1 calls that do not want to hear of success."""

    request_id: int
    kind: CallKind
    name: str
    expects_reply: bool = True


Outgoing: TypeAlias = SubscribeSent | UnsubscribeSent | QuerySent | CallSent
