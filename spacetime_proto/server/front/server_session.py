"""`ServerSession`: one TCP connection of a client, bytes in, bytes out.

It begins as HTTP; an upgrade of ``/v1/database/NAME/subscribe`` turns it into a WebSocket with a
`ServerConnection` on top. The loop that drives it is that of a client (`wire.endpoint`): send
`data_to_send`, wait for bytes, end of file or `deadline`, hand over what came, and close the socket
when `is_closed`. `wake` is called when the actions of another client queue something to send here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs

from ...errors import SpacetimeError
from ...protocols import ALL_PROTOCOLS, SESSION_BUSY, ProtocolName
from ...types import ConnectionId
from ...wire.http_exchange import HttpRequest, HttpServer
from ...wire.websocket import ServerWebSocket, State
from .connection_v1 import V1Connection
from .connection_v2 import V2Connection
from .faults import Tag
from .host import Host, SessionKey
from .routes import BadRequest, database_of, respond
from .server_connection import ConnectionOptions, ServerConnection
from .tokens import TokenRefused

_COMPRESSIONS: dict[str, Tag] = {"None": "none", "Brotli": "brotli", "Gzip": "gzip"}
_FLAGS = {"true": True, "false": False}
#: Longest close reason that fits a control frame (RFC 6455 section 5.5).
_MAX_REASON = 123
_SESSION_ID = re.compile("[0-9A-Fa-f]{1,32}")


class ServerSession:
    """One TCP connection.

    Attributes:
        connection: the client behind the WebSocket, None while the connection is HTTP.
        is_closed: True when the socket is to be closed, once `data_to_send` is sent.
        is_aborted: True when it must be closed at once, whether or not everything was sent.
        wake: called when there is something to send or the socket is to be closed.
    """

    def __init__(
        self,
        host: Host,
        *,
        keepalive: tuple[float, float] | None = (15.0, 15.0),
        fragment_size: int | None = 4096,
        close_timeout: float = 0.25,
    ) -> None:
        """Make the session of a connection that has just been accepted.

        Args:
            host: the server.
            keepalive: seconds between pings, and seconds that an answer may take.
            fragment_size: payload bytes per WebSocket frame sent; None sends whole messages.
            close_timeout: seconds to wait for the client's close frame after ours.
        """
        self.connection: ServerConnection | None = None
        self.is_closed = False
        self.is_aborted = False
        self.wake: Callable[[], None] | None = None
        self._host = host
        self._keepalive = keepalive
        self._fragment_size = fragment_size
        self._close_timeout = close_timeout
        self._http = HttpServer()
        self._websocket: ServerWebSocket | None = None
        self._raw: list[bytes] = []
        self._session_key: SessionKey | None = None
        """The session of the client that this connection holds."""
        host.sessions.add(self)

    # --- bytes --------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the client."""
        if self._websocket is None:
            self._http.receive_data(data)
            self._serve_http(now)
        else:
            self._websocket.receive_data(data, now)
        self._serve_websocket(now)

    def receive_eof(self, now: float) -> None:
        """Take note that the client sends no more."""
        if self._websocket is None:
            self._http.receive_eof()
            self._serve_http(now)
            self.is_closed = True
        else:
            self._websocket.receive_eof(now)
        self._serve_websocket(now)

    def connection_lost(self, now: float) -> None:
        """Take note that the socket is gone; the last call."""
        self.is_closed = True
        self._host.sessions.discard(self)
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.disconnected(self._host.time(now))
        if self._session_key is not None:
            del self._host.holders[self._session_key]
            self._session_key = None

    def data_to_send(self, now: float) -> bytes:
        """Take the bytes that wait to be sent."""
        if self._websocket is None:
            data = self._http.data_to_send()
            self.is_closed = self.is_closed or self._http.closing
            return data
        self._flush(now)
        data = self._websocket.data_to_send()
        if self._raw:
            data += b"".join(self._raw)
            self._raw.clear()
        if self._websocket.state is State.CLOSED:
            self.is_closed = True
        return data

    # --- time ---------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The time by which `tick` must be called, or None."""
        return None if self._websocket is None or self.is_closed else self._websocket.deadline

    def tick(self, now: float) -> None:
        """Send pings that are due; give up a silent client."""
        if self._websocket is not None:
            self._websocket.tick(now)
            self._serve_websocket(now)

    @property
    def failure(self) -> SpacetimeError | None:
        """Why its WebSocket ended; None if there is none, or it was closed in order."""
        return None if self._websocket is None else self._websocket.failure

    # --- HTTP ---------------------------------------------------------------------------------

    def _serve_http(self, now: float) -> None:
        while True:
            request = self._http.next_request()
            if request is None:
                return
            if request.wants_upgrade and request.path.endswith("/subscribe"):
                self._upgrade(request, now)
                return
            self._http.respond(respond(self._host, request, now))

    def _upgrade(self, request: HttpRequest, now: float) -> None:
        websocket = ServerWebSocket(
            entropy=self._host.entropy,
            keepalive=self._keepalive,
            fragment_size=self._fragment_size,
            close_timeout=self._close_timeout,
        )
        websocket.start(now, http=self._http, request=request)
        self._websocket = websocket
        time = self._host.time(now)
        try:
            query = _query(request)
            options = _options(query)
            presented = self._host.authenticate(
                request.headers.get("authorization"), query.get("token"), time
            )
            problem = websocket.problem
            if problem is not None:
                raise BadRequest(*problem)
            connection_id = _connection_id(query) or self._host.new_connection_id()
            session_id = _session_id(query)
            database = database_of(self._host, request)
            protocol = _protocol(websocket.subprotocols)
        except (BadRequest, TokenRefused) as error:
            websocket.reject(error.status, str(error))
            return
        claims, token = presented or self._host.mint(time)
        websocket.accept(
            now,
            subprotocol=protocol,
            headers={
                "spacetime-identity": claims.hex_identity,
                "spacetime-identity-token": token,
            },
        )
        key: SessionKey | None = None
        if session_id is not None and not database.faults.before_2_11:
            key = database.identity, claims.identity, session_id
            holder = self._host.holders.get(key)
            if holder is not None:
                holder.abort()
                websocket.close(SESSION_BUSY, "the session is held by another connection", now=now)
                return
        make = V1Connection if protocol.startswith("v1.") else V2Connection
        self.connection = make(
            database,
            protocol=protocol,
            identity=claims.identity,
            connection_id=connection_id,
            token=token,
            options=options,
        )
        self.connection.wake = self._on_wake
        self.connection.start(time)
        if key is not None and not self.connection.dropped:
            self._host.holders[key] = self
            self._session_key = key

    # --- WebSocket ----------------------------------------------------------------------------

    def _serve_websocket(self, now: float) -> None:
        websocket, connection = self._websocket, self.connection
        if websocket is None:
            return
        if connection is not None:
            time = self._host.time(now)
            for payload in websocket.messages():
                connection.receive(payload, time)

    def _flush(self, now: float) -> None:
        """Move the payloads of the connection into the WebSocket."""
        websocket, connection = self._websocket, self.connection
        if websocket is None or connection is None:
            return
        if websocket.state is State.OPEN:
            for payload in connection.payloads_to_send():
                websocket.send(payload)
        if connection.dropped:
            self.is_closed = True
        elif connection.close_request is not None and websocket.state is State.OPEN:
            code, reason = connection.close_request
            if (
                len(reason.encode()) > _MAX_REASON
                and connection.database.faults.close_reason_length
            ):
                self._raw.append(_overlong_close(code, reason))
                self.is_closed = True
            else:
                websocket.close(code, reason, now=now)

    def abort(self) -> None:
        """End the TCP connection at once."""
        self.is_closed = self.is_aborted = True
        self._on_wake()

    def _on_wake(self) -> None:
        if self.connection is not None and self.connection.is_overrun:
            self.is_closed = self.is_aborted = True
        if self.wake is not None:
            self.wake()


def _protocol(offered: list[str]) -> ProtocolName:
    """Return the protocol that the server prefers among those offered."""
    for protocol in ALL_PROTOCOLS:
        if protocol in offered:
            return protocol
    raise BadRequest(400, "no valid protocol selected")


def _query(request: HttpRequest) -> dict[str, str]:
    """Return the query parameters.

    Raises:
        BadRequest: one of those that the server knows is given twice.
    """
    parsed = parse_qs(request.query, keep_blank_values=True)
    for name in ("compression", "light", "confirmed", "connection_id", "session_id", "token"):
        if len(parsed.get(name, ())) > 1:
            raise BadRequest(400, f"Failed to deserialize query string: duplicate field `{name}`")
    return {name: values[0] for name, values in parsed.items()}


def _options(query: dict[str, str]) -> ConnectionOptions:
    try:
        return ConnectionOptions(
            compression=_COMPRESSIONS[query.get("compression", "Brotli")],
            light=_FLAGS[query.get("light", "false")],
            confirmed=_FLAGS[query.get("confirmed", "true")],
        )
    except KeyError as error:
        text = f"Failed to deserialize query string: unknown value {error.args[0]!r}"
        raise BadRequest(400, text) from None


def _connection_id(query: dict[str, str]) -> ConnectionId | None:
    text = query.get("connection_id")
    if text is None:
        return None
    try:
        connection_id = ConnectionId.from_hex(text)
    except ValueError as error:
        raise BadRequest(400, f"Failed to deserialize query string: {error}") from None
    if not int(connection_id):
        raise BadRequest(400, "Invalid connection ID")
    return connection_id


def _session_id(query: dict[str, str]) -> int | None:
    text = query.get("session_id")
    if text is None:
        return None
    if _SESSION_ID.fullmatch(text) is None:
        raise BadRequest(
            400, "Failed to deserialize query string: session_id takes 1 to 32 hexadecimal digits"
        )
    return int(text, 16)


def _overlong_close(code: int, reason: str) -> bytes:
    """Return a close frame whose reason is longer than RFC 6455 allows, as the real server's."""
    payload = code.to_bytes(2, "big") + reason.encode()
    return b"\x88\x7e" + len(payload).to_bytes(2, "big") + payload
