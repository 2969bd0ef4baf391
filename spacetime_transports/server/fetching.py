"""Sends the HTTP requests of procedures of the embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spacetime_proto.errors import SpacetimeError
from spacetime_proto.server import HttpFailed
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpRequest

from ..net.address import parse_host
from ..net.async_exchange import deadline_after, exchange
from ..net.route import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from spacetime_proto.server import Fetch
    from spacetime_proto.server.engine.procedure_http import Answer
    from spacetime_proto.wire.http_exchange import HttpResponse

__all__ = ["BackgroundFetcher"]


class BackgroundFetcher:
    """A `spacetime_proto.server.fetching.Fetcher` that runs each request in a task of its own.

    Attributes:
        tasks: where the tasks run; None while the server does not run.
    """

    def __init__(self, after: Callable[[], None]) -> None:
        """Make a fetcher; `after` is called when an answer was given."""
        self.tasks: TaskGroup | None = None
        self._after = after

    def __call__(self, request: Fetch, answer: Answer) -> None:
        if self.tasks is None:
            answer(HttpFailed("the server is not running"))
        else:
            self.tasks.start_soon(self._run, request, answer)

    async def _run(self, request: Fetch, answer: Answer) -> None:
        try:
            result: HttpResponse | HttpFailed = await fetch(request)
        except (SpacetimeError, OSError, ValueError) as error:
            result = HttpFailed(f"{request.method} {_shown(request.url)}: error: {error}")
        answer(result)
        self._after()


async def fetch(request: Fetch) -> HttpResponse:
    """Send one request and return the whole response.

    Raises:
        SpacetimeError, ValueError: the URL is invalid, or there is no answer.
    """
    parts = urlsplit(request.url)
    address = parse_host(f"{parts.scheme}://{parts.netloc}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    message = HttpRequest(request.method, target, Headers(request.headers), request.body)
    route = Route(address, timeout=request.timeout)
    return await exchange(route, message, deadline_after(request.timeout))


def _shown(url: str) -> str:
    return url.partition("?")[0]
