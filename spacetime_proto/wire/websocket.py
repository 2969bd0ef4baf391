"""WebSockets without I/O, client and server: TCP bytes in, whole messages out, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from .endpoint import MESSAGE_SIZE, OUTGOING_SIZE, Endpoint, State
from .frames_wsproto import WsprotoCodec
from .handshake import Accepted, ClientHandshake
from .keepalive import KeepAlive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .frames import CodecFactory
    from .headers import HeaderFields

__all__ = ["Accepted", "ClientWebSocket", "State"]


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
        header_size: int = 64 * 1024,
        handshake_time: float = 10.0,
        close_timeout: float = 5.0,
        codec: CodecFactory = WsprotoCodec,
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
            codec: makes the frame codec.
        """
        super().__init__(
            client=True,
            entropy=entropy,
            message_size=message_size,
            outgoing_size=outgoing_size,
            fragment_size=None,
            close_timeout=close_timeout,
            codec=codec,
        )
        self.accepted: Accepted | None = None
        self._entropy = entropy
        self._keepalive_times = keepalive
        self._header_size = header_size
        self._handshake_time = handshake_time
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
        if self.state is not State.IDLE:
            raise LocalProtocolError("this WebSocket was started already; make a new one")
        self._handshake = ClientHandshake(
            host_header=host_header,
            target=target,
            subprotocols=subprotocols,
            headers=headers,
            nonce=self._entropy(16),
            header_size=self._header_size,
        )
        self._outbox.append(self._handshake.request)
        self.state = State.CONNECTING
        self._deadline = now + self._handshake_time

    def _receive_handshake(self, data: bytes, now: float) -> None:
        handshake = self._started()
        handshake.receive(data)
        if handshake.failure is not None:
            self._end(handshake.failure)
        elif handshake.accepted is not None:
            self.accepted = handshake.accepted
            times = self._keepalive_times
            self._open(
                KeepAlive(every=times[0], grace=times[1], steady=False, now=now) if times else None
            )
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
