from __future__ import annotations

import subprocess
import sys

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded, LocalProtocolError
from spacetime_proto.limits import Limits
from spacetime_proto.messages import compression, frames, v2
from spacetime_proto.messages.compression import BROTLI, GZIP, deflate
from spacetime_proto.sats.rows import RowList
from spacetime_proto.testing import comparable
from spacetime_proto.testing import strategies as sts

ALGORITHMS = st.sampled_from(["none", "brotli", "gzip"])
EMPTY_UPDATE = v2.encode_server(v2.TransactionUpdate())
QUERY = v2.encode_client(v2.OneOffQuery(1, "q"))


# --- the tag ----------------------------------------------------------------------------------


@given(st.binary(max_size=3000), ALGORITHMS)
def test_decompress_undoes_compress(body: bytes, algorithm: frames.Compression) -> None:
    data, start = frames.decompress(frames.compress(body, algorithm))
    assert data[start:] == body


@pytest.mark.parametrize(("algorithm", "tag"), [("none", 0), ("brotli", 1), ("gzip", 2)])
def test_bodies_above_1024_bytes_are_compressed(algorithm: frames.Compression, tag: int) -> None:
    assert frames.compress(bytes(1024), algorithm)[0] == 0
    assert frames.compress(bytes(1025), algorithm)[0] == tag


def test_an_uncompressed_payload_is_not_copied() -> None:
    payload = frames.compress(b"body")
    data, start = frames.decompress(payload)
    assert data is payload
    assert start == 1


@pytest.mark.parametrize("tag", [BROTLI, GZIP])
def test_a_small_compressed_body_is_read_too(tag: int) -> None:
    assert frames.decompress(bytes((tag,)) + deflate(b"tiny", tag)) == (b"tiny", 0)


def test_bad_tags() -> None:
    with pytest.raises(DecodeError, match="data too short for u8"):
        frames.decompress(b"")
    with pytest.raises(DecodeError, match="unknown tag 0x3 for sum type compression"):
        frames.decompress(b"\x03abc")


def test_limits_are_obeyed() -> None:
    with pytest.raises(LimitExceeded):
        frames.decompress(frames.compress(bytes(2000), "gzip"), Limits(decompressed_size=1999))


def test_the_best_compression_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frames.best_compression() == "brotli"
    monkeypatch.setattr(compression, "_brotli", None)
    assert frames.best_compression() == "gzip"
    with pytest.raises(LocalProtocolError):
        frames.compress(bytes(2000), "brotli")


# --- server payloads --------------------------------------------------------------------------


@given(st.lists(sts.v2_server_messages(), min_size=1, max_size=4), ALGORITHMS)
def test_a_v3_server_payload_gives_its_messages(
    messages: list[v2.ServerMessage], algorithm: frames.Compression
) -> None:
    payload = frames.compress(b"".join(map(v2.encode_server, messages)), algorithm)
    found = list(frames.split_server(payload, batched=True))
    assert comparable(tuple(found)) == comparable(tuple(messages))


@given(sts.v2_server_messages(), ALGORITHMS)
def test_a_v2_server_payload_gives_its_message(
    message: v2.ServerMessage, algorithm: frames.Compression
) -> None:
    payload = frames.compress(v2.encode_server(message), algorithm)
    (found,) = frames.split_server(payload, batched=False)
    assert comparable(found) == comparable(message)


def test_bytes_after_a_v2_message_are_refused() -> None:
    with pytest.raises(DecodeError, match=r"1 bytes after the message in TransactionUpdate at"):
        list(frames.split_server(b"\0" + EMPTY_UPDATE + b"\0", batched=False))


@pytest.mark.parametrize("batched", [False, True])
def test_a_server_payload_without_a_message_is_refused(batched: bool) -> None:
    with pytest.raises(DecodeError, match="data too short for u8"):
        list(frames.split_server(b"\0", batched=batched))


def test_messages_before_a_damaged_one_are_given_first() -> None:
    found = frames.split_server(b"\0" + EMPTY_UPDATE + b"\xff", batched=True)
    assert next(found) == v2.TransactionUpdate()
    with pytest.raises(DecodeError, match="unknown tag 0xff"):
        next(found)


def test_messages_of_a_payload_share_one_budget_of_rows() -> None:
    rows = RowList.from_rows([b"ab"] * 10)
    body = v2.encode_server(v2.SubscribeApplied(1, 1, (v2.SingleTableRows("t", rows),)))
    payload = frames.compress(body * 50, "gzip")
    assert len(list(frames.split_server(payload, batched=True))) == 50
    limits = Limits(row_floor=1, max_rows_per_message=500)
    found = frames.split_server(payload, limits, batched=True)
    with pytest.raises(LimitExceeded, match="a server payload holds more rows") as caught:
        list(found)
    assert caught.value.maximum == 500


def test_empty_messages_are_counted_too() -> None:
    payload = frames.compress(EMPTY_UPDATE * 1000, "gzip")
    limits = Limits(row_floor=1, row_ratio=1)
    with pytest.raises(LimitExceeded, match="a server payload holds more rows"):
        list(frames.split_server(payload, limits, batched=True))


@given(st.data(), st.booleans())
def test_damaged_server_payloads_raise_only_documented_errors(
    data: st.DataObject, batched: bool
) -> None:
    messages = data.draw(st.lists(sts.v2_server_messages(), max_size=3))
    body = b"".join(map(v2.encode_server, messages))
    payload = data.draw(sts.damaged(frames.compress(body, data.draw(ALGORITHMS))))
    try:
        list(frames.split_server(payload, batched=batched))
    except (DecodeError, LimitExceeded):
        return


# --- client payloads --------------------------------------------------------------------------


@given(st.lists(sts.v2_client_messages(), min_size=1, max_size=4))
def test_a_v3_client_payload_gives_its_messages(messages: list[v2.ClientMessage]) -> None:
    payload = b"".join(map(v2.encode_client, messages))
    assert list(frames.split_client(payload, batched=True)) == messages
    assert list(frames.split_client(payload, batched=False)) == messages[:1]


def test_empty_client_payloads() -> None:
    with pytest.raises(DecodeError, match=r"^v3 websocket binary payload must contain at least"):
        list(frames.split_client(b"", batched=True))
    with pytest.raises(DecodeError, match=r"^data too short for u8"):
        list(frames.split_client(b"", batched=False))


def test_client_messages_before_a_damaged_one_are_given_first() -> None:
    found = frames.split_client(QUERY + b"\xff", batched=True)
    assert next(found) == v2.OneOffQuery(1, "q")
    with pytest.raises(DecodeError, match="unknown tag 0xff"):
        next(found)


# --- joining ----------------------------------------------------------------------------------


@given(
    st.lists(st.binary(min_size=1, max_size=9), max_size=12),
    st.integers(1, 20),
    st.integers(1, 4),
)
def test_join_keeps_order_and_caps(messages: list[bytes], max_size: int, most: int) -> None:
    batches = list(frames.join(messages, max_size, most))
    assert b"".join(batches) == b"".join(messages)
    rest = iter(messages)
    for batch in batches:
        assert batch
        held = []
        while sum(map(len, held)) < len(batch):
            held.append(next(rest))
        assert b"".join(held) == batch
        assert len(held) <= most
        assert len(batch) <= max_size or len(held) == 1


def test_join_fills_a_batch() -> None:
    assert list(frames.join([b"aa", b"bb", b"cc"], 4)) == [b"aabb", b"cc"]
    assert list(frames.join([b"a"] * 5, 100, 2)) == [b"aa", b"aa", b"a"]
    assert list(frames.join([])) == []


def test_a_lone_message_is_not_copied() -> None:
    message = b"x" * 500
    assert next(frames.join([message])) is message
    first, second = frames.join([message, message], 600)
    assert first is message
    assert second is message


def test_an_empty_message_cannot_be_joined() -> None:
    with pytest.raises(LocalProtocolError):
        list(frames.join([b""]))


# --- bombs ------------------------------------------------------------------------------------

_BOMB = """
import resource, sys
from spacetime_proto.messages import frames
from spacetime_proto.errors import DecodeError, LimitExceeded
payload = bytes.fromhex(sys.stdin.read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for message in frames.split_server(payload, batched=True):
        pass
except (DecodeError, LimitExceeded) as error:
    sys.stdout.write(type(error).__name__)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stdout.write(" " + str((after - before) // 1024))
"""


@pytest.mark.parametrize(
    ("head", "part", "outcome"),
    [
        (b"\x04" + (1 << 22).to_bytes(4, "little"), bytes(8), "LimitExceeded"),
        (b"\x04\x01\0\0\0\0\0\0\0" + (1 << 22).to_bytes(4, "little"), bytes(8), "LimitExceeded"),
        (b"\x01" + bytes(8) + (1 << 22).to_bytes(4, "little"), bytes(11), "LimitExceeded"),
        (
            b"\x01"
            + bytes(8)
            + b"\x01\0\0\0"
            + bytes(4)
            + b"\x01"
            + (1 << 22).to_bytes(4, "little"),
            bytes(8),
            "LimitExceeded",
        ),
        (b"", b"\x04\0\0\0\0", "LimitExceeded"),
    ],
    ids=["query sets", "tables", "row lists", "row offsets", "messages"],
)
def test_a_kilobyte_of_anything_never_takes_a_hundred_mebibytes(
    head: bytes, part: bytes, outcome: str
) -> None:
    packer = brotli.Compressor(quality=5)
    step = part * 50_000
    body = packer.process(head)
    body += b"".join(packer.process(step) for _ in range(60_000_000 // len(step)))
    payload = b"\x01" + body + packer.finish()
    assert len(payload) <= 1024
    # In a process of its own: the peak of this one has been anywhere.
    done = subprocess.run(
        [sys.executable, "-c", _BOMB],
        input=payload.hex(),
        capture_output=True,
        text=True,
        check=True,
    )
    found, mebibytes = done.stdout.split()
    assert found == outcome
    assert int(mebibytes) < 100
