"""`Route`: how to reach a server: address, TLS context, proxy and time limit."""

from __future__ import annotations

import ssl

import msgspec

from .address import Address


class Route(msgspec.Struct, frozen=True):
    """How an HTTP exchange reaches its server."""

    address: Address
    """The server; its path prefix is not added to requests."""
    ssl_context: ssl.SSLContext | None = None
    """For a secure address; default verifies against the system's authorities."""
    proxy: str | None = None
    """URL of an HTTP or SOCKS5 proxy."""
    timeout: float | None = None
    """Seconds for one whole exchange; None sets no limit."""

    def __repr__(self) -> str:
        return f"Route({self.address.url!r})"
