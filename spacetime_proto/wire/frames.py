"""`FrameCodec`: from bytes to WebSocket messages and control frames, and back.

Two codecs implement it: `frames_wsproto` on wsproto, which is complete and slow, and `frames_fast`,
which is the default. Both give the same messages and the same failures for the same bytes (checked
by Hypothesis). Handshakes, time limits and answers to pings are left to `endpoint`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

#: RFC 6455 section 5.5: the largest payload of a control frame, in bytes.
MAX_CONTROL_PAYLOAD = 125

Payload: TypeAlias = bytes | str
"""One whole message: bytes of a binary one, str of a text one."""


Chunk: TypeAlias = bytes | memoryview
"""A piece of the bytes to send."""


class Ping(msgspec.Struct, frozen=True, gc=False):
    """The peer wants a pong with the same payload."""

    payload: bytes


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The peer answers a ping, or shows that it is alive."""

    payload: bytes


class CloseReceived(msgspec.Struct, frozen=True, gc=False):
    """The peer's close frame; nothing after it is read."""

    code: int | None
    """None when the frame was empty."""
    reason: str


class FramesFailed(msgspec.Struct, frozen=True, gc=False):
    """The bytes are not WebSocket, or too many; nothing after them is read."""

    code: int
    """The close code to answer with: 1002, 1007 or 1009."""
    text: str
    """The problem, as half a sentence."""
    too_big: bool = False
    """True when the message passes the size limit (code 1009)."""


Control: TypeAlias = Ping | Pong | CloseReceived | FramesFailed


class FrameCodec(Protocol):
    """Frames of one established connection, for one role."""

    messages: deque[Payload]
    """Complete messages not yet taken, oldest first; the owner takes from the left."""
    controls: list[Control]
    """Everything but messages; `CloseReceived` and `FramesFailed` can only be the last element."""

    def feed(self, data: bytes) -> None:
        """Parse the next bytes from the peer. Bad bytes do not raise; they give `FramesFailed`."""

    def encode(self, payload: Payload) -> Sequence[Chunk]:
        """Return the chunks that send one message."""
        ...

    def encode_ping(self, payload: bytes) -> bytes:
        """Return a ping frame; `payload` is at most 125 bytes."""
        ...

    def encode_pong(self, payload: bytes) -> bytes:
        """Return a pong frame; `payload` is at most 125 bytes."""
        ...

    def encode_close(self, code: int | None, reason: str) -> bytes:
        """Return a close frame, its reason cut to what fits."""
        ...


class CodecFactory(Protocol):
    """Makes the codec of one connection once its handshake is done."""

    def __call__(
        self,
        *,
        client: bool,
        message_size: int,
        fragment_size: int | None,
        entropy: Callable[[int], bytes],
    ) -> FrameCodec:
        """Return a codec.

        Args:
            client: True for the role that masks what it sends.
            message_size: the largest message to accept, in bytes.
            fragment_size: payload bytes per frame sent; None sends every message as one frame.
            entropy: gives that many unpredictable bytes, for masking keys (RFC 6455 section 5.3).
        """
        ...


def close_payload(code: int | None, reason: str) -> bytes:
    """Return the payload of a close frame, the reason cut at a character so that 125 bytes hold it.

    Codes 1005 and 1006 stand for the absence of one and never travel (RFC 6455 section 7.4.1).
    """
    if code is None or code in (1005, 1006):
        return b""
    room = MAX_CONTROL_PAYLOAD - 2
    text = reason.encode("utf-8", "replace")
    if len(text) > room:
        text = text[:room].decode("utf-8", "ignore").encode("utf-8")
    return code.to_bytes(2, "big") + text
