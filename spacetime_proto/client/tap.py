"""`Tap`: sees every payload of a session, for example to record it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Tap(Protocol):
    """Sees the payloads of each connection of a session, as they are on the wire.

    Payloads hold the token. An exception in a method ends the client, and is the error that everything
    then reports.
    """

    def started(self, protocol: str, headers: Iterable[tuple[str, str]]) -> None:
        """The upgrade has succeeded; headers are those of the 101 response."""

    def message(self, direction: Literal["client", "server"], payload: bytes | str) -> None:
        """A whole WebSocket message is about to be sent, or has come."""

    def closed(self, direction: Literal["client", "server"], code: int | None, reason: str) -> None:
        """The connection is over; `code` and `reason` are those of the peer's close frame."""


class CarefulTap:
    """Passes everything on to a tap, and what that raises to a function."""

    def __init__(self, tap: Tap, on_error: Callable[[Exception], object]) -> None:
        self._tap = tap
        self._on_error = on_error

    def started(self, protocol: str, headers: Iterable[tuple[str, str]]) -> None:
        try:
            self._tap.started(protocol, headers)
        except Exception as error:
            self._on_error(error)

    def message(self, direction: Literal["client", "server"], payload: bytes | str) -> None:
        try:
            self._tap.message(direction, payload)
        except Exception as error:
            self._on_error(error)

    def closed(self, direction: Literal["client", "server"], code: int | None, reason: str) -> None:
        try:
            self._tap.closed(direction, code, reason)
        except Exception as error:
            self._on_error(error)
