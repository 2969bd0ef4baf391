"""What a client's and a server's WebSocket have in common: messages, pings, closing, time limits.

A driver repeats four steps, in this order:

1. send what `data_to_send` returns;
2. wait for bytes, end of file, or `deadline`, whichever comes first;
3. hand over what came (`receive_data`, `receive_eof`), and call `tick` if the deadline passed; look
   for bytes before `tick`, or after a slow callback of the program the peer is taken for dead;
4. take the `messages`. Once `state` is CLOSED: send the last bytes, close the socket, look at
   `failure`.

Nothing that the peer does raises an exception: `failure` keeps the typed error. Misuse by the
caller raises `LocalProtocolError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING

from ..errors import Disconnected, LimitExceeded, LocalProtocolError, ProtocolError, SpacetimeError
from ..limits import DEFAULT_LIMITS, sent_size
from .frames import MAX_CONTROL_PAYLOAD, CloseReceived, FramesFailed, Ping
from .keepalive import KeepAlive, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .frames import Chunk, CodecFactory, FrameCodec, Payload

#: Default limit of an incoming message, in bytes (1 GiB).
MESSAGE_SIZE = DEFAULT_LIMITS.message_size
#: Default limit of an outgoing message, in bytes (32 MiB: a SpacetimeDB server drops the TCP
#: connection beyond it, docs/protocol.md section 3.4).
OUTGOING_SIZE = DEFAULT_LIMITS.outgoing_size


class State(Enum):
    """The life of a WebSocket, forward only."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    """Our close frame is queued, the peer's has not come."""
    CLOSED = "closed"
    """Nothing more is read; what `data_to_send` still has should be sent, then the socket closed."""


class Endpoint(ABC):
    """What `ClientWebSocket` and `ServerWebSocket` share; made by them, not by users.

    Attributes:
        state: where in its life the connection is.
        failure: why it is CLOSED, or None while it is not and after a close that this side began.
        close_code: code of the peer's close frame, None if none came or it had no code.
        close_reason: text of the peer's close frame.
        inbox: the complete messages, oldest first; `messages` takes them from here.
    """

    def __init__(
        self,
        *,
        client: bool,
        entropy: Callable[[int], bytes],
        keepalive: tuple[float, float] | None,
        message_size: int,
        outgoing_size: int,
        fragment_size: int | None,
        handshake_time: float,
        close_timeout: float,
        codec: CodecFactory,
    ) -> None:
        self.state = State.IDLE
        self.failure: SpacetimeError | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self._codec: FrameCodec = codec(
            client=client,
            message_size=message_size,
            fragment_size=fragment_size,
            entropy=entropy,
        )
        self._peer = "the server" if client else "the client"
        self._message_size = message_size
        self._outgoing_size = outgoing_size
        self._handshake_time = handshake_time
        self._close_timeout = close_timeout
        self._keepalive_times = keepalive
        self._keepalive: KeepAlive | None = None
        self._deadline: float | None = None  # of the handshake, later of the close handshake
        self.inbox = self._codec.messages
        self._outbox: list[Chunk] = []

    # --- bytes --------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer; empty `data` does not mean the end of the stream.

        Bytes that come after the connection is CLOSED are ignored.
        """
        if self.state is State.OPEN or self.state is State.CLOSING:
            if self._keepalive is not None:
                self._keepalive.heard = now
            codec = self._codec
            codec.feed(data)
            if codec.controls:
                self._on_controls(now)
        elif self.state is not State.CLOSED:
            self._receive_handshake(data, now)

    def receive_eof(self, now: float) -> None:
        """Take note that the peer will send no more bytes."""
        if self.state is State.CLOSED:
            return
        if self.state is State.OPEN:
            self._end(Disconnected(f"{self._peer} closed the connection without a close frame"))
        elif self.state is State.CLOSING:
            self._end(None)  # a server may drop the TCP connection instead of answering the close
        else:
            self._handshake_eof(now)

    def messages(self) -> Iterator[Payload]:
        """Take the complete messages, oldest first: bytes for binary, str for text ones.

        They can be taken in any state: a failure does not remove the messages that came before it.
        The iteration may be left and continued by another call.
        """
        inbox = self.inbox
        while inbox:
            yield inbox.popleft()

    def data_to_send(self) -> bytes:
        """Take all bytes that wait to be sent, as one string."""
        outbox = self._outbox
        if not outbox:
            return b""
        data = b"".join(outbox)
        outbox.clear()
        return data

    # --- time ---------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The time by which `tick` must be called, on the clock of the `now` arguments, or None."""
        if self.state is State.OPEN:
            return None if self._keepalive is None else self._keepalive.deadline
        return None if self.state is State.CLOSED else self._deadline

    def tick(self, now: float) -> None:
        """Do what is due at `now`: a ping, giving up a silent peer, ending a handshake or close."""
        if self.state is State.OPEN:
            if self._keepalive is not None:
                self._tick_open(self._keepalive, now)
        elif (
            self._deadline is not None and now >= self._deadline and self.state is not State.CLOSED
        ):
            if self.state is State.CLOSING:
                self._end(None)
            else:
                self._handshake_timeout(now)

    def _tick_open(self, keepalive: KeepAlive, now: float) -> None:
        verdict = keepalive.tick(now)
        if verdict is Verdict.PING:
            self._outbox.append(self._codec.encode_ping(b""))
        elif verdict is Verdict.DEAD:
            silence = now - keepalive.heard
            self._end(
                Disconnected(
                    f"{self._peer} sent nothing for {silence:.0f} s and did not answer a ping"
                )
            )

    # --- commands -----------------------------------------------------------------------------

    def send(self, payload: Payload) -> None:
        """Queue one message: binary for bytes, text for str.

        Raises:
            LocalProtocolError: the connection is not OPEN, or the message is longer than
                `outgoing_size` bytes.
        """
        if self.state is not State.OPEN:
            raise LocalProtocolError(f"cannot send: the WebSocket is {self.state.value}, not open")
        size = len(payload) if type(payload) is bytes else sent_size(payload)
        if size > self._outgoing_size:
            raise LocalProtocolError(
                f"a message of {size} bytes is too big to send"
                f" (limit outgoing_size = {self._outgoing_size})"
            )
        self._outbox += self._codec.encode(payload)

    def ping(self, payload: bytes = b"") -> None:
        """Queue a ping of at most 125 bytes.

        Raises:
            LocalProtocolError: the connection is not OPEN, or `payload` is too long.
        """
        if self.state is not State.OPEN:
            raise LocalProtocolError(f"cannot ping: the WebSocket is {self.state.value}, not open")
        if len(payload) > MAX_CONTROL_PAYLOAD:
            raise LocalProtocolError(f"a ping holds at most 125 bytes, not {len(payload)}")
        self._outbox.append(self._codec.encode_ping(payload))

    def close(self, code: int | None = 1000, reason: str = "", *, now: float) -> None:
        """Begin to close: queue a close frame and wait `close_timeout` seconds for the peer's.

        Messages that arrive meanwhile are still delivered. A connection that is not established
        yet is given up at once; closing twice does nothing.

        Args:
            code: 1000 to 1003, 1007 to 1013 or 3000 to 4999; None sends an empty close frame.
            reason: text for the peer, cut to 123 bytes of UTF-8.
            now: the present time.

        Raises:
            LocalProtocolError: `code` must not be sent (RFC 6455 section 7.4).
        """
        if code is not None and not (
            1000 <= code <= 1003 or 1007 <= code <= 1013 or 3000 <= code <= 4999
        ):
            raise LocalProtocolError(f"{code} is not a close code that may be sent")
        if self.state is State.OPEN:
            self._outbox.append(self._codec.encode_close(code, reason))
            self.state = State.CLOSING
            self._deadline = now + self._close_timeout
        elif self.state is State.IDLE or self.state is State.CONNECTING:
            self._outbox.clear()
            self._end(None)

    # --- inside -------------------------------------------------------------------------------

    def _start(self, now: float) -> None:
        if self.state is not State.IDLE:
            raise LocalProtocolError("this WebSocket was started already; make a new one")
        self.state = State.CONNECTING
        self._deadline = now + self._handshake_time

    def _open(self, now: float, *, steady: bool) -> None:
        """The handshake is done; `steady` is for `KeepAlive`."""
        self.state = State.OPEN
        self._deadline = None
        if self._keepalive_times is not None:
            every, grace = self._keepalive_times
            self._keepalive = KeepAlive(every=every, grace=grace, steady=steady, now=now)

    def _end(self, failure: SpacetimeError | None) -> None:
        self.state = State.CLOSED
        self.failure = failure

    def _on_controls(self, now: float) -> None:
        controls = self._codec.controls
        # RFC 6455 section 5.5.3: answering the latest of several pings is enough, and keeps a flood
        # of them from filling the outbox.
        pings = [control for control in controls if type(control) is Ping]
        last = controls[-1]
        controls.clear()
        if pings and self.state is State.OPEN:
            self._outbox.append(self._codec.encode_pong(pings[-1].payload))
        if type(last) is CloseReceived:
            self._on_close(last)
        elif type(last) is FramesFailed:
            self._on_failure(last)

    def _on_close(self, frame: CloseReceived) -> None:
        self.close_code, self.close_reason = frame.code, frame.reason
        if self.state is State.CLOSING:
            self._end(None)
            return
        self._outbox.append(self._codec.encode_close(frame.code, ""))
        said = f", saying: {frame.reason}" if frame.reason else ""
        with_code = f" with code {frame.code}" if frame.code is not None else ""
        self._end(
            Disconnected(
                f"{self._peer} closed the connection{with_code}{said}",
                code=frame.code,
                reason=frame.reason,
            )
        )

    def _on_failure(self, failure: FramesFailed) -> None:
        if self.state is State.OPEN:
            self._outbox.append(self._codec.encode_close(failure.code, failure.text))
        if failure.too_big:
            self._end(
                LimitExceeded(
                    f"{self._peer} sent a message that is too big",
                    limit="message_size",
                    maximum=self._message_size,
                )
            )
        else:
            self._end(ProtocolError(f"{self._peer} broke the WebSocket protocol: {failure.text}"))

    # --- what the roles add -------------------------------------------------------------------

    @abstractmethod
    def _receive_handshake(self, data: bytes, now: float) -> None:
        """Take bytes that come before the connection is OPEN."""

    @abstractmethod
    def _handshake_eof(self, now: float) -> None:
        """Take note of the end of the stream before the connection is OPEN."""

    @abstractmethod
    def _handshake_timeout(self, now: float) -> None:
        """Give up: the handshake took too long."""
