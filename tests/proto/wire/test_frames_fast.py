"""The lean codec: equal to wsproto on every input, and what it does beyond that."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spacetime_proto.wire.frames import CloseReceived, FramesFailed, Ping
from spacetime_proto.wire.frames_fast import FastCodec, apply_mask
from spacetime_proto.wire.frames_wsproto import WsprotoCodec

if TYPE_CHECKING:
    from spacetime_proto.wire.frames import CodecFactory, FrameCodec

#: wsproto's words for what the lean codec reads on purpose.
LONG_CONTROL = "Control frame with payload len > 125"


def make(kind: CodecFactory, *, client: bool = True, message_size: int = 1 << 20) -> FrameCodec:
    return kind(
        client=client,
        message_size=message_size,
        fragment_size=None,
        entropy=random.Random(1).randbytes,
    )


# --- the same as wsproto ----------------------------------------------------------------------


def frame(first: int, payload: bytes, mask: bytes, form: int) -> bytes:
    """Return a frame with its length in the form 0 (shortest), 2 or 8 bytes."""
    size, bit = len(payload), 0x80 if mask else 0
    width = form or (0 if size < 126 else 2 if size < 65536 else 8)
    length = {
        0: lambda: bytes([bit | size]),
        2: lambda: bytes([bit | 126]) + size.to_bytes(2, "big"),
        8: lambda: bytes([bit | 127]) + size.to_bytes(8, "big"),
    }[width]()
    return bytes([first]) + length + mask + apply_mask(payload, mask)


payloads = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([125, 126, 127, 300, 600, 1100, 65535, 65536]).map(bytes),
    st.sampled_from(
        [b"\x03\xe8bye", b"\x03\xe8", b"\x03", b"\x03\xed", b"\x13\x88", b"\x03\xe8\xff"]
    ),
)
firsts = st.one_of(
    st.sampled_from([0x82, 0x82, 0x02, 0x00, 0x80, 0x81, 0x01, 0x89, 0x8A, 0x88]),
    st.integers(0, 255),
)


def frames(client: bool) -> st.SearchStrategy[bytes]:
    """Frames towards a client (not masked) or a server (masked); now and then the wrong way."""
    right = st.just(b"") if client else st.binary(min_size=4, max_size=4)
    wrong = st.binary(min_size=4, max_size=4) if client else st.just(b"")
    masks = st.integers(0, 19).flatmap(lambda n: wrong if n == 7 else right)
    forms = st.integers(0, 19).flatmap(lambda n: st.sampled_from([2, 8]) if n == 7 else st.just(0))
    return st.tuples(firsts, payloads, masks, forms).map(
        lambda t: frame(t[0], t[1], t[2], 8 if t[3] == 2 and len(t[1]) > 65535 else t[3])
    )


@st.composite
def streams(draw: st.DrawFn, client: bool) -> bytes:
    data = bytearray(b"".join(draw(st.lists(frames(client), max_size=6))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        if data:
            data[draw(st.integers(0, min(len(data), 40) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.sampled_from([None, None, 1, 3, 7]))
    return bytes(data[: -cut if cut else None])


def feed(codec: FrameCodec, data: bytes, steps: list[int]) -> None:
    at = turn = 0
    while at < len(data):
        # Small steps where headers are, large ones beyond: a byte at a time over 64 KiB is slow.
        step = steps[turn % len(steps)] if at < 400 else 5000
        codec.feed(data[at : at + step])
        at, turn = at + step, turn + 1


def outcome(codec: FrameCodec) -> tuple[list[bytes | str], list[object]]:
    controls = [
        ("failed", control.code, control.too_big) if isinstance(control, FramesFailed) else control
        for control in codec.controls
    ]
    return list(codec.messages), controls


@pytest.mark.parametrize("client", [True, False])
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_same_messages_and_failures_as_wsproto(client: bool, data: st.DataObject) -> None:
    stream = data.draw(streams(client) | st.binary(max_size=60))
    steps = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=5))
    limit = data.draw(st.sampled_from([1000, 1 << 20]))
    check_equal(stream, steps, client=client, limit=limit)


def check_equal(stream: bytes, steps: list[int], *, client: bool, limit: int = 1 << 20) -> None:
    fast = make(FastCodec, client=client, message_size=limit)
    slow = make(WsprotoCodec, client=client, message_size=limit)
    feed(fast, stream, steps)
    feed(slow, stream, steps)
    if outcome(fast) != outcome(slow):
        # A frame that is not whole: wsproto decodes text as it comes, the lean codec judges the
        # header as it comes. Both must agree once the rest is there, or more of it than the limit.
        rest = bytes(limit + 70_000)
        fast.feed(rest)
        slow.feed(rest)
    (messages, controls), (slow_messages, slow_controls) = outcome(fast), outcome(slow)
    assert messages == slow_messages
    last = slow.controls[-1] if slow.controls else None
    if isinstance(last, FramesFailed) and last.text == LONG_CONTROL:
        assert controls[: len(slow_controls) - 1] == slow_controls[:-1]
    elif ("failed", 1009, True) in controls and ("failed", 1007, False) in slow_controls:
        assert controls[:-1] == slow_controls[:-1]  # bad text in a frame that is too big anyway
    else:
        assert controls == slow_controls


@pytest.mark.parametrize(
    "stream",
    [
        b"\x82\x7e\x00\x7d" + bytes(125),  # 16-bit length that fits 7 bits
        b"\x82\x7f" + (65535).to_bytes(8, "big") + bytes(65535),
        b"\x82\x7f" + (1 << 63).to_bytes(8, "big"),
        b"\x82\x7e\x00\x7e" + bytes(126),
        b"\x82\x7f" + (65536).to_bytes(8, "big") + bytes(65536),
        b"\x01\x01\xe2\x80\x02\x82\xac",  # a character in two fragments
        b"\x01\x01\xe2\x80\x00",  # and only half of it
        b"\x01\x01\xff\x89\x00",
        b"\x02\x00\x00\x00\x80\x00",
        b"\x02\x01a\x89\x01p\x80\x01b\x8a\x00",
        b"\x89\x7d" + bytes(125),
        b"\x88\x00\x82\x00",
        b"\x88\x03\x03\xe8\xff",
        b"\x88\x7e\x00",
        b"\x89\x7e\x00\x7e",
        b"\xc2\x01a",
        b"\x82\x7f" + (1 << 40).to_bytes(8, "big") + b"a",  # a frame that will never be whole
    ],
    ids=lambda stream: f"{stream[:12].hex()}-{len(stream)}",
)
def test_corner_cases_equal_wsproto(stream: bytes) -> None:
    for steps in ([1], [2, 3], [1 << 20]):
        check_equal(stream, steps, client=True)


@given(st.binary(max_size=300) | st.text(max_size=100), st.sampled_from([None, 1, 7, 125, 4096]))
def test_what_one_writes_the_other_reads(payload: bytes | str, step: int | None) -> None:
    for client in (True, False):
        writer = FastCodec(
            client=client, message_size=1, fragment_size=step, entropy=random.Random(1).randbytes
        )
        reader = make(WsprotoCodec, client=not client)
        reader.feed(b"".join(writer.encode(payload)))
        reader.feed(writer.encode_ping(b"p") + writer.encode_pong(b"q"))
        reader.feed(writer.encode_close(1000, "bye"))
        assert list(reader.messages) == [payload]
        assert reader.controls[-1] == CloseReceived(1000, "bye")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 100_000])
def test_lengths_are_written_in_their_shortest_form(size: int) -> None:
    for client in (True, False):
        reader = make(WsprotoCodec, client=not client)
        reader.feed(b"".join(make(FastCodec, client=client).encode(bytes(size))))
        assert [len(message) for message in reader.messages] == [size]


# --- beyond wsproto ---------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 1000])
def test_a_close_reason_longer_than_allowed_is_read(step: int) -> None:
    reason = "unknown tag 0xff for sum type ClientMessage, " * 10
    payload = b"\x03\xf3" + reason.encode()
    codec = make(FastCodec)
    data = b"\x88\x7e" + len(payload).to_bytes(2, "big") + payload
    for at in range(0, len(data), step):
        codec.feed(data[at : at + step])
    assert codec.controls == [CloseReceived(1011, reason)]


@pytest.mark.parametrize("size", [8193, 65536])
def test_but_not_one_of_any_length(size: int) -> None:
    codec = make(FastCodec)
    codec.feed(frame(0x88, b"\x03\xe8" + bytes(size - 2), b"", 0))
    [failure] = codec.controls
    assert isinstance(failure, FramesFailed)
    assert failure.code == 1002


def test_a_message_too_big_fails_on_its_header() -> None:
    codec = make(FastCodec, message_size=1000)
    codec.feed(b"\x82\x01a\x02\x7e" + (500).to_bytes(2, "big") + bytes(500))
    codec.feed(b"\x80\x7e" + (501).to_bytes(2, "big"))
    assert list(codec.messages) == [b"a"]
    assert codec.controls == [FramesFailed(1009, "a message is too big", too_big=True)]
    codec.feed(bytes(10))
    assert len(codec.controls) == 1


def test_sixteen_mebibytes_in_fragments_of_four_kibibytes() -> None:
    piece = random.Random(3).randbytes(4096)
    count = 4096
    stream = b"\x02\x7e\x10\x00" + piece + (b"\x00\x7e\x10\x00" + piece) * (count - 2)
    stream += b"\x80\x7e\x10\x00" + piece
    codec = make(FastCodec, message_size=1 << 24)
    for at in range(0, len(stream), 65536):
        codec.feed(stream[at : at + 65536])
    [message] = codec.messages
    assert message == piece * count


def test_tiny_pieces_of_a_frame_are_copied_together() -> None:
    codec = FastCodec(client=True, message_size=1 << 20, entropy=bytes)
    payload = random.Random(4).randbytes(5000)
    codec.feed(b"\x82\x7e" + (5000).to_bytes(2, "big") + payload[:600])
    for at in range(600, 1600):
        codec.feed(payload[at : at + 1])
    assert len(codec._pieces) == 2
    codec.feed(payload[1600:3000])
    codec.feed(payload[3000:] + b"\x82\x01x")
    assert list(codec.messages) == [payload, b"x"]


def test_masks_are_fresh_for_each_frame() -> None:
    codec = FastCodec(client=True, message_size=1, entropy=random.Random(1).randbytes)
    keys = {codec.encode_ping(b"")[2:] for _ in range(200)}
    assert len(keys) == 200


@given(
    st.binary(max_size=50), st.binary(min_size=4, max_size=4), st.sampled_from([0, 1, 16383, 17000])
)
@example(b"", b"abcd", 16384)
@example(b"x", b"abcd", 16384)
def test_masks(data: bytes, key: bytes, padding: int) -> None:
    data += bytes(padding)
    masked = apply_mask(data, key)
    assert masked == bytes(byte ^ key[at % 4] for at, byte in enumerate(data))
    assert apply_mask(memoryview(masked), key) == data
    assert apply_mask(data, b"") == data


def test_a_ping_split_anywhere() -> None:
    for cut in range(1, 6):
        codec = make(FastCodec)
        codec.feed(b"\x89\x04ping"[:cut])
        codec.feed(b"\x89\x04ping"[cut:])
        assert codec.controls == [Ping(b"ping")]
