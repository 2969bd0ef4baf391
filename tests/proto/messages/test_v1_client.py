"""Client messages of v1.bsatn, as the server role reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v1
from spacetime_proto.testing import strategies as sts

QUERY = "SELECT * FROM view_pk_player"
QUERY_HEX = "1c000000 53454c454354202a2046524f4d20766965775f706b5f706c61796572"

CLIENT = [
    (
        v1.CallReducer("update_view_pk_player", b"\x07", 2),
        "00 15000000 7570646174655f766965775f706b5f706c61796572 01000000 07 02000000 00",
    ),
    (
        v1.CallReducer("f", b"", 2, v1.NO_SUCCESS_NOTIFY),
        "00 01000000 66 00000000 02000000 01",
    ),
    (v1.Subscribe((QUERY,), 1), f"01 01000000 {QUERY_HEX} 01000000"),
    (v1.OneOffQuery(b"\x0a\x0b", QUERY), f"02 02000000 0a0b {QUERY_HEX}"),
    (v1.SubscribeSingle(QUERY, 2, 3), f"03 {QUERY_HEX} 02000000 03000000"),
    (v1.SubscribeMulti((QUERY,), 1, 1), f"04 01000000 {QUERY_HEX} 01000000 01000000"),
    (v1.Unsubscribe(2, 3), "05 02000000 03000000"),
    (v1.UnsubscribeMulti(2, 3), "06 02000000 03000000"),
    (v1.CallProcedure("f", b"\x01", 9), "07 01000000 66 01000000 01 09000000 00"),
]


@pytest.mark.parametrize(("message", "raw"), CLIENT)
def test_client_messages_as_a_server_reads_them(message: v1.ClientMessage, raw: str) -> None:
    data = bytes.fromhex(raw)
    assert v1.encode_client(message) == data
    assert v1.decode_client(b"\xee" + data + b"\xee", 1) == (message, 1 + len(data))


@pytest.mark.parametrize("raw", [raw for _, raw in CLIENT])
def test_client_messages_cut_short(raw: str) -> None:
    data = bytes.fromhex(raw)
    for size in range(len(data)):
        with pytest.raises(DecodeError, match="data too short"):
            v1.decode_client(data[:size])


@given(sts.v1_client_messages())
def test_client_messages_round_trip(message: v1.ClientMessage) -> None:
    data = v1.encode_client(message)
    assert v1.decode_client(data) == (message, len(data))


@given(st.data())
def test_damage_raises_only_documented_errors(data: st.DataObject) -> None:
    payload = data.draw(sts.damaged(v1.encode_client(data.draw(sts.v1_client_messages()))))
    try:
        v1.decode_client(payload)
    except (DecodeError, LimitExceeded):
        return


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        ("", "data too short for u8: Expected 1, given 0"),
        ("ff", "unknown tag 0xff for sum type ClientMessage"),
        ("00 01 00", "data too short for u32: Expected 4, given 2"),
        (
            "00 01000000 01 000000ff ffffff",
            "data too short for [u8]: Expected 4278190080, given 3",
        ),
        ("00 00000000 00000000 01000000 02", "invalid call reducer flag 2"),
        ("07 00000000 00000000 01000000 01", "invalid call procedure flag 1"),
    ],
)
def test_bad_client_messages(raw: str, detail: str) -> None:
    with pytest.raises(DecodeError) as caught:
        v1.decode_client(bytes.fromhex(raw))
    assert caught.value.detail == detail


def test_too_many_queries() -> None:
    data = v1.encode_client(v1.Subscribe(("a", "b"), 1))
    with pytest.raises(LimitExceeded, match="Subscribe holds more rows"):
        v1.decode_client(data, 0, Limits(max_rows_per_message=1))
