"""HTTP/1.1 messages without I/O, on h11: one exchange for a client, many requests for a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
import msgspec

from ..errors import Disconnected, LimitExceeded, LocalProtocolError, ProtocolError, SpacetimeError
from ..limits import DEFAULT_LIMITS
from .headers import Headers, check_target, head_size

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HttpExchange", "HttpRequest", "HttpResponse", "HttpServer"]

HEADER_SIZE = DEFAULT_LIMITS.header_size
#: Default limit of a response body, in bytes.
RESPONSE_SIZE = 256 << 20
#: Default limit of a request body, in bytes (a SpacetimeDB server's own, docs/protocol.md section 7.1).
REQUEST_SIZE = 2 << 20


class HttpRequest(msgspec.Struct, frozen=True):
    """One request, whole."""

    method: str
    target: str
    """Path and query, as they stand in the request line."""
    headers: Headers = msgspec.field(default_factory=Headers)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark, still %-encoded."""
        return self.target.partition("?")[2]

    @property
    def wants_upgrade(self) -> bool:
        """True when the request asks to leave HTTP, for a WebSocket."""
        return "upgrade" in (token.lower() for token in self.headers.tokens("connection"))

    def __repr__(self) -> str:
        # The query may hold a token, the body anything.
        return f"HttpRequest({self.method} {self.path}, {len(self.body)} bytes)"


class HttpResponse(msgspec.Struct, frozen=True):
    """One response; whole, but for the body of a streamed one."""

    status: int
    headers: Headers = msgspec.field(default_factory=Headers)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as UTF-8, damage replaced."""
        return self.body.decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"


def _response(head: h11.Response, body: bytes) -> HttpResponse:
    return HttpResponse(head.status_code, Headers.received(head.headers), body)


def _check_method(method: str) -> str:
    if not (method.isascii() and method.isalpha()):
        raise LocalProtocolError(f"{method!r} is not an HTTP method")
    return method


class HttpExchange:
    """The client's side of one request and its response; the connection is closed after it.

    `start`, then repeat: send `data_to_send`, feed `receive_data` or `receive_eof`, until `done`.
    Nothing that the server does raises an exception: `failure` keeps the typed error.

    Attributes:
        response: the response once it is whole; with `stream`, a successful one once its headers
            are there, without body.
        failure: why there will be none (`Disconnected`, `ProtocolError`, `LimitExceeded`).
        done: True when the response is whole or has failed.
    """

    def __init__(
        self,
        *,
        stream: bool = False,
        header_size: int = HEADER_SIZE,
        body_size: int = RESPONSE_SIZE,
    ) -> None:
        """Make an exchange.

        Args:
            stream: give the body of a response with status 2xx out in pieces (`body_pieces`) as
                they come, without limit, instead of keeping it.
            header_size: largest header section accepted, in bytes.
            body_size: largest body kept, in bytes.
        """
        self.response: HttpResponse | None = None
        self.failure: SpacetimeError | None = None
        self.done = False
        self._stream = stream
        self._header_size = header_size
        self._body_size = body_size
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=header_size)
        self._outbox: list[bytes] = []
        self._head: h11.Response | None = None
        self._body = bytearray()
        self._pieces: list[bytes] = []
        self._what = ""

    def start(self, request: HttpRequest, *, host_header: str) -> None:
        """Queue `request`; Host, Content-Length and ``Connection: close`` are added.

        Raises:
            LocalProtocolError: called twice, the target or a header cannot be sent, or a header is
                one of those added.
        """
        if self._what:
            raise LocalProtocolError("an HttpExchange serves one request; make a new one")
        for name in ("host", "content-length", "transfer-encoding", "connection"):
            if name in request.headers:
                raise LocalProtocolError(f"the header {name} is set by the HTTP client")
        self._what = f"{request.method} {request.path} of {host_header}"
        own = [("Host", host_header), ("Connection", "close")]
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            own.append(("Content-Length", str(len(request.body))))
        event = h11.Request(
            method=_check_method(request.method),
            target=check_target(request.target),
            headers=[*Headers(own).raw(), *Headers(request.headers).raw()],
        )
        self._outbox.append(self._h11.send(event))
        if request.body:
            self._outbox.append(self._h11.send(h11.Data(data=request.body)))
        self._outbox.append(self._h11.send(h11.EndOfMessage()))

    def data_to_send(self) -> bytes:
        """Take the bytes that wait to be sent."""
        data = b"".join(self._outbox)
        self._outbox.clear()
        return data

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the response; those that come after it are ignored."""
        if data and not self.done:
            self._h11.receive_data(data)
            self._advance()

    def receive_eof(self) -> None:
        """Take note that no more bytes will come."""
        if not self.done:
            self._h11.receive_data(b"")
            self._advance()

    def body_pieces(self) -> Iterator[bytes]:
        """Take the pieces of a streamed body that have come."""
        pieces, self._pieces = self._pieces, []
        yield from pieces

    def _advance(self) -> None:
        try:
            while not self.done:
                event = self._h11.next_event()
                if isinstance(event, (h11.InformationalResponse, h11.Response)):
                    self._on_head(event)
                elif isinstance(event, h11.Data):
                    self._on_body(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._on_end()
                else:
                    return
        except h11.RemoteProtocolError as error:
            self._on_error(error)

    @property
    def _streaming(self) -> bool:
        head = self._head
        return self._stream and head is not None and 200 <= head.status_code < 300

    def _on_head(self, event: h11.InformationalResponse | h11.Response) -> None:
        if head_size(event) > self._header_size:
            self._fail_headers()
        elif isinstance(event, h11.Response):
            self._head = event
            if self._streaming:
                self.response = _response(event, b"")

    def _on_body(self, data: bytes) -> None:
        if self._streaming:
            self._pieces.append(data)
            return
        self._body += data
        if len(self._body) > self._body_size:
            self._body.clear()
            self._fail(
                LimitExceeded(
                    f"{self._what}: the answer is too long",
                    limit="body_size",
                    maximum=self._body_size,
                )
            )

    def _on_end(self) -> None:
        assert self._head is not None
        if not self._streaming:
            self.response = _response(self._head, bytes(self._body))
            self._body.clear()
        self.done = True

    def _on_error(self, error: h11.RemoteProtocolError) -> None:
        if error.error_status_hint == 431:
            self._fail_headers()
        elif self._h11.trailing_data[1]:
            where = "in the middle of its answer" if self._head else "without an answer"
            self._fail(Disconnected(f"{self._what}: the server hung up {where}", is_final=False))
        else:
            self._fail(ProtocolError(f"{self._what}: the answer is not HTTP ({error})"))

    def _fail_headers(self) -> None:
        self._fail(
            LimitExceeded(
                f"{self._what}: the headers of the answer are too long",
                limit="header_size",
                maximum=self._header_size,
            )
        )

    def _fail(self, failure: SpacetimeError) -> None:
        self.failure = failure
        self.done = True


class HttpServer:
    """The server's side of one TCP connection: requests come in, responses go out, in turn.

    Repeat: feed `receive_data` or `receive_eof`; take `next_request`; `respond`; send
    `data_to_send`; close the socket when `closing`. Read nothing while a response is due, so that
    pipelined requests wait in the kernel. A request with `wants_upgrade` may be answered by
    leaving HTTP instead: `trailing_data` then has the bytes that followed it.

    Attributes:
        closing: True when the connection must be closed once `data_to_send` is sent.
    """

    def __init__(self, *, header_size: int = HEADER_SIZE, body_size: int = REQUEST_SIZE) -> None:
        """Make the server's side; requests beyond the sizes (bytes) are refused with 431, 413."""
        self.closing = False
        self._header_size = header_size
        self._body_size = body_size
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=header_size)
        self._outbox: list[bytes] = []
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._due = False

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client."""
        if data and not self.closing:
            self._h11.receive_data(data)

    def receive_eof(self) -> None:
        """Take note that the client sends no more; `next_request` then ends the connection."""
        if not self.closing:
            self._h11.receive_data(b"")

    def next_request(self) -> HttpRequest | None:
        """Return the next whole request, or None: more bytes, or a response, are due first.

        What is not HTTP, or too long, is answered here, and the connection is then `closing`.
        """
        if self._due or self.closing:
            return None
        try:
            return self._read_request()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))
        return None

    def respond(self, response: HttpResponse) -> None:
        """Queue the response to the request that `next_request` gave last.

        Content-Length is added; status 204 and 304 have no body (RFC 9110 section 6.4.1).

        Raises:
            LocalProtocolError: no request waits for a response, the status is not 200 to 599, or a
                header cannot be sent.
        """
        head = self._head
        if not self._due or head is None:
            raise LocalProtocolError("there is no request to respond to")
        status, headers = response.status, Headers(response.headers)
        if not 200 <= status <= 599:
            raise LocalProtocolError(f"{status} is not the status of a whole response")
        for name in ("content-length", "transfer-encoding"):
            if name in headers:
                raise LocalProtocolError(f"the header {name} is set by the HTTP server")
        has_body = status not in (204, 304)
        length = [(b"Content-Length", b"%d" % len(response.body))] if has_body else []
        event = h11.Response(status_code=status, headers=[*headers.raw(), *length])
        self._outbox.append(self._h11.send(event))
        if has_body and head.method != b"HEAD" and response.body:
            self._outbox.append(self._h11.send(h11.Data(data=response.body)))
        self._outbox.append(self._h11.send(h11.EndOfMessage()))
        self._due, self._head = False, None
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self.closing = True

    def data_to_send(self) -> bytes:
        """Take the bytes that wait to be sent."""
        data = b"".join(self._outbox)
        self._outbox.clear()
        return data

    @property
    def trailing_data(self) -> bytes:
        """Bytes received after the last request, for the protocol that follows an upgrade."""
        return self._h11.trailing_data[0]

    def _read_request(self) -> HttpRequest | None:
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Request):
                if head_size(event) > self._header_size:
                    raise h11.RemoteProtocolError("headers too long", error_status_hint=431)
                self._head = event
                if self._h11.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    self._outbox.append(self._h11.send(go_on))
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._body_size:
                    raise h11.RemoteProtocolError("body too long", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage):
                return self._whole_request()
            else:
                self.closing = isinstance(event, h11.ConnectionClosed)
                return None

    def _whole_request(self) -> HttpRequest:
        head = self._head
        assert head is not None
        body = bytes(self._body)
        self._body.clear()
        self._due = True
        return HttpRequest(
            method=head.method.decode("ascii"),
            target=head.target.decode("ascii"),
            headers=Headers.received(head.headers),
            body=body,
        )

    def _refuse(self, status: int, text: str) -> None:
        """Answer a bad request; h11 is in its error state by now, so the bytes are made here."""
        body = text.encode("utf-8", "replace")
        self._outbox.append(
            b"HTTP/1.1 %d Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n" % (status, len(body)) + body
        )
        self._body.clear()
        self.closing = True
