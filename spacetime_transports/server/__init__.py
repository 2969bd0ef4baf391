"""The embedded development server on real sockets."""

from __future__ import annotations

from .serving import Server, ThreadServer, serve, serve_forever, serve_in_thread

__all__ = ["Server", "ThreadServer", "serve", "serve_forever", "serve_in_thread"]
