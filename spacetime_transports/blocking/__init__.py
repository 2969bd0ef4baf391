"""The client for programs without an event loop: scripts, threads, game loops."""

from __future__ import annotations

from .client import BlockingChangeStream, BlockingClient, BlockingSubscription, connect

__all__ = ["BlockingChangeStream", "BlockingClient", "BlockingSubscription", "connect"]
