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
    from . import blocking, local_config
    from .aio import AsyncClient, connect
    from .blocking import BlockingClient
    from .http import AsyncHttpClient, HttpClient
    from .legacy import SpacetimeDBAsyncClient, SpacetimeDBClient, SpacetimeDBException
    from .options import ConnectOptions, InsecureTokenWarning, Options, TokenFile
    from .retry import ReconnectPolicy

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
    "AsyncClient": "aio",
    "AsyncHttpClient": "http",
    "BlockingClient": "blocking",
    "ConnectOptions": "options",
    "HttpClient": "http",
    "InsecureTokenWarning": "options",
    "Options": "options",
    "ReconnectPolicy": "retry",
    "SpacetimeDBAsyncClient": "legacy",
    "SpacetimeDBClient": "legacy",
    "SpacetimeDBException": "legacy",
    "TokenFile": "options",
    "connect": "aio",
}


def __getattr__(name: str) -> object:
    if name in ("blocking", "local_config"):
        return importlib.import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
