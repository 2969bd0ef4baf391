"""One HTTP exchange over a socket of its own, for blocking programs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ..logs import HttpLog
from .blocking_stream import open_socket
from .exchange import READ_SIZE, Exchange

if TYPE_CHECKING:
    from collections.abc import Generator

    from spacetime_proto.errors import SpacetimeError
    from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse

    from .route import Route


def deadline_after(seconds: float | None) -> float | None:
    """Return the point in time that many seconds from now, on `time.monotonic`."""
    return None if seconds is None else time.monotonic() + seconds


def exchange(route: Route, request: HttpRequest, deadline: float | None) -> HttpResponse:
    """Send `request` and return the whole response.

    Args:
        route: the way to the server; errors name its time limit.
        request: what to send.
        deadline: when the time is up (`deadline_after`), for everything together.

    Raises:
        ConnectError: no connection could be made.
        CallTimeout: the answer did not come in time; the server may still do what was asked.
        Disconnected: the server hung up before its answer was complete.
        ProtocolError: the answer is not HTTP, or too long (LimitExceeded).
    """
    log = HttpLog(request, route)
    with log.failing(), _Exchange(route, request, deadline, stream=False, log=log) as running:
        machine = running.machine
        while not machine.done:
            running.receive()
    assert machine.response is not None
    return machine.response


def exchange_stream(
    route: Route, request: HttpRequest, deadline: float | None
) -> Generator[HttpResponse | bytes, None, None]:
    """Send `request`; yield the response once its headers are there, then its body as it comes.

    An error response is yielded whole, with its body. The time limit ends with the headers. Closing
    the iterator closes the connection. Errors as `exchange`.
    """
    log = HttpLog(request, route)
    with log.failing(), _Exchange(route, request, deadline, stream=True, log=log) as running:
        machine = running.machine
        while machine.response is None:
            running.receive()
        yield machine.response
        running.deadline = None
        while True:
            yield from machine.body_pieces()
            if machine.done:
                return
            running.receive()


class _Exchange(Exchange):
    """An exchange on a socket, as a context that closes it."""

    def __init__(
        self,
        route: Route,
        request: HttpRequest,
        deadline: float | None,
        *,
        stream: bool,
        log: HttpLog,
    ) -> None:
        # The request is checked before a socket is opened.
        super().__init__(route, request, stream=stream, log=log)
        self.deadline = deadline
        self._socket = open_socket(
            route.address,
            ssl_context=route.ssl_context,
            proxy=route.proxy,
            timeout=None if deadline is None else deadline - time.monotonic(),
            limit=route.timeout,
            option="timeout",
        )

    def __enter__(self) -> _Exchange:
        try:
            self._limit()
            # A server may answer and hang up before it has read all (413 for one): what it said
            # matters more than that the rest could not be sent.
            with contextlib.suppress(ConnectionError):
                self._socket.sendall(self.machine.data_to_send())
        except OSError as error:
            self._socket.close()
            raise self._failure(error) from error
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def receive(self) -> None:
        """Read once; raises the machine's failure."""
        try:
            self._limit()
            data = self._socket.recv(READ_SIZE)
        except OSError as error:
            raise self._failure(error) from error
        self.feed(data)

    def _failure(self, error: OSError) -> SpacetimeError:
        # A TimeoutError with a number is the kernel's: the other side is gone.
        is_late = isinstance(error, TimeoutError) and error.errno is None
        return self.too_late() if is_late else self.broken(error)

    def _limit(self) -> None:
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
