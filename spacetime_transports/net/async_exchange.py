"""One HTTP exchange over a stream of its own, for asyncio and trio."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio

from ..logs import HttpLog
from .async_stream import close_at_once, open_stream
from .exchange import READ_SIZE, Exchange
from .failures import timeout_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import ByteStream

    from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse

    from .route import Route


def deadline_after(seconds: float | None) -> float:
    """Return the point in time that many seconds from now, on the event loop's clock."""
    return float("inf") if seconds is None else anyio.current_time() + seconds


async def exchange(route: Route, request: HttpRequest, deadline: float) -> HttpResponse:
    """Send `request` and return the whole response; arguments and errors as in `blocking_exchange`."""
    log = HttpLog(request, route)
    running = _Exchange(route, request, deadline, stream=False, log=log)
    with log.failing():
        try:
            await running.start()
            while not running.machine.done:
                await running.receive()
        finally:
            await running.close()
    assert running.machine.response is not None
    return running.machine.response


async def exchange_stream(
    route: Route, request: HttpRequest, deadline: float
) -> AsyncGenerator[HttpResponse | bytes, None]:
    """Send `request`; yield the response once its headers are there, then its body as it comes.

    As `blocking_exchange.exchange_stream`. Close the generator (``contextlib.aclosing``) when leaving
    it early.
    """
    # No cancel scope may be open at a `yield`: a scope belongs to one task, and a generator may be
    # resumed by another.
    log = HttpLog(request, route)
    running = _Exchange(route, request, deadline, stream=True, log=log)
    machine = running.machine
    with log.failing():
        try:
            await running.start()
            while machine.response is None:
                await running.receive()
            yield machine.response
            running.deadline = float("inf")
            while True:
                for piece in machine.body_pieces():
                    yield piece
                if machine.done:
                    return
                await running.receive()
        finally:
            await running.close()


class _Exchange(Exchange):
    """An exchange on a stream."""

    def __init__(
        self, route: Route, request: HttpRequest, deadline: float, *, stream: bool, log: HttpLog
    ) -> None:
        super().__init__(route, request, stream=stream, log=log)
        self.deadline = deadline
        self._stream: ByteStream | None = None

    async def start(self) -> None:
        """Connect, and send the request."""
        route = self.route
        with anyio.CancelScope(deadline=self.deadline):
            self._stream = await open_stream(
                route.address, ssl_context=route.ssl_context, proxy=route.proxy
            )
        if self._stream is None:
            assert route.timeout is not None
            raise timeout_failure(route.address, route.timeout, "timeout")
        # A server may answer and hang up before it has read all (413 for one): what it said
        # matters more than that the rest could not be sent.
        with contextlib.suppress(anyio.BrokenResourceError, ConnectionError):
            with anyio.CancelScope(deadline=self.deadline) as scope:
                await self._stream.send(self.machine.data_to_send())
            if scope.cancelled_caught:
                raise self.too_late()

    async def receive(self) -> None:
        """Read once; raises the machine's failure."""
        assert self._stream is not None
        data = None
        try:
            with anyio.CancelScope(deadline=self.deadline):
                data = await self._stream.receive(READ_SIZE)
        except anyio.EndOfStream:
            data = b""
        except (anyio.BrokenResourceError, OSError) as error:
            raise self.broken(error.__cause__ or error) from error
        if data is None:
            raise self.too_late()
        self.feed(data)

    async def close(self) -> None:
        if self._stream is not None:
            await close_at_once(self._stream)
