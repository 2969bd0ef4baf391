"""How to reach a server, as one value: where it is, how to trust it, through what, how long to wait."""

from __future__ import annotations

import ssl

import msgspec

from .address import Address

__all__ = ["Route"]


class Route(msgspec.Struct, frozen=True):
    """What an HTTP exchange needs to know about its way."""

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
