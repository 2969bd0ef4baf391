"""SpacetimeDB clients for asyncio, trio and blocking programs.

The names below are loaded when they are first used, so that importing the package costs nothing
and a blocking program never imports an event loop::

    from spacetime_transports import connect              # asyncio and trio
    from spacetime_transports import blocking             # threads and game loops
    from spacetime_transports import SpacetimeDBAsyncClient, local_config   # the original API
    from spacetime_transports import errors, Identity, Range, Timestamp, ReducerEvent

The last line shows that the values, events and errors of `spacetime_proto` which programs use are here
too: one import serves a whole program.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacetime_proto import (
        Call,
        ClientState,
        ConnectionId,
        Context,
        Delete,
        Disconnected,
        DisconnectedEvent,
        Err,
        Identity,
        Insert,
        Limits,
        Ok,
        Range,
        Reconnected,
        ReducerEvent,
        Rows,
        ScheduleAt,
        Some,
        SpacetimeError,
        Stats,
        SubscribeApplied,
        SubscriptionFailed,
        SumValue,
        TimeDuration,
        Timestamp,
        Transaction,
        UnsubscribeApplied,
        Update,
        Uuid,
        errors,
        json_default,
    )

    from . import blocking
    from .aio.client import AsyncClient, connect
    from .blocking import BlockingClient
    from .http import AsyncHttpClient, HttpClient
    from .legacy import local_config
    from .legacy.async_client import (
        SpacetimeDBAsyncClient,
        SpacetimeDBClient,
        SpacetimeDBException,
    )
    from .options import (
        ConnectOptions,
        Options,
        ReconnectPolicy,
    )
    from .token_sources import InsecureTokenWarning, TokenFile

__all__ = [
    "AsyncClient",
    "AsyncHttpClient",
    "BlockingClient",
    "Call",
    "ClientState",
    "ConnectOptions",
    "ConnectionId",
    "Context",
    "Delete",
    "Disconnected",
    "DisconnectedEvent",
    "Err",
    "HttpClient",
    "Identity",
    "InsecureTokenWarning",
    "Insert",
    "Limits",
    "Ok",
    "Options",
    "Range",
    "ReconnectPolicy",
    "Reconnected",
    "ReducerEvent",
    "Rows",
    "ScheduleAt",
    "Some",
    "SpacetimeDBAsyncClient",
    "SpacetimeDBClient",
    "SpacetimeDBException",
    "SpacetimeError",
    "Stats",
    "SubscribeApplied",
    "SubscriptionFailed",
    "SumValue",
    "TimeDuration",
    "Timestamp",
    "TokenFile",
    "Transaction",
    "UnsubscribeApplied",
    "Update",
    "Uuid",
    "blocking",
    "connect",
    "errors",
    "json_default",
    "local_config",
]

_HOMES = {
    "AsyncClient": "aio.client",
    "AsyncHttpClient": "http",
    "BlockingClient": "blocking",
    "ConnectOptions": "options",
    "HttpClient": "http",
    "InsecureTokenWarning": "token_sources",
    "Options": "options",
    "ReconnectPolicy": "options",
    "SpacetimeDBAsyncClient": "legacy.async_client",
    "SpacetimeDBClient": "legacy.async_client",
    "SpacetimeDBException": "legacy.async_client",
    "TokenFile": "token_sources",
    "connect": "aio.client",
}


def __getattr__(name: str) -> object:
    if name == "blocking":
        return importlib.import_module(".blocking", __name__)
    if name == "local_config":
        return importlib.import_module(".legacy.local_config", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in __all__:
        return getattr(importlib.import_module("spacetime_proto"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
