"""What a client session is made with: its options and its target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..protocols import ALL_PROTOCOLS

if TYPE_CHECKING:
    from ..wire.frames import CodecFactory

__all__ = [
    "ALL_PROTOCOLS",
    "ClientOptions",
    "Compression",
    "FrameParser",
    "Target",
    "check_seconds",
]

Compression = Literal["brotli", "gzip", "none"]
FrameParser = Literal["fast", "wsproto"]


_CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "compression": ("brotli", "gzip", "none"),
    "confirmed": (True, False, None),
    "light": (True, False),
    "frames": ("fast", "wsproto"),
    "offline": ("fail", "wait"),
    "strict_deletes": (True, False),
}
"""Options with few values."""


def check_seconds(name: str, value: object) -> float:
    """Return the value of the option `name`, a time.

    Raises:
        LocalProtocolError: it is not a finite number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise LocalProtocolError(f"{name} must be a positive number of seconds, not {value!r}")
    return float(value)


class ClientOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a session that are the same for each connection attempt.

    Raises:
        LocalProtocolError: on construction, for an invalid value; the text names option and value.
    """

    protocols: frozenset[str] = frozenset(ALL_PROTOCOLS)
    """Subprotocols to offer."""
    compression: Compression = "none"
    """What the server may compress its messages with."""
    confirmed: bool | None = None
    """Wait for durability before results are sent; None is the server's default, which is True on
    v2 and v3 and False on v1."""
    light: bool = False
    """v1 only: ask for light updates of other clients' transactions."""
    keepalive: tuple[float, float] | None = (30.0, 30.0)
    """Seconds of silence before a ping, and seconds to wait for any answer to it."""
    close_timeout: float = 5.0
    """Seconds to wait for the peer's close frame after sending ours."""
    offline: Literal["fail", "wait"] = "fail"
    """What becomes of calls made while there is no open connection but one may come back."""
    strict_deletes: bool = False
    """Treat the delete of a row that is not in the cache as a protocol error."""
    frames: FrameParser = "fast"
    """What reads and writes WebSocket frames: this project's own codec, or wsproto."""
    limits: Limits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        unknown = sorted(set(self.protocols) - set(ALL_PROTOCOLS))
        if unknown or not self.protocols:
            names = ", ".join(unknown) or "none given"
            raise LocalProtocolError(
                f"unknown protocols: {names}; this client speaks {', '.join(ALL_PROTOCOLS)}"
            )
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            # The type counts too, because 1 == True.
            if not any(value == one and type(value) is type(one) for one in allowed):
                shown = ", ".join(map(repr, allowed[:-1]))
                raise LocalProtocolError(
                    f"{name} must be {shown} or {allowed[-1]!r}, not {value!r}"
                )
        if self.keepalive is not None:
            if not isinstance(self.keepalive, tuple | list) or len(self.keepalive) != 2:
                raise LocalProtocolError(
                    "keepalive must be (idle seconds, grace seconds) or None,"
                    f" not {self.keepalive!r}"
                )
            for part in self.keepalive:
                check_seconds("keepalive", part)
        check_seconds("close_timeout", self.close_timeout)
        if not isinstance(self.limits, Limits):
            raise LocalProtocolError(f"limits must be a Limits, not {self.limits!r}")

    def frame_codec(self) -> CodecFactory:
        """Return the class of the frame codec; wsproto is imported only if it was chosen."""
        if self.frames == "wsproto":
            from ..wire.frames_wsproto import WsprotoCodec

            return WsprotoCodec
        from ..wire.frames_fast import FastCodec

        return FastCodec

    def offered(self) -> tuple[str, ...]:
        """Return the subprotocols to offer, best first."""
        return tuple(name for name in ALL_PROTOCOLS if name in self.protocols)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where one connection attempt goes. The repr leaves out the token and all headers."""

    host: str
    """Value of the Host header: name and, unless it is the scheme's default, port."""
    database: str
    """Database name or 64-digit hexadecimal identity."""
    path_prefix: str = ""
    """What stands before ``/v1`` in the server's URLs; empty or ``/prefix``."""
    token: str | None = None
    """JSON web token for the Authorization header."""
    query_token: str | None = None
    """A short-lived token for the URL, as ``POST /v1/identity/websocket-token`` gives."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further request headers."""
    token_hint: str = ""
    """What an error adds if the server refuses the token, such as where it was saved."""

    def __repr__(self) -> str:
        return f"Target(host={self.host!r}, database={self.database!r})"

    def request_headers(self) -> list[tuple[str, str]]:
        """Return the headers besides those that every upgrade has."""
        token = [] if self.token is None else [("Authorization", f"Bearer {self.token}")]
        return [*self.headers, *token]

    def request_target(self, options: ClientOptions, session_id: str) -> str:
        """Return the path and query of the subscribe request (docs/protocol.md section 3.1).

        Args:
            options: the options of the session.
            session_id: the client's name across its connections, 32 hexadecimal digits; servers
                before 2.11 ignore it (section 3.7).
        """
        from urllib.parse import quote, urlencode

        parameters = [("compression", options.compression.capitalize())]
        if options.confirmed is not None:
            parameters.append(("confirmed", "true" if options.confirmed else "false"))
        if options.light:
            parameters.append(("light", "true"))
        parameters.append(("session_id", session_id))
        if self.query_token is not None:
            parameters.append(("token", self.query_token))
        path = f"{self.path_prefix}/v1/database/{quote(self.database, safe='')}/subscribe"
        return f"{path}?{urlencode(parameters)}"
