"""The requests that wait to be sent on one connection, and their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LocalProtocolError
from ..limits import sent_size
from .pending_call import Departure

if TYPE_CHECKING:
    from collections.abc import Sized

    from ..limits import Limits
    from .pending_call import PendingCall


class Outbox:
    """Encoded requests in the order in which they were made.

    Args:
        limits: `in_flight` and `outgoing_size` are enforced here.
        calls: the calls that wait for an answer.
        sets: the requests about query sets that wait for one. Both are only counted.
    """

    def __init__(self, limits: Limits, calls: Sized, sets: Sized) -> None:
        self._calls = calls
        self._sets = sets
        self._max_in_flight = limits.in_flight
        self._max_size = limits.outgoing_size
        self._payloads: list[bytes | str] = []
        self._departure = Departure()
        self._next_id = 1

    def new_id(self) -> int:
        """Return the id for another request.

        Raises:
            LocalProtocolError: too many requests wait for their answers.
        """
        in_flight = len(self._calls) + len(self._sets)
        if in_flight >= self._max_in_flight:
            raise LocalProtocolError(
                f"{in_flight} requests already wait for their answers "
                f"(limit in_flight = {self._max_in_flight})"
            )
        request_id = self._next_id
        # Ids are u32 on the wire; by the time they wrap, the low ones are long answered.
        self._next_id = request_id + 1 if request_id < 0xFFFF_FFFF else 1
        return request_id

    def put(self, payload: bytes | str, pending: PendingCall[Any] | None = None) -> None:
        """Queue an encoded request; LocalProtocolError if it is too large.

        Args:
            payload: the request.
            pending: the call in it, if any; marked as sent by `take`.
        """
        size = len(payload) if type(payload) is bytes else sent_size(payload)
        if size > self._max_size:
            raise LocalProtocolError(
                f"a request of {size} bytes is too large to send "
                f"(limit outgoing_size = {self._max_size})"
            )
        self._payloads.append(payload)
        if pending is not None:
            pending.departure = self._departure

    def take(self, now: float) -> list[bytes | str]:
        """Take all that is queued, to be sent at once, at this time."""
        payloads = self._payloads
        if payloads:
            self._payloads = []
            self._departure.at = now
            self._departure = Departure()
        return payloads
