"""The lean frame codec, the default: RFC 6455 frames without extensions, by offset.

The same messages and failures as `frames_wsproto` for the same bytes, at a fraction of its time
(`benchmarks/wire.py`). Where the speed comes from:

- bytes are parsed in the buffer that was read, by offset; a whole message in one buffer is copied
  out of it once, by a slice;
- pieces of a large frame are kept as they came and joined once; the fragments of a message go into
  one buffer (an object for each of 4,096 of them costs more than copying them twice);
- no object is made per frame, and the most common frames (whole binary messages from the server and
  the middle fragments of long ones) are handled in the loop of `feed` itself, without a call;
- a mask is applied to a block of bytes as one XOR of two big integers, which runs in C, instead of
  byte by byte.

It differs from wsproto in two ways. A message that is too big fails on the header that says so. And
a close frame may be longer than 125 bytes, because a SpacetimeDB server puts an error text of any
length there (docs/protocol.md section 3.5), which would be lost otherwise.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections import deque
from typing import TYPE_CHECKING

from .frames import CloseReceived, Control, FramesFailed, Payload, Ping, Pong, close_payload

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import Callable

    from .frames import Chunk

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_OPCODES = frozenset({_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG})
_FIN = 0x80
_RESERVED = 0x70
_MASKED = 0x80
#: First byte of a whole binary message.
_WHOLE_BINARY = _FIN | _BINARY
#: Longest close frame that is read, in payload bytes.
_MAX_CLOSE = 8192
#: Pieces below this size are copied together.
_TINY = 512
#: Close codes that may be received (RFC 6455 section 7.4 and the registry, as wsproto has them).
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1014)})
#: Masking keys are drawn from the entropy for this many frames at a time: one call instead of 64.
_KEYS = 64
#: Bytes masked with one big integer. Larger blocks leave the CPU's cache, smaller ones cost calls.
_MASK_BLOCK = 16384

#: Frame headers of a client's whole binary messages of up to 125 bytes, by payload size.
_SMALL = [bytes((_WHOLE_BINARY, _MASKED | size)) for size in range(126)]

_Utf8Decoder = getincrementaldecoder("utf-8")


class FastCodec:
    """A `frames.FrameCodec` for one role; see the module."""

    def __init__(
        self,
        *,
        client: bool,
        message_size: int,
        fragment_size: int | None = None,
        entropy: Callable[[int], bytes],
    ) -> None:
        self.messages: deque[Payload] = deque()
        self.controls: list[Control] = []
        self._client = client
        self._message_size = message_size
        self._fragment_size = fragment_size
        # Binary messages below this size are one frame with one byte of length, which `encode`
        # makes in its own lines; 0 turns that off.
        self._small = 126 if client and (fragment_size is None or fragment_size >= 125) else 0
        self._entropy = entropy
        self._keys = b""
        self._key_at = 0
        self._done = False
        # The message under way: kind (0 between messages), bytes declared so far, and what has come.
        self._opcode = 0
        self._size = 0
        self._message = bytearray()
        self._decoder: IncrementalDecoder | None = None
        # The data frame under way: bytes still missing, pieces so far, and what its header said.
        self._missing = 0
        self._pieces: list[bytes | bytearray] = []
        self._fin = False
        self._key = b""
        # The beginning of a header or control frame.
        self._rest = b""

    # --- reading ------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Parse `data`; see `frames.FrameCodec`."""
        if self._done:
            return
        position = 0
        if self._missing:
            position = self._resume(data)
        elif self._rest:
            data, self._rest = self._rest + data, b""
        end = len(data)
        append = self.messages.append
        # A server gets masked frames, which the short way below cannot read: no size is <= -1.
        largest = self._message_size if self._client else -1
        while end - position >= 2 and not self._done:
            first, opcode = data[position], self._opcode
            # The short way: a whole binary message, or a middle fragment of a long one, that lies
            # in `data` completely. `size = end` makes the test fail; then `_frame` looks at the
            # frame.
            if (first == _WHOLE_BINARY and not opcode) or (not first and opcode == _BINARY):
                start, size = position + 2, data[position + 1]
                if size == 126 and end - position >= 4:
                    start, size = position + 4, data[position + 2] << 8 | data[position + 3]
                    if size < 126:
                        size = end  # a length not in its shortest form
                elif size > 125:
                    size = end
                if start + size <= end and self._size + size <= largest:
                    position = start + size
                    if first:
                        append(data[start:position])
                    else:
                        self._size += size
                        self._message += data[start:position]
                    continue
            after = self._frame(data, position, end)
            if after < 0:
                break
            position = after
        if position < end and not self._done:
            self._rest = data[position:]

    def _frame(self, data: bytes, position: int, end: int) -> int:
        """Parse one frame of any kind; return the offset after it, or -1 if bytes are missing.

        A data frame whose payload is incomplete is taken as far as it goes.
        """
        first, second = data[position], data[position + 1]
        opcode, size, start = first & 0x0F, second & 0x7F, position + 2
        if opcode not in _OPCODES:
            return self._fail(1002, f"unknown opcode {opcode:#x}")
        is_control = opcode >= _CLOSE
        if is_control and not first & _FIN:
            return self._fail(1002, "a control frame in fragments")
        if is_control and size > 125 and opcode != _CLOSE:
            return self._fail(1002, "a control frame longer than 125 bytes")
        if size > 125:
            width = 2 if size == 126 else 8
            if end - start < width:
                return -1
            size = int.from_bytes(data[start : start + width], "big")
            start += width
            if size < 126 or (width == 8 and size < 65536):
                return self._fail(1002, "a length not in its shortest form")
            if size >> 63:
                return self._fail(1002, "a length of more than 63 bits")
            if is_control and size > _MAX_CLOSE:
                return self._fail(1002, f"a close frame longer than {_MAX_CLOSE} bytes")
        if first & _RESERVED:
            return self._fail(1002, "a reserved bit is set")
        if bool(second & _MASKED) is self._client:
            must = "must not be" if self._client else "must be"
            return self._fail(1002, f"a frame from this side {must} masked")
        if self._client:
            key = b""
        else:
            key = data[start : start + 4]
            start += 4
            if start > end:
                return -1
        stop = start + size
        if is_control:
            if stop > end:
                return -1
            self._on_control(opcode, apply_mask(data[start:stop], key))
            return stop
        if not self._begin(opcode, size):
            return -1
        self._fin, self._key = bool(first & _FIN), key
        if stop > end:
            self._missing = stop - end
            self._pieces = [data[start:]]
            return end
        self._on_payload(data[start:stop])
        return stop

    def _begin(self, opcode: int, size: int) -> bool:
        """Check a data frame's place in its message, and the size; say whether to go on."""
        if opcode == _CONTINUATION:
            if not self._opcode:
                self._fail(1002, "a continuation of no message")
                return False
        elif self._opcode:
            self._fail(1002, "a new message inside another")
            return False
        else:
            self._opcode = opcode
        self._size += size
        if self._size > self._message_size:
            self._fail(1009, "a message is too big", too_big=True)
            return False
        return True

    def _resume(self, data: bytes) -> int:
        """Take what `data` has of the frame under way; return the offset after it."""
        missing = self._missing
        taken = data[:missing]  # if the frame takes all of `data`, this is no copy
        _keep(self._pieces, taken)
        self._missing = missing - len(taken)
        if not self._missing:
            pieces, self._pieces = self._pieces, []
            self._on_payload(b"".join(pieces))
        return len(taken)

    def _on_payload(self, payload: bytes) -> None:
        """Take the whole payload of a data frame."""
        if self._key:
            payload = apply_mask(payload, self._key)
        if self._opcode == _TEXT:
            if self._decoder is None:
                self._decoder = _Utf8Decoder()
            try:
                # Only to check: damaged text fails at its fragment, not at the end of the message.
                self._decoder.decode(payload, self._fin)
            except UnicodeDecodeError as error:
                self._fail(1007, f"text that is not UTF-8 ({error.reason})")
                return
        if not self._fin:
            self._message += payload
            return
        if self._message:
            self._message += payload
            payload = bytes(self._message)
            self._message = bytearray()
        self.messages.append(payload.decode() if self._opcode == _TEXT else payload)
        self._opcode = self._size = 0
        self._decoder = None

    def _on_control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self.controls.append(Ping(payload))
        elif opcode == _PONG:
            self.controls.append(Pong(payload))
        else:
            self._on_close(payload)

    def _on_close(self, payload: bytes) -> None:
        if not payload:
            self._finish(CloseReceived(None, ""))
            return
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code <= 4999):
            self._fail(1002, "a close frame without a valid code")
            return
        try:
            self._finish(CloseReceived(code, payload[2:].decode()))
        except UnicodeDecodeError:
            self._fail(1007, "a close reason that is not UTF-8")

    def _fail(self, code: int, text: str, *, too_big: bool = False) -> int:
        self._finish(FramesFailed(code, text, too_big))
        return -1

    def _finish(self, last: CloseReceived | FramesFailed) -> None:
        self.controls.append(last)
        self._done = True
        self._message, self._pieces, self._rest = bytearray(), [], b""

    # --- writing ------------------------------------------------------------------------------

    def encode(self, payload: Payload) -> list[Chunk]:
        """Return the frames of one message, each with at most `fragment_size` payload bytes."""
        size = len(payload)
        if size < self._small and type(payload) is bytes:
            # Same as `_encode_frame` and `apply_mask`, without calling them: a reducer call takes
            # 6.0 instead of 6.5 us of CPU. `key * 32` is longer than any of these payloads.
            key = self._next_key()
            mask = int.from_bytes((key * 32)[:size], "little")
            masked = (int.from_bytes(payload, "little") ^ mask).to_bytes(size, "little")
            return [_SMALL[size] + key + masked]
        if isinstance(payload, str):
            opcode, data = _TEXT, payload.encode()
        else:
            opcode, data = _BINARY, payload
        size, step = len(data), self._fragment_size
        if step is None or size <= step:
            return self._encode_frame(_FIN | opcode, data)
        view = memoryview(data)
        chunks: list[Chunk] = []
        for at in range(0, size, step):
            fin = _FIN if at + step >= size else 0
            chunks += self._encode_frame(fin | opcode, view[at : at + step])
            opcode = _CONTINUATION
        return chunks

    def encode_ping(self, payload: bytes) -> bytes:
        """Return a ping frame."""
        return b"".join(self._encode_frame(_FIN | _PING, payload))

    def encode_pong(self, payload: bytes) -> bytes:
        """Return a pong frame."""
        return b"".join(self._encode_frame(_FIN | _PONG, payload))

    def encode_close(self, code: int | None, reason: str) -> bytes:
        """Return a close frame, its reason cut to what fits."""
        return b"".join(self._encode_frame(_FIN | _CLOSE, close_payload(code, reason)))

    def _encode_frame(self, first: int, payload: Chunk) -> list[Chunk]:
        size = len(payload)
        mask = _MASKED if self._client else 0
        if size < 126:
            header = bytes((first, mask | size))
        elif size < 65536:
            header = bytes((first, mask | 126, size >> 8, size & 0xFF))
        else:
            header = bytes((first, mask | 127)) + size.to_bytes(8, "big")
        if not mask:
            return [header, payload]
        key = self._next_key()
        return [header + key, apply_mask(payload, key)]

    def _next_key(self) -> bytes:
        at = self._key_at
        if at == len(self._keys):
            self._keys, at = self._entropy(4 * _KEYS), 0
        self._key_at = at + 4
        return self._keys[at : at + 4]


def apply_mask(data: Chunk, key: bytes) -> bytes:
    """Return `data` XOR `key` repeated (RFC 6455 section 5.3); an empty `key` changes nothing."""
    size = len(data)
    if not key:
        return bytes(data)
    if size <= _MASK_BLOCK:
        mask = int.from_bytes((key * (size // 4 + 1))[:size], "little")
        return (int.from_bytes(data, "little") ^ mask).to_bytes(size, "little")
    # Blocks start at multiples of 4, so the first byte of the key begins each of them.
    mask = int.from_bytes(key * (_MASK_BLOCK // 4), "little")
    whole = size - size % _MASK_BLOCK
    blocks = [
        (int.from_bytes(data[at : at + _MASK_BLOCK], "little") ^ mask).to_bytes(
            _MASK_BLOCK, "little"
        )
        for at in range(0, whole, _MASK_BLOCK)
    ]
    blocks.append(apply_mask(data[whole:], key))
    return b"".join(blocks)


def _keep(pieces: list[bytes | bytearray], piece: bytes) -> None:
    """Append `piece`; tiny ones are copied together, or a flood of them would cost much memory."""
    if len(piece) >= _TINY:
        pieces.append(piece)
    elif isinstance(pieces[-1], bytearray):
        pieces[-1] += piece
    else:
        pieces.append(bytearray(piece))
