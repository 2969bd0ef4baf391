from __future__ import annotations

from spacetime_proto.wire.frames import CloseReceived, FramesFailed, Ping, Pong
from spacetime_proto.wire.frames_wsproto import WsprotoCodec


def client(message_size: int = 1000) -> WsprotoCodec:
    return WsprotoCodec(client=True, message_size=message_size)


def test_messages_and_controls_are_told_apart() -> None:
    codec = client()
    codec.feed(b"\x01\x02\xe2\x82\x89\x01p\x80\x01\xac\x8a\x01q\x82\x00")
    assert list(codec.messages) == ["\u20ac", b""]
    assert codec.controls == [Ping(b"p"), Pong(b"q")]


def test_nothing_is_read_after_a_close() -> None:
    codec = client()
    codec.feed(b"\x88\x04\x03\xe8by\x82\x01a")
    codec.feed(b"\x82\x01b")
    assert codec.controls == [CloseReceived(1000, "by")]
    assert not codec.messages


def test_an_empty_close_has_no_code() -> None:
    codec = client()
    codec.feed(b"\x88\x00")
    assert codec.controls == [CloseReceived(None, "")]


def test_a_parse_error_is_a_failure() -> None:
    codec = client()
    codec.feed(b"\x83\x00")
    codec.feed(b"\x82\x01b")
    [failure] = codec.controls
    assert isinstance(failure, FramesFailed)
    assert failure.code == 1002
    assert not codec.messages


def test_the_size_is_limited_as_chunks_come() -> None:
    codec = client(message_size=10)
    codec.feed(b"\x82\x7f" + (1 << 40).to_bytes(8, "big") + bytes(10))
    assert codec.controls == []
    codec.feed(b"x")
    assert codec.controls == [FramesFailed(1009, "a message is too big", too_big=True)]


def test_fragments_are_cut_between_characters() -> None:
    server = WsprotoCodec(client=False, message_size=1000, fragment_size=7)
    reader = client()
    for payload in ("\U0001f600" * 5, b"0123456789", "", b""):
        chunks = server.encode(payload)
        assert all(len(chunk) <= 2 + 7 for chunk in chunks)
        reader.feed(b"".join(chunks))
    assert list(reader.messages) == ["\U0001f600" * 5, b"0123456789", "", b""]


def test_control_frames_out() -> None:
    server = WsprotoCodec(client=False, message_size=1000)
    assert server.encode_ping(b"a") == b"\x89\x01a"
    assert server.encode_pong(b"a") == b"\x8a\x01a"
    assert server.encode_close(None, "ignored") == b"\x88\x00"
    assert server.encode_close(1000, "by") == b"\x88\x04\x03\xe8by"
