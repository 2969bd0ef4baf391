from __future__ import annotations

import pytest

from spacetime_proto.errors import DecodeError
from spacetime_proto.messages import frames, payloads, v1, v1_json, v2
from spacetime_proto.messages.compression import deflate
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.messages.payloads import V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.testing import comparable

V1_CALL = v1.Unsubscribe(1, 2)
V2_CALL = v2.OneOffQuery(1, "q")
V1_NEWS = v1.TransactionUpdateLight(1, ())
V2_NEWS = v2.TransactionUpdate()
ADA = bytes(31) + b"\xc2" + b"\x00\x03\0\0\0ada" + b"\x01"
V1_ROWS = v1.TransactionUpdateLight(
    1,
    (v1.TableUpdate(4097, "user", 1, (v1.QueryUpdate(EMPTY_ROWS, RowList.from_rows([ADA])),)),),
)


def test_protocols_in_a_servers_order() -> None:
    assert payloads.PROTOCOLS == (V3_BSATN, V2_BSATN, V1_BSATN, V1_JSON)


@pytest.mark.parametrize("protocol", [V1_BSATN, V1_JSON])
def test_on_v1_a_server_decides_by_frame_type(protocol: str) -> None:
    for payload in (v1.encode_client(V1_CALL), v1_json.encode_client(V1_CALL)):
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
        (V1_BSATN, frames.compress(v1_body), [V1_NEWS]),
        (V1_BSATN, b"\x02" + deflate(v1_body, 2), [V1_NEWS]),
        (V2_BSATN, frames.compress(v2_body), [V2_NEWS]),
        (V3_BSATN, frames.compress(v2_body * 2), [V2_NEWS, V2_NEWS]),
        (V1_JSON, text, [V1_NEWS]),
    ):
        assert list(payloads.decode_server_payload(protocol, payload)) == messages


@pytest.mark.parametrize("protocol", [V1_BSATN, V2_BSATN])
def test_bytes_after_a_server_message_are_refused(protocol: str) -> None:
    body = v1.encode_server(V1_NEWS) if protocol == V1_BSATN else v2.encode_server(V2_NEWS)
    with pytest.raises(DecodeError, match="1 bytes after the message in TransactionUpdate"):
        list(payloads.decode_server_payload(protocol, b"\0" + body + b"x"))


def test_a_server_payload_of_the_wrong_kind() -> None:
    with pytest.raises(DecodeError, match=r"text message on a binary protocol in v2\.bsatn"):
        list(payloads.decode_server_payload(V2_BSATN, "{}"))
    with pytest.raises(DecodeError, match=r"binary message on a text protocol in v1\.json"):
        list(payloads.decode_server_payload(V1_JSON, b"\0"))


def test_rows_of_v1_json_need_a_codec(codec: JsonCodec) -> None:
    text = v1_json.encode_server(V1_ROWS, codec)
    (found,) = payloads.decode_server_payload(V1_JSON, text, codec=codec)
    assert comparable(found) == comparable(V1_ROWS)
    with pytest.raises(DecodeError, match="no schema to read rows with in row of table 'user'"):
        list(payloads.decode_server_payload(V1_JSON, text))
