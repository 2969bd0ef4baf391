from __future__ import annotations

import subprocess
import sys

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded, LocalProtocolError
from spacetime_proto.limits import Limits
from spacetime_proto.messages import payloads, v1, v2
from spacetime_proto.messages.compression import BROTLI, GZIP, deflate
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.protocols import V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.testing import comparable
from spacetime_proto.testing import strategies as sts
from tests.support.payloads import compress

ALGORITHMS = st.sampled_from(["none", "brotli", "gzip"])
EMPTY_UPDATE = v2.encode_server(v2.TransactionUpdate())
QUERY = v2.encode_client(v2.OneOffQuery(1, "q"))
V1_CALL = v1.Unsubscribe(1, 2)
V2_CALL = v2.OneOffQuery(1, "q")
V1_NEWS = v1.TransactionUpdateLight(1, ())
V2_NEWS = v2.TransactionUpdate()
ADA = bytes(31) + b"\xc2" + b"\x00\x03\0\0\0ada" + b"\x01"
V1_ROWS = v1.TransactionUpdateLight(
    1,
    (v1.TableUpdate(4097, "user", 1, (v1.QueryUpdate(EMPTY_ROWS, RowList.from_rows([ADA])),)),),
)


@pytest.mark.parametrize("protocol", [V1_BSATN, V1_JSON])
def test_on_v1_a_server_decides_by_frame_type(protocol: str) -> None:
    for payload in (v1.encode_client(V1_CALL), v1.CLIENT.to_json(V1_CALL)):
        assert list(payloads.decode_client_payload(protocol, payload)) == [V1_CALL]


def test_on_v1_bytes_after_a_client_message_are_ignored() -> None:
    payload = v1.encode_client(V1_CALL) + b"rest"
    assert list(payloads.decode_client_payload(V1_BSATN, payload)) == [V1_CALL]


def test_v2_and_v3_client_payloads() -> None:
    payload = v2.encode_client(V2_CALL)
    assert list(payloads.decode_client_payload(V2_BSATN, payload * 2)) == [V2_CALL]
    assert list(payloads.decode_client_payload(V3_BSATN, payload * 2)) == [V2_CALL, V2_CALL]


@pytest.mark.parametrize("protocol", [V2_BSATN, V3_BSATN])
def test_v2_and_v3_have_no_text(protocol: str) -> None:
    with pytest.raises(DecodeError) as caught:
        list(payloads.decode_client_payload(protocol, "hello"))
    assert caught.value.detail == f"{protocol[:2]} websocket does not support text messages"


def test_server_payloads() -> None:
    v1_body, v2_body = v1.encode_server(V1_NEWS), v2.encode_server(V2_NEWS)
    text = '{"TransactionUpdateLight":{"request_id":1,"update":{"tables":[]}}}'
    for protocol, payload, messages in (
        (V1_BSATN, compress(v1_body), [V1_NEWS]),
        (V1_BSATN, b"\x02" + deflate(v1_body, 2), [V1_NEWS]),
        (V2_BSATN, compress(v2_body), [V2_NEWS]),
        (V3_BSATN, compress(v2_body * 2), [V2_NEWS, V2_NEWS]),
        (V1_JSON, text, [V1_NEWS]),
    ):
        assert list(payloads.decode_server_payload(protocol, payload)) == messages


@pytest.mark.parametrize("protocol", [V1_BSATN, V2_BSATN])
def test_bytes_after_a_server_message_are_refused(protocol: str) -> None:
    body = v1.encode_server(V1_NEWS) if protocol == V1_BSATN else v2.encode_server(V2_NEWS)
    with pytest.raises(DecodeError, match="1 bytes after the message in TransactionUpdate"):
        list(payloads.decode_server_payload(protocol, b"\0" + body + b"x"))


def test_a_server_payload_of_the_wrong_kind() -> None:
    with pytest.raises(DecodeError, match=r"the server sent a text message on v2\.bsatn"):
        list(payloads.decode_server_payload(V2_BSATN, "{}"))
    with pytest.raises(DecodeError, match=r"the server sent a binary message on v1\.json"):
        list(payloads.decode_server_payload(V1_JSON, b"\0"))


def test_rows_of_v1_json_need_a_codec(codec: JsonCodec) -> None:
    text = v1.SERVER.to_json(V1_ROWS, codec)
    (found,) = payloads.decode_server_payload(V1_JSON, text, codec=codec)
    assert comparable(found) == comparable(V1_ROWS)
    with pytest.raises(DecodeError, match="no schema to read rows with in row 0 of table 'user'"):
        list(payloads.decode_server_payload(V1_JSON, text))


# --- the tag ----------------------------------------------------------------------------------


@given(st.binary(max_size=3000), ALGORITHMS)
def test_decompress_undoes_what_a_server_does(body: bytes, algorithm: str) -> None:
    data, start = payloads.decompress(compress(body, algorithm))
    assert data[start:] == body


def test_an_uncompressed_payload_is_not_copied() -> None:
    payload = compress(b"body")
    data, start = payloads.decompress(payload)
    assert data is payload
    assert start == 1


@pytest.mark.parametrize("tag", [BROTLI, GZIP])
def test_a_small_compressed_body_is_read_too(tag: int) -> None:
    assert payloads.decompress(bytes((tag,)) + deflate(b"tiny", tag)) == (b"tiny", 0)


def test_bad_tags() -> None:
    with pytest.raises(DecodeError, match="data too short for u8"):
        payloads.decompress(b"")
    with pytest.raises(DecodeError, match="unknown tag 0x3 for sum type compression"):
        payloads.decompress(b"\x03abc")


def test_limits_are_obeyed() -> None:
    with pytest.raises(LimitExceeded):
        payloads.decompress(compress(bytes(2000), "gzip"), Limits(decompressed_size=1999))


# --- server payloads --------------------------------------------------------------------------


@given(st.lists(sts.v2_server_messages(), min_size=1, max_size=4), ALGORITHMS)
def test_a_v3_server_payload_gives_its_messages(
    messages: list[v2.ServerMessage], algorithm: str
) -> None:
    payload = compress(b"".join(map(v2.encode_server, messages)), algorithm)
    found = list(payloads.decode_server_payload(V3_BSATN, payload))
    assert comparable(tuple(found)) == comparable(tuple(messages))


@given(sts.v2_server_messages(), ALGORITHMS)
def test_a_v2_server_payload_gives_its_message(message: v2.ServerMessage, algorithm: str) -> None:
    payload = compress(v2.encode_server(message), algorithm)
    (found,) = payloads.decode_server_payload(V2_BSATN, payload)
    assert comparable(found) == comparable(message)


def test_bytes_after_a_v2_message_are_refused() -> None:
    with pytest.raises(DecodeError, match=r"1 bytes after the message in TransactionUpdate at"):
        list(payloads.decode_server_payload(V2_BSATN, b"\0" + EMPTY_UPDATE + b"\0"))


@pytest.mark.parametrize("protocol", [V2_BSATN, V3_BSATN])
def test_a_server_payload_without_a_message_is_refused(protocol: str) -> None:
    with pytest.raises(DecodeError, match="data too short for u8"):
        list(payloads.decode_server_payload(protocol, b"\0"))


def test_messages_before_a_damaged_one_are_given_first() -> None:
    found = payloads.decode_server_payload(V3_BSATN, b"\0" + EMPTY_UPDATE + b"\xff")
    assert next(found) == v2.TransactionUpdate()
    with pytest.raises(DecodeError, match="unknown tag 0xff"):
        next(found)


def test_messages_of_a_payload_share_one_budget_of_rows() -> None:
    rows = RowList.from_rows([b"ab"] * 10)
    body = v2.encode_server(v2.SubscribeAppliedMessage(1, 1, (v2.SingleTableRows("t", rows),)))
    payload = compress(body * 50, "gzip")
    assert len(list(payloads.decode_server_payload(V3_BSATN, payload))) == 50
    limits = Limits(row_floor=1, max_rows_per_message=500)
    found = payloads.decode_server_payload(V3_BSATN, payload, limits)
    with pytest.raises(LimitExceeded, match="a server payload holds more rows") as caught:
        list(found)
    assert caught.value.maximum == 500


def test_empty_messages_are_counted_too() -> None:
    payload = compress(EMPTY_UPDATE * 1000, "gzip")
    limits = Limits(row_floor=1, row_ratio=1)
    with pytest.raises(LimitExceeded, match="a server payload holds more rows"):
        list(payloads.decode_server_payload(V3_BSATN, payload, limits))


@given(st.data(), st.sampled_from((V2_BSATN, V3_BSATN)))
def test_damaged_server_payloads_raise_only_documented_errors(
    data: st.DataObject, protocol: str
) -> None:
    messages = data.draw(st.lists(sts.v2_server_messages(), max_size=3))
    body = b"".join(map(v2.encode_server, messages))
    payload = data.draw(sts.damaged(compress(body, data.draw(ALGORITHMS))))
    try:
        list(payloads.decode_server_payload(protocol, payload))
    except (DecodeError, LimitExceeded):
        return


# --- client payloads --------------------------------------------------------------------------


@given(st.lists(sts.v2_client_messages(), min_size=1, max_size=4))
def test_a_v3_client_payload_gives_its_messages(messages: list[v2.ClientMessage]) -> None:
    payload = b"".join(map(v2.encode_client, messages))
    assert list(payloads.decode_client_payload(V3_BSATN, payload)) == messages
    assert list(payloads.decode_client_payload(V2_BSATN, payload)) == messages[:1]


def test_empty_client_payloads() -> None:
    with pytest.raises(DecodeError, match=r"^v3 websocket binary payload must contain at least"):
        list(payloads.decode_client_payload(V3_BSATN, b""))
    with pytest.raises(DecodeError, match=r"^data too short for u8"):
        list(payloads.decode_client_payload(V2_BSATN, b""))


def test_client_messages_before_a_damaged_one_are_given_first() -> None:
    found = payloads.decode_client_payload(V3_BSATN, QUERY + b"\xff")
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
    batches = list(payloads.join(messages, max_size, most))
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
    assert list(payloads.join([b"aa", b"bb", b"cc"], 4)) == [b"aabb", b"cc"]
    assert list(payloads.join([b"a"] * 5, 100, 2)) == [b"aa", b"aa", b"a"]
    assert list(payloads.join([])) == []


def test_a_lone_message_is_not_copied() -> None:
    message = b"x" * 500
    assert next(payloads.join([message])) is message
    first, second = payloads.join([message, message], 600)
    assert first is message
    assert second is message


def test_an_empty_message_cannot_be_joined() -> None:
    with pytest.raises(LocalProtocolError):
        list(payloads.join([b""]))


# --- bombs ------------------------------------------------------------------------------------

_BOMB = """
import resource, sys
from spacetime_proto.messages.payloads import decode_server_payload
from spacetime_proto.protocols import V3_BSATN
from spacetime_proto.errors import DecodeError, LimitExceeded
payload = bytes.fromhex(sys.stdin.read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for message in decode_server_payload(V3_BSATN, payload):
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
