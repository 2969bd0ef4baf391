"""The frame codec on wsproto: complete, well tested by others, and several times slower.

It is the reference that `frames_fast` is compared with, and what a connection runs on with the
option ``frames="wsproto"``.
wsproto leaves three things to its user, all done here: chunks of a message are joined (once), the
size is limited as chunks come (wsproto has no limit), and nothing is read after a failure. This
uses wsproto's `FrameProtocol` and not its `Connection`, which reports a parse error as a close
event, stays OPEN all the same, and ignores what follows.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

from .frames import CloseReceived, Control, FramesFailed, Payload, Ping, Pong

if TYPE_CHECKING:
    from collections.abc import Callable


class WsprotoCodec:
    """A `frames.FrameCodec` on `wsproto.frame_protocol`, which draws masking keys itself."""

    def __init__(
        self,
        *,
        client: bool,
        message_size: int,
        fragment_size: int | None = None,
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        self.messages: deque[Payload] = deque()
        self.controls: list[Control] = []
        self._protocol = FrameProtocol(client, [])
        self._message_size = message_size
        self._fragment_size = fragment_size
        self._parts: list[bytes] = []
        self._size = 0
        self._done = False

    def feed(self, data: bytes) -> None:
        """Parse `data`; see `frames.FrameCodec`."""
        if self._done:
            return
        self._protocol.receive_bytes(data)
        try:
            for frame in self._protocol.received_frames():
                self._on_frame(frame)
                if not self._reading():
                    return
        except ParseFailed as error:
            self._finish(FramesFailed(int(error.code), str(error)))

    def _reading(self) -> bool:
        return not self._done

    def _on_frame(self, frame: Frame) -> None:
        payload = frame.payload
        if frame.opcode is Opcode.PING:
            assert isinstance(payload, bytes)
            self.controls.append(Ping(payload))
        elif frame.opcode is Opcode.PONG:
            assert isinstance(payload, bytes)
            self.controls.append(Pong(payload))
        elif frame.opcode is Opcode.CLOSE:
            assert isinstance(payload, tuple)
            code, reason = payload
            self._finish(CloseReceived(None if code == 1005 else int(code), reason))
        else:
            self._on_data(frame)

    def _on_data(self, frame: Frame) -> None:
        payload = frame.payload
        assert isinstance(payload, (bytes, str))
        data = payload.encode() if isinstance(payload, str) else payload
        self._size += len(data)
        if self._size > self._message_size:
            self._finish(FramesFailed(1009, "a message is too big", too_big=True))
            return
        if data:
            self._parts.append(data)
        if frame.message_finished:
            whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts, self._size = [], 0
            self.messages.append(whole.decode() if isinstance(payload, str) else whole)

    def _finish(self, last: CloseReceived | FramesFailed) -> None:
        self.controls.append(last)
        self._parts, self._done = [], True

    def encode(self, payload: Payload) -> list[bytes]:
        """Return the frames of one message, each with at most `fragment_size` payload bytes."""
        step = self._fragment_size or max(len(payload), 1)
        if isinstance(payload, str) and self._fragment_size:
            step = max(step // 4, 1)  # text is cut between characters, of at most 4 bytes each
        last = max(len(payload) - 1, 0) // step
        return [
            bytes(self._protocol.send_data(payload[at * step : (at + 1) * step], fin=at == last))
            for at in range(last + 1)
        ]

    def encode_ping(self, payload: bytes) -> bytes:
        """Return a ping frame."""
        return bytes(self._protocol.ping(payload))

    def encode_pong(self, payload: bytes) -> bytes:
        """Return a pong frame."""
        return bytes(self._protocol.pong(payload))

    def encode_close(self, code: int | None, reason: str) -> bytes:
        """Return a close frame, its reason cut to what fits."""
        if code is None:
            return bytes(self._protocol.close())
        return bytes(self._protocol.close(code, reason))
