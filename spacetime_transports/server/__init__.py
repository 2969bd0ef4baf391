"""The embedded development server on real sockets.

The names below are loaded when they are first used: pytest imports this package in every run, for the
plugin in it, and a run that needs no server should not import one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .serving import Server, ThreadServer, serve, serve_forever, serve_in_thread

__all__ = ["Server", "ThreadServer", "serve", "serve_forever", "serve_in_thread"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(importlib.import_module(".serving", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
