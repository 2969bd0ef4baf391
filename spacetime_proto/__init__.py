"""SpacetimeDB without I/O: protocol, client cache, bindings, and both roles of a connection.

Nothing in this package opens a socket, reads a clock, starts a thread or draws a random number; bytes,
times and entropy come in as arguments, bytes and events go out. `spacetime_transports` runs it on
asyncio, trio and blocking sockets. The modules of the names below are imported when a name is first
used, which keeps ``import spacetime_proto`` fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    from .cache.views import IndexView, Range, TableView, UniqueColumn
    from .client.context import Context
    from .client.events import (
        DisconnectedEvent,
        Reconnected,
        ReducerEvent,
        SubscribeApplied,
        SubscriptionFailed,
        Transaction,
        UnsubscribeApplied,
    )
    from .client.pending_call import Call, PendingCall
    from .client.session import ClientSession
    from .client.session_options import ClientOptions, Target
    from .client.states import ClientState
    from .client.stats import Stats
    from .client.subscriptions import Subscription
    from .client.table_handles import (
        CallbackHandle,
        Delete,
        EventTableHandle,
        Insert,
        KeyedTableHandle,
        TableHandle,
        Update,
    )
    from .dataframes.query_rows import Rows
    from .errors import Disconnected, SpacetimeError
    from .limits import Limits
    from .sats.plain import json_default
    from .schema.load import load_schema
    from .schema.model import ModuleDef
    from .types import (
        ConnectionId,
        Err,
        Identity,
        Ok,
        ScheduleAt,
        Some,
        SumValue,
        TimeDuration,
        Timestamp,
        Uuid,
    )

__all__ = [
    "Call",
    "CallbackHandle",
    "ClientOptions",
    "ClientSession",
    "ClientState",
    "ConnectionId",
    "Context",
    "Delete",
    "Disconnected",
    "DisconnectedEvent",
    "Err",
    "EventTableHandle",
    "Identity",
    "IndexView",
    "Insert",
    "KeyedTableHandle",
    "Limits",
    "ModuleDef",
    "Ok",
    "PendingCall",
    "Range",
    "Reconnected",
    "ReducerEvent",
    "Rows",
    "ScheduleAt",
    "Some",
    "SpacetimeError",
    "Stats",
    "SubscribeApplied",
    "Subscription",
    "SubscriptionFailed",
    "SumValue",
    "TableHandle",
    "TableView",
    "Target",
    "TimeDuration",
    "Timestamp",
    "Transaction",
    "UniqueColumn",
    "UnsubscribeApplied",
    "Update",
    "Uuid",
    "errors",
    "json_default",
    "load_schema",
]

_HOMES = {
    ".cache.views": ("IndexView", "Range", "TableView", "UniqueColumn"),
    ".client.pending_call": ("Call", "PendingCall"),
    ".client.context": ("Context",),
    ".client.events": (
        "DisconnectedEvent", "Reconnected", "ReducerEvent", "SubscribeApplied", "SubscriptionFailed",
        "Transaction", "UnsubscribeApplied",
    ),
    ".client.table_handles": (
        "CallbackHandle", "Delete", "EventTableHandle", "Insert", "KeyedTableHandle",
        "TableHandle", "Update",
    ),
    ".client.session_options": ("ClientOptions", "Target"),
    ".client.session": ("ClientSession",),
    ".client.states": ("ClientState",),
    ".client.stats": ("Stats",),
    ".client.subscriptions": ("Subscription",),
    ".dataframes.query_rows": ("Rows",),
    ".errors": ("Disconnected", "SpacetimeError"),
    ".limits": ("Limits",),
    ".sats.plain": ("json_default",),
    ".schema.load": ("load_schema",),
    ".schema.model": ("ModuleDef",),
    ".types": (
        "ConnectionId", "Err", "Identity", "Ok", "ScheduleAt", "Some", "SumValue",
        "TimeDuration", "Timestamp", "Uuid",
    ),
}  # fmt: skip

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
