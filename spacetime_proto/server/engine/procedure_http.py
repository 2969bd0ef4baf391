"""HTTP requests of procedures: ``await ctx.http.get(url)``.

The engine has no sockets: a request is handed to the program that drives the engine, with a
function to call with the answer. That call resumes the procedure.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TypeAlias, cast

import msgspec

from ...wire.http_exchange import HttpResponse

#: Default and largest time limit of a request in seconds, as on a 2.x server.
DEFAULT_TIMEOUT = 30.0
MAX_TIMEOUT = 180.0


class HttpFailed(Exception):
    """An HTTP request of a procedure got no answer; the text says why."""


#: Takes the answer to a request.
Answer: TypeAlias = Callable[[HttpResponse | HttpFailed], None]
#: Sends a request.
Fetcher: TypeAlias = Callable[["Fetch", Answer], None]


class Fetch(msgspec.Struct, frozen=True):
    """One request, which a procedure awaits."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float
    """Seconds for the whole exchange."""

    def __await__(self) -> Generator[Fetch, HttpResponse, HttpResponse]:
        return (yield self)

    def __repr__(self) -> str:
        # The query may hold a token, the body anything.
        return f"Fetch({self.method} {self.url.partition('?')[0]}, {len(self.body)} bytes)"


class Http:
    """``ctx.http`` of an ``async def`` procedure. Every status is an answer, 404 and 500 too."""

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109  # of the exchange, not of the wait
    ) -> HttpResponse:
        """Send a GET request and return the whole response; as `request`."""
        return await self.request("GET", url, headers=headers, timeout=timeout)

    async def post(
        self,
        url: str,
        body: bytes | str = b"",
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109
    ) -> HttpResponse:
        """Send a POST request and return the whole response; as `request`."""
        return await self.request("POST", url, body, headers=headers, timeout=timeout)

    async def request(
        self,
        method: str,
        url: str,
        body: bytes | str = b"",
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109
    ) -> HttpResponse:
        """Send a request and return the whole response; redirections are not followed.

        Args:
            method: GET, POST ...
            url: ``http://host/path?query``, or https.
            body: text is sent as UTF-8.
            headers: in addition to Host, Content-Length and Connection.
            timeout: seconds for the whole exchange, at most 180.

        Raises:
            HttpFailed: there is no answer.
            RuntimeError: a transaction is open.
        """
        if isinstance(headers, Mapping):
            headers = cast("Mapping[str, str]", headers).items()
        return await Fetch(
            method=method,
            url=url,
            headers=tuple(headers),
            body=body.encode() if isinstance(body, str) else body,
            timeout=min(timeout, MAX_TIMEOUT),
        )
