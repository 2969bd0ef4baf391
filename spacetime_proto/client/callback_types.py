"""The types of the functions that a client calls back; those of row callbacks are in `table_handles`.

Each takes a `Context` first, and returns nothing; on an asyncio or trio client it may be an ``async
def``. A package of generated bindings exports a `Context` that knows what ``ctx.db`` is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from ..errors import SpacetimeError
from ..types import Identity
from .context import Context, DbT
from .events import TableChanged

__all__ = [
    "CallbackErrorHandler",
    "ConnectCallback",
    "ConnectErrorCallback",
    "ContextCallback",
    "DisconnectCallback",
    "Returned",
    "SubscriptionErrorCallback",
    "TransactionCallback",
]

Returned: TypeAlias = Awaitable[None] | None
"""What a callback returns: nothing, at once or when it is awaited."""

ContextCallback: TypeAlias = Callable[[Context[DbT]], Returned]
"""``callback(ctx)``: `on_applied`, `on_end`, `on_subscription_applied`, `on_reducer`."""

SubscriptionErrorCallback: TypeAlias = Callable[[Context[DbT], SpacetimeError], Returned]
"""``on_error(ctx, error)`` of a subscription."""

ConnectCallback: TypeAlias = Callable[[Context[DbT], Identity, str], Returned]
"""``on_connect(ctx, identity, token)``."""

ConnectErrorCallback: TypeAlias = Callable[[Context[DbT], BaseException], Returned]
"""``on_connect_error(ctx, error)``."""

DisconnectCallback: TypeAlias = Callable[[Context[DbT], BaseException | None], Returned]
"""``on_disconnect(ctx, error)``; the error is None if this side closed the connection."""

TransactionCallback: TypeAlias = Callable[[Context[DbT], tuple[TableChanged, ...]], Returned]
"""``on_transaction(ctx, changes)``."""

CallbackErrorHandler: TypeAlias = (
    Callable[[Exception], Returned] | Callable[[Exception, Callable[..., Any]], Returned]
)
"""``on_callback_error(error)`` or ``on_callback_error(error, callback)``."""
