"""The HTTP part of opening a WebSocket, both roles, on h11 (RFC 6455 section 4).

h11 rather than wsproto's own handshake, because the key must come from the caller's entropy, the
header section must have a size limit, and the body of a refusal must be read: it holds the server's
reason (docs/protocol.md section 3.3).
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import h11

from ..errors import AuthError, ConnectError, DatabaseNotFound, HandshakeError, LocalProtocolError
from .headers import HeaderFields, Headers, check_target, head_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .http_exchange import HttpRequest

__all__ = [
    "Accepted",
    "ClientHandshake",
    "accept_token",
    "refusal",
    "upgrade_problem",
    "upgrade_response",
]

#: RFC 6455 section 1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Most of a refusal's body that is kept, in bytes; error texts of a server are a line or two.
BODY_SIZE = 8192

#: Headers that the handshake itself sets; a caller's would contradict them.
_OWN = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    }
)
_HTTP = b"HTTP/"
_SUBPROTOCOL = "sec-websocket-protocol"
#: 16 bytes as base64: 22 characters, of which the last has 4 bits unused, and padding.
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
_DATABASE = re.compile(r"/v1/database/([^/?]+)/subscribe")
_NO_SUCH_IDENTITY = re.compile(r"Unable to authorize\b.*not found", re.DOTALL)


class Accepted(NamedTuple):
    """The server's answer to a successful upgrade."""

    subprotocol: str | None
    """The protocol it picked, or None if it named none."""
    headers: Headers
    """All headers of the 101 response."""


def accept_token(key: bytes) -> bytes:
    """Return the ``Sec-WebSocket-Accept`` that proves that `key` was read."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


#: What a server may answer while another connection holds the client's session, instead of accepting
#: the new one and closing it (docs/protocol.md section 3.7).
_CONFLICT = 409

#: What gateways and load balancers in front of a server say for it.
_GATEWAY = {
    429: "too many requests, says the server or a gateway in front of it",
    502: "a gateway in front of the server cannot reach it",
    503: "a gateway in front of the server, or the server itself, says that it is not there now",
    504: "a gateway in front of the server waited for it in vain",
}


def gateway_words(status: int, headers: Headers | None, words: str = "") -> str:
    """Return what the statuses 429, 502, 503 and 504 mean; empty for any other.

    Args:
        status: the HTTP status.
        headers: of the answer; ``Retry-After`` is quoted.
        words: the first line of the body; the page of a gateway (HTML) is left out.
    """
    if status not in _GATEWAY:
        return ""
    text = _GATEWAY[status]
    if words and not words.startswith("<"):
        text += f" ({words})"
    after = "" if headers is None else headers.get("retry-after") or ""
    if after.isdecimal():
        text += f"; try again in {after} s"
    return text


def refusal(
    status: int,
    body: str,
    *,
    host: str,
    headers: Headers | None = None,
    database: str | None = None,
) -> HandshakeError:
    """Return the typed error for an HTTP answer other than 101 (table of docs/protocol.md section 3.3).

    Args:
        status: the HTTP status.
        body: the body as text; its first line is the server's own sentence.
        host: who answered.
        headers: of the answer; a redirect's target is quoted.
        database: what was asked for; not every server repeats it.
    """
    words = body.strip().split("\n", 1)[0][:300]
    said = f": {words}" if words else ""
    about_token = status == 400 and re.search("token|authorization", words, re.IGNORECASE)
    if status in (401, 403) or about_token:
        what = "refused access" if status == 403 else "refused the token"
        return AuthError(f"{host} {what} ({status}){said}", status=status, body=body)
    # An unknown identity is answered by 500 on a standalone server, an unknown name by 404.
    if status == 404 or (status == 500 and _NO_SUCH_IDENTITY.search(body)):
        name = "such database" if database is None else f"database {database!r}"
        message = f"{host} has no {name} ({status}){said}"
        return DatabaseNotFound(message, status=status, body=body)
    if status in _GATEWAY:
        said = f": {gateway_words(status, headers, words)}"
    location = headers.get("location") if headers is not None and 300 <= status < 400 else None
    if location is not None:
        said = f", a redirect; connect to {location.partition('?')[0]}"
    message = f"{host} answered the WebSocket upgrade with {status}{said}"
    error = HandshakeError(message, status=status, body=body)
    if status == _CONFLICT:
        error.is_transient = error.retry_soon = True
    wait = "" if headers is None else headers.get("retry-after") or ""
    if wait.isdecimal() and wait.isascii():  # the other form is a date, and there is no clock here
        error.retry_after = float(wait)
    return error


def upgrade_problem(request: HttpRequest) -> tuple[int, str] | None:
    """Return (status, text) for a request that cannot become a WebSocket, or None.

    The order of the checks and the statuses are the server's (table of docs/protocol.md section 3.3).
    """
    headers = request.headers
    if request.method != "GET":
        return 405, "a WebSocket is opened with GET"
    upgrade = [token.lower() for token in headers.tokens("upgrade")]
    if not request.wants_upgrade or "websocket" not in upgrade:
        return 426, "`Connection: Upgrade` and `Upgrade: websocket` are required"
    if headers.get("sec-websocket-version") != "13":
        return 400, "`Sec-WebSocket-Version` must be 13"
    if _KEY.fullmatch(headers.get("sec-websocket-key") or "") is None:
        return 400, "`Sec-WebSocket-Key` must be 16 bytes as base64"
    return None


def upgrade_response(
    request: HttpRequest, subprotocol: str | None, headers: HeaderFields
) -> tuple[bytes, Accepted]:
    """Return the 101 response to a request without `upgrade_problem`, as bytes and as a value.

    Raises:
        LocalProtocolError: a header cannot be sent or is the handshake's own, or `subprotocol` was
            not offered.
    """
    extra = _foreign(headers)
    if subprotocol is not None and subprotocol not in request.headers.tokens(_SUBPROTOCOL):
        raise LocalProtocolError(f"the client did not offer the protocol {subprotocol}")
    key = request.headers.get("sec-websocket-key") or ""
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_token(key.encode()).decode()),
    ]
    if subprotocol is not None:
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    sent = Headers([*fields, *extra])
    lines = b"".join(b"%s: %s\r\n" % field for field in sent.raw())
    return b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\n", Accepted(subprotocol, sent)


def _foreign(headers: HeaderFields) -> Headers:
    """Return the caller's headers, if none of them is the handshake's own."""
    extra = Headers(headers)
    for name, _ in extra:
        if name.lower() in _OWN:
            raise LocalProtocolError(f"the header {name} is set by the WebSocket handshake")
    return extra


class ClientHandshake:
    """One upgrade request and its answer.

    Attributes:
        request: the bytes to send.
        accepted: the answer, once there is a good one.
        failure: the typed error, once there is a bad one.
        leftover: bytes that came after the 101 response and belong to the WebSocket.
    """

    def __init__(
        self,
        *,
        host_header: str,
        target: str,
        subprotocols: Sequence[str],
        headers: HeaderFields,
        nonce: bytes,
        header_size: int,
    ) -> None:
        """Write the request.

        Args:
            host_header: value of ``Host``: a name or address, with the port if it is unusual.
            target: path and query of the request.
            subprotocols: what to offer, best first.
            headers: further headers, Authorization for one.
            nonce: 16 unpredictable bytes.
            header_size: limit of the answer's header section, in bytes.

        Raises:
            LocalProtocolError: something of it cannot be sent, or a header is the handshake's own.
        """
        extra = _foreign(headers)
        self.accepted: Accepted | None = None
        self.failure: ConnectError | None = None
        self.leftover = b""
        self._key = base64.b64encode(nonce)
        self._offered = tuple(subprotocols)
        self._host = host_header
        named = _DATABASE.search(target)
        self._database = None if named is None else unquote(named[1])
        self._header_size = header_size
        self._first = b""
        self._response: h11.Response | None = None
        self._body = bytearray()
        own = [
            ("Host", host_header),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._key.decode()),
            ("Sec-WebSocket-Version", "13"),
        ]
        if self._offered:
            own.append(("Sec-WebSocket-Protocol", ", ".join(self._offered)))
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=header_size)
        request = h11.Request(
            method="GET",
            target=check_target(target),
            headers=[*Headers(own).raw(), *extra.raw()],
        )
        self.request = self._h11.send(request) + self._h11.send(h11.EndOfMessage())

    @property
    def done(self) -> bool:
        """True once there is an answer, good or bad."""
        return self.accepted is not None or self.failure is not None

    def receive(self, data: bytes) -> None:
        """Take bytes of the answer. Do not call this when `done`."""
        if not data:  # to h11 an empty string is the end of the stream
            return
        if len(self._first) < len(_HTTP):
            self._first = (self._first + data)[: len(_HTTP)]
            if not _HTTP.startswith(self._first):
                # Fail at once: a server of another protocol may never send the end of line that
                # h11 waits for. 0x15 begins a TLS alert.
                tls = self._first[0] == 0x15
                self._fail(
                    "speaks TLS; use an https:// address" if tls else "did not answer in HTTP"
                )
                return
        self._h11.receive_data(data)
        self._advance()

    def receive_eof(self) -> None:
        """Take note that no more bytes will come. Do not call this when `done`."""
        if self._response is not None:
            self._refuse()  # the body is cut short; what came of it is used
        elif self._first:
            self._fail("closed the connection in the middle of its answer")
        else:
            # A port forwarder accepts connections before there is anything behind it.
            self._fail("closed the connection without an answer", is_transient=True)

    def timed_out(self, seconds: float) -> None:
        """Give up after `seconds`. Do not call this when `done`."""
        if self._response is not None:
            self._refuse()
        else:
            self._fail(
                f"did not answer within {seconds:g} s (limit handshake_time = {seconds:g})",
                is_transient=True,
            )

    def _advance(self) -> None:
        try:
            while not self.done:
                event = self._h11.next_event()
                if isinstance(event, (h11.InformationalResponse, h11.Response)):
                    self._on_head(event)
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > BODY_SIZE:
                        self._refuse()
                elif isinstance(event, h11.EndOfMessage):
                    self._refuse()
                else:
                    return
        except h11.RemoteProtocolError as error:
            if self._response is not None:
                self._refuse()
            elif error.error_status_hint == 431:
                self._fail_headers()
            else:
                self._fail(f"did not answer in HTTP ({error})")

    def _on_head(self, event: h11.InformationalResponse | h11.Response) -> None:
        if head_size(event) > self._header_size:
            self._fail_headers()
        elif isinstance(event, h11.Response):
            self._response = event
        elif event.status_code == 101:
            self._accept(event)

    def _accept(self, event: h11.InformationalResponse) -> None:
        headers = Headers.received(event.headers)
        problem = self._problem(headers)
        if problem is not None:
            self._fail(problem)
            return
        self.leftover = self._h11.trailing_data[0]
        self.accepted = Accepted(headers.get(_SUBPROTOCOL), headers)

    def _problem(self, headers: Headers) -> str | None:
        """Return what is wrong with a 101 response (RFC 6455 section 4.1), or None."""
        if (headers.get("upgrade") or "").lower() != "websocket":
            return "switched to another protocol than WebSocket"
        if "upgrade" not in (token.lower() for token in headers.tokens("connection")):
            return "answered without Connection: Upgrade"
        if headers.get("sec-websocket-accept") != accept_token(self._key).decode():
            return "answered with a wrong Sec-WebSocket-Accept (a cached answer of a proxy?)"
        if headers.tokens("sec-websocket-extensions"):
            return "switched on a WebSocket extension that was not offered"
        subprotocol = headers.get(_SUBPROTOCOL)
        if subprotocol not in (self._offered or (None,)):
            return f"picked the protocol {subprotocol!r}, which was not offered"
        return None

    def _refuse(self) -> None:
        response = self._response
        assert response is not None
        body = bytes(self._body[:BODY_SIZE]).decode("utf-8", "replace")
        headers = Headers.received(response.headers)
        self.failure = refusal(
            response.status_code,
            body,
            host=self._host,
            headers=headers,
            database=self._database,
        )

    def _fail_headers(self) -> None:
        size = self._header_size
        self._fail(f"sent more than {size} bytes of HTTP headers (limit header_size = {size})")

    def _fail(self, problem: str, *, is_transient: bool = False) -> None:
        self.failure = HandshakeError(
            f"WebSocket handshake: {self._host} {problem}", is_transient=is_transient
        )
