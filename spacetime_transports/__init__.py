"""SpacetimeDB clients for asyncio, trio and blocking programs.

The names below are loaded when they are first used, so that importing the package costs nothing
and a blocking program never imports an event loop::

    from spacetime_transports import connect              # asyncio and trio
    from spacetime_transports import blocking             # threads and game loops
    from spacetime_transports import SpacetimeDBAsyncClient, local_config   # the original API
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        InsecureTokenWarning,
        Options,
        ReconnectPolicy,
        TokenFile,
    )

__all__ = [
    "AsyncClient",
    "AsyncHttpClient",
    "BlockingClient",
    "ConnectOptions",
    "HttpClient",
    "InsecureTokenWarning",
    "Options",
    "ReconnectPolicy",
    "SpacetimeDBAsyncClient",
    "SpacetimeDBClient",
    "SpacetimeDBException",
    "TokenFile",
    "blocking",
    "connect",
    "local_config",
]

_HOMES = {
    "AsyncClient": "aio.client",
    "AsyncHttpClient": "http",
    "BlockingClient": "blocking",
    "ConnectOptions": "options",
    "HttpClient": "http",
    "InsecureTokenWarning": "options",
    "Options": "options",
    "ReconnectPolicy": "options",
    "SpacetimeDBAsyncClient": "legacy.async_client",
    "SpacetimeDBClient": "legacy.async_client",
    "SpacetimeDBException": "legacy.async_client",
    "TokenFile": "options",
    "connect": "aio.client",
}


def __getattr__(name: str) -> object:
    if name == "blocking":
        return importlib.import_module(".blocking", __name__)
    if name == "local_config":
        return importlib.import_module(".legacy.local_config", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
