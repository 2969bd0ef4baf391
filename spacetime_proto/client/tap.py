"""`Tap`: sees every payload of a session, for example to record it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class Tap(Protocol):
    """Sees the payloads of each connection of a session, as they are on the wire.

    Payloads hold the token. An exception in a method leaves through the session's method that
    called it.
    """

    def started(self, protocol: str, headers: Iterable[tuple[str, str]]) -> None:
        """The upgrade has succeeded; headers are those of the 101 response."""

    def message(self, direction: Literal["client", "server"], payload: bytes | str) -> None:
        """A whole WebSocket message is about to be sent, or has come."""

    def closed(self, direction: Literal["client", "server"], code: int | None, reason: str) -> None:
        """The connection is over; `code` and `reason` are those of the peer's close frame."""
