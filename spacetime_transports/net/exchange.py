"""The part of an HTTP exchange that asynchronous and blocking clients share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacetime_proto.errors import CallTimeout, Disconnected
from spacetime_proto.wire.http_exchange import HttpExchange

from .failures import readable

if TYPE_CHECKING:
    from spacetime_proto.wire.http_exchange import HttpRequest

    from ..logs import HttpLog
    from .route import Route

READ_SIZE = 256 * 1024


class Exchange:
    """One running HTTP exchange.

    Attributes:
        machine: the exchange without I/O.
        route: the way to the server; its time limit is for everything together.
    """

    def __init__(self, route: Route, request: HttpRequest, *, stream: bool, log: HttpLog) -> None:
        """Make the machine and give it the request.

        Raises:
            LocalProtocolError: the request cannot be sent.
        """
        self.machine = HttpExchange(stream=stream)
        self.route = route
        self._log: HttpLog | None = log
        self._what = f"{request.method} {request.path} of {route.address.authority}"
        self.machine.start(request, host_header=route.address.host_header)

    def feed(self, data: bytes) -> None:
        """Take the bytes that were read (none: end of stream); raises the machine's failure."""
        if data:
            self.machine.receive_data(data)
        else:
            self.machine.receive_eof()
        if self.machine.failure is not None:
            raise self.machine.failure
        if self.machine.response is not None and self._log is not None:
            self._log.answered(self.machine.response.status)
            self._log = None

    def too_late(self) -> CallTimeout:
        """Return the error for a time limit that has passed."""
        assert self.route.timeout is not None
        return CallTimeout(f"{self._what}: no answer within {readable(self.route.timeout)} s")

    def broken(self, cause: object) -> Disconnected:
        """Return the error for a connection that broke."""
        return Disconnected(f"{self._what}: the connection broke ({cause})", is_final=False)
