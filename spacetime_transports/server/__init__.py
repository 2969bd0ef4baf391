"""The embedded development server on real sockets.

The names below are loaded when they are first used: pytest imports this package on every run, for the
sake of `pytest_plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .serving import Server, ThreadServer, serve, serve_forever, serve_in_thread

__all__ = ["Server", "ThreadServer", "serve", "serve_forever", "serve_in_thread"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import serving

    return getattr(serving, name)
