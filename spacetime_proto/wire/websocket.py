"""WebSockets without I/O, client and server: TCP bytes in, whole messages out, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import HandshakeError, LocalProtocolError
from ..limits import DEFAULT_LIMITS
from .endpoint import MESSAGE_SIZE, OUTGOING_SIZE, Endpoint, State
from .frames_fast import FastCodec
from .handshake import Accepted, ClientHandshake, upgrade_problem, upgrade_response
from .headers import Headers
from .http_exchange import HttpRequest, HttpResponse, HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .frames import CodecFactory
    from .headers import HeaderFields

__all__ = ["Accepted", "ClientWebSocket", "ServerWebSocket", "State"]


class ClientWebSocket(Endpoint):
    """The client's end of one WebSocket; see `endpoint` for the loop that drives it.

    Attributes:
        accepted: (subprotocol, headers) of the 101 answer, None until the connection is OPEN.
    """

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes],
        keepalive: tuple[float, float] | None = (30.0, 30.0),
        message_size: int = MESSAGE_SIZE,
        outgoing_size: int = OUTGOING_SIZE,
        header_size: int = DEFAULT_LIMITS.header_size,
        handshake_time: float = DEFAULT_LIMITS.handshake_time,
        close_timeout: float = 5.0,
        codec: CodecFactory = FastCodec,
    ) -> None:
        """Make an IDLE client.

        Args:
            entropy: returns that many unpredictable bytes; the source of the handshake's nonce and
                of masking keys.
            keepalive: seconds of silence before a ping, and seconds to wait for any sign of life
                after it; None never pings.
            message_size: largest message accepted, in bytes.
            outgoing_size: largest message sent, in bytes.
            header_size: largest header section of the server's answer, in bytes.
            handshake_time: seconds from `start` to the end of the answer.
            close_timeout: seconds to wait for the server's close frame after ours.
            codec: makes the frame codec (the option `frames` of a client chooses it).
        """
        super().__init__(
            client=True,
            entropy=entropy,
            keepalive=keepalive,
            message_size=message_size,
            outgoing_size=outgoing_size,
            fragment_size=None,
            handshake_time=handshake_time,
            close_timeout=close_timeout,
            codec=codec,
        )
        self.accepted: Accepted | None = None
        self._entropy = entropy
        self._header_size = header_size
        self._handshake: ClientHandshake | None = None

    def start(
        self,
        now: float,
        *,
        host_header: str,
        target: str,
        subprotocols: Sequence[str] = (),
        headers: HeaderFields = (),
    ) -> None:
        """Queue the upgrade request and start the handshake's clock.

        Args:
            now: the present time.
            host_header: value of ``Host``, such as ``localhost:3000``.
            target: path and query, such as ``/v1/database/chat/subscribe?compression=None``.
            subprotocols: what to offer, best first.
            headers: further headers, such as Authorization.

        Raises:
            LocalProtocolError: called twice, or something of the request cannot be sent.
        """
        handshake = ClientHandshake(
            host_header=host_header,
            target=target,
            subprotocols=subprotocols,
            headers=headers,
            nonce=self._entropy(16),
            header_size=self._header_size,
        )
        self._start(now)
        self._handshake = handshake
        self._outbox.append(handshake.request)

    def _receive_handshake(self, data: bytes, now: float) -> None:
        handshake = self._started()
        handshake.receive(data)
        if handshake.failure is not None:
            self._end(handshake.failure)
        elif handshake.accepted is not None:
            self.accepted = handshake.accepted
            self._open(now, steady=False)
            self.receive_data(handshake.leftover, now)

    def _handshake_eof(self, now: float) -> None:
        handshake = self._started()
        handshake.receive_eof()
        self._end(handshake.failure)

    def _handshake_timeout(self, now: float) -> None:
        handshake = self._started()
        handshake.timed_out(self._handshake_time)
        self._end(handshake.failure)

    def _started(self) -> ClientHandshake:
        if self._handshake is None:
            raise LocalProtocolError("this WebSocket was not started")
        return self._handshake


class ServerWebSocket(Endpoint):
    """The server's end of one WebSocket; see `endpoint` for the loop that drives it.

    It starts with the client's request: either it reads that itself, or it is given the
    `HttpServer` that read it. Once `request` is there, call `accept` or `reject`.

    Attributes:
        request: the client's request, None until it is whole.
        accepted: (subprotocol, headers) as sent, None until `accept`.
    """

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes],
        keepalive: tuple[float, float] | None = (15.0, 15.0),
        message_size: int = OUTGOING_SIZE,
        outgoing_size: int = MESSAGE_SIZE,
        fragment_size: int | None = 4096,
        header_size: int = DEFAULT_LIMITS.header_size,
        handshake_time: float = DEFAULT_LIMITS.handshake_time,
        close_timeout: float = 0.25,
        codec: CodecFactory = FastCodec,
    ) -> None:
        """Make an IDLE server; defaults are a SpacetimeDB server's (docs/protocol.md section 3.4).

        Args:
            entropy: returns that many unpredictable bytes (not used: a server does not mask).
            keepalive: seconds between pings, and seconds to wait for any sign of life after a ping
                (and after the peer was silent for the first number); None never pings.
            message_size: largest message accepted, in bytes.
            outgoing_size: largest message sent, in bytes.
            fragment_size: payload bytes per frame sent; None sends each message as one frame.
            header_size: largest header section of the request, in bytes.
            handshake_time: seconds from `start` to `accept`.
            close_timeout: seconds to wait for the client's close frame after ours.
            codec: makes the frame codec.
        """
        super().__init__(
            client=False,
            entropy=entropy,
            keepalive=keepalive,
            message_size=message_size,
            outgoing_size=outgoing_size,
            fragment_size=fragment_size,
            handshake_time=handshake_time,
            close_timeout=close_timeout,
            codec=codec,
        )
        self.request: HttpRequest | None = None
        self.accepted: Accepted | None = None
        self._http = HttpServer(header_size=header_size)

    def start(
        self, now: float, *, http: HttpServer | None = None, request: HttpRequest | None = None
    ) -> None:
        """Start the handshake's clock.

        Args:
            now: the present time.
            http: the machine that read `request`, if the connection began as plain HTTP; bytes that
                came after the request are taken from it.
            request: the request that `http` gave.

        Raises:
            LocalProtocolError: called twice.
        """
        self._start(now)
        if http is not None:
            self._http = http
        self.request = request

    @property
    def subprotocols(self) -> list[str]:
        """The protocols that the client offers, in its order."""
        request = self.request
        return [] if request is None else request.headers.tokens("sec-websocket-protocol")

    @property
    def problem(self) -> tuple[int, str] | None:
        """HTTP status and text for a request that cannot become a WebSocket, else None."""
        return None if self.request is None else upgrade_problem(self.request)

    def accept(
        self, now: float, *, subprotocol: str | None = None, headers: HeaderFields = ()
    ) -> None:
        """Queue the 101 response and a first ping; the connection is OPEN.

        Raises:
            LocalProtocolError: there is no request to accept, it has a `problem`, `subprotocol` was
                not offered, or a header cannot be sent.
        """
        request = self._pending()
        problem = upgrade_problem(request)
        if problem is not None:
            raise LocalProtocolError(f"the request cannot become a WebSocket: {problem[1]}")
        response, self.accepted = upgrade_response(request, subprotocol, headers)
        self._outbox.append(response)
        self._open(now, steady=True)
        if self._keepalive is not None:
            self.ping()
        self.receive_data(self._http.trailing_data, now)

    def reject(self, status: int, body: str = "", *, headers: HeaderFields = ()) -> None:
        """Answer the request with `status` and a text instead; the connection is CLOSED.

        Raises:
            LocalProtocolError: there is no request to answer, or a header cannot be sent.
        """
        self._pending()
        fields = Headers([*Headers(headers), ("Content-Type", "text/plain; charset=utf-8")])
        self._http.respond(HttpResponse(status, fields, body.encode()))
        self._outbox.append(self._http.data_to_send())
        self._end(None)

    def _pending(self) -> HttpRequest:
        if self.state is not State.CONNECTING or self.request is None:
            raise LocalProtocolError("there is no request to answer")
        return self.request

    def _receive_handshake(self, data: bytes, now: float) -> None:
        if self.state is State.IDLE:
            raise LocalProtocolError("this WebSocket was not started")
        self._http.receive_data(data)
        if self.request is None:
            self.request = self._http.next_request()
            self._outbox.append(self._http.data_to_send())
            if self._http.closing:
                self._end(HandshakeError("WebSocket handshake: the client did not send HTTP"))

    def _handshake_eof(self, now: float) -> None:
        self._end(HandshakeError("WebSocket handshake: the client hung up"))

    def _handshake_timeout(self, now: float) -> None:
        seconds = self._handshake_time
        self._end(HandshakeError(f"WebSocket handshake: not finished within {seconds:g} s"))
