"""Protocol v2. The byte dumps are those of docs/protocol.md section 12, recorded from a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.messages import reading, v2
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.testing import comparable
from spacetime_proto.testing import strategies as sts
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

TABLE = "view_pk_player"
NAME = "0e000000 766965775f706b5f706c61796572"
ANN = bytes.fromhex("0700000000000000 03000000 616e6e")
BO = bytes.fromhex("0700000000000000 02000000 626f")
QUERY = "SELECT * FROM view_pk_player"
QUERY_HEX = "1c000000 53454c454354202a2046524f4d20766965775f706b5f706c61796572"
ROWS_ANN = "00 0f00 0f000000 0700000000000000 03000000 616e6e"
ROWS_BO = "00 0e00 0e000000 0700000000000000 02000000 626f"
UPDATE = v2.TransactionUpdate(
    (
        v2.QuerySetUpdate(
            5,
            (
                v2.TableUpdate(
                    TABLE,
                    (v2.PersistentRows(RowList.from_rows([BO]), RowList.from_rows([ANN])),),
                ),
            ),
        ),
    )
)
UPDATE_HEX = f"01000000 05000000 01000000 {NAME} 01000000 00 {ROWS_BO} {ROWS_ANN}"
BO_ROWS = (v2.SingleTableRows(TABLE, RowList.from_rows([BO])),)

CLIENT = [
    (v2.Subscribe(3, 5, (QUERY,)), f"00 03000000 05000000 01000000 {QUERY_HEX}"),
    (v2.Subscribe(3, 5, ()), "00 03000000 05000000 00000000"),
    (v2.Unsubscribe(9, 5, v2.SEND_DROPPED_ROWS), "01 09000000 05000000 01"),
    (v2.Unsubscribe(9, 5), "01 09000000 05000000 00"),
    (v2.OneOffQuery(6, QUERY), f"02 06000000 {QUERY_HEX}"),
    (
        v2.CallReducer(4, "update_view_pk_player", BO),
        "03 04000000 00 15000000 7570646174655f766965775f706b5f706c61796572 0e000000 "
        "0700000000000000 02000000 626f",
    ),
    (
        v2.CallProcedure(1, "return_primitive", bytes.fromhex("0300000004000000")),
        "04 01000000 00 10000000 72657475726e5f7072696d6974697665 08000000 03000000 04000000",
    ),
    (
        v2.SubscribeBatch(7, (v2.SubscribeSet(1, (QUERY,)), v2.SubscribeSet(2, ()))),
        f"05 07000000 02000000 01000000 01000000 {QUERY_HEX} 02000000 00000000",
    ),
    (v2.SubscribeBatch(1, ()), "05 01000000 00000000"),
]

SERVER = [
    (
        v2.SubscribeAppliedMessage(3, 5, (v2.SingleTableRows(TABLE, RowList.from_rows([ANN])),)),
        f"01 03000000 05000000 01000000 {NAME} {ROWS_ANN}",
    ),
    (v2.SubscribeAppliedMessage(1, 1, ()), "01 01000000 01000000 00000000"),
    (
        v2.ReducerResult(4, Timestamp(0x000660EDFB93AC11), v2.ReducerOk(b"", UPDATE)),
        f"06 04000000 11ac93fbed600600 00 00000000 {UPDATE_HEX}",
    ),
    (UPDATE, f"04 {UPDATE_HEX}"),
    (
        v2.TransactionUpdate(
            (
                v2.QuerySetUpdate(
                    1,
                    (
                        v2.TableUpdate(
                            TABLE, (v2.PersistentRows(RowList.from_rows([ANN]), EMPTY_ROWS),)
                        ),
                    ),
                ),
            )
        ),
        f"04 01000000 01000000 01000000 {NAME} 01000000 00 {ROWS_ANN} 01 00000000 00000000",
    ),
    (
        v2.TransactionUpdate(
            (v2.QuerySetUpdate(1, (v2.TableUpdate("e", (v2.EventRows(EMPTY_ROWS),)),)),)
        ),
        "04 01000000 01000000 01000000 01000000 65 01000000 01 01 00000000 00000000",
    ),
    (
        v2.ReducerResult(2, Timestamp(0x000660EDFB81460C), v2.ReducerOk()),
        "06 02000000 0c4681fbed600600 00 00000000 00000000",
    ),
    (v2.ReducerResult(2, Timestamp(-1), v2.ReducerOkEmpty()), "06 02000000 ffffffffffffffff 01"),
    (
        v2.ReducerResult(
            1, Timestamp(0x000660EDFBD10D77), v2.ReducerErr(b"\x17\0\0\0Names must not be empty")
        ),
        "06 01000000 770dd1fbed600600 02 1b000000 17000000 "
        "4e616d6573206d757374206e6f7420626520656d707479",
    ),
    (
        v2.ReducerResult(
            10, Timestamp(0x000660EDFBB870AC), v2.ReducerInternalError("no such reducer")
        ),
        "06 0a000000 ac70b8fbed600600 03 0f000000 6e6f20737563682072656475636572",
    ),
    (v2.OneOffQueryResult(6, BO_ROWS), f"05 06000000 00 01000000 {NAME} {ROWS_BO}"),
    (v2.OneOffQueryResult(7, "no"), "05 07000000 01 02000000 6e6f"),
    (v2.SubscriptionErrorMessage(8, 9, "no"), "03 00 08000000 09000000 02000000 6e6f"),
    (v2.SubscriptionErrorMessage(None, 9, "no"), "03 01 09000000 02000000 6e6f"),
    (
        v2.UnsubscribeAppliedMessage(9, 5, BO_ROWS),
        f"02 09000000 05000000 00 01000000 {NAME} {ROWS_BO}",
    ),
    (v2.UnsubscribeAppliedMessage(9, 5), "02 09000000 05000000 01"),
    (
        v2.ProcedureResult(
            v2.ProcedureReturned(bytes.fromhex("07000000")),
            Timestamp(0x000660EDFBDD5FA8),
            TimeDuration(154),
            1,
        ),
        "07 00 04000000 07000000 a85fddfbed600600 9a00000000000000 01000000",
    ),
    (
        v2.ProcedureResult(v2.ProcedureInternalError("x"), Timestamp(0), TimeDuration(0), 1),
        "07 01 01000000 78 0000000000000000 0000000000000000 01000000",
    ),
    (
        v2.SubscribeBatchApplied(
            7, (v2.SubscribeSetResult(1, BO_ROWS), v2.SubscribeSetResult(2, "no"))
        ),
        f"08 07000000 02000000 01000000 00 01000000 {NAME} {ROWS_BO} 02000000 01 02000000 6e6f",
    ),
    (v2.SubscribeBatchApplied(1, ()), "08 01000000 00000000"),
]


@pytest.mark.parametrize(("message", "raw"), CLIENT)
def test_client_messages_as_a_server_reads_them(message: v2.ClientMessage, raw: str) -> None:
    data = bytes.fromhex(raw)
    assert v2.encode_client(message) == data
    assert v2.decode_client(b"\xee" + data + b"\xee", 1) == (message, 1 + len(data))


@pytest.mark.parametrize(("message", "raw"), SERVER)
def test_server_messages_as_a_server_writes_them(message: v2.ServerMessage, raw: str) -> None:
    data = bytes.fromhex(raw)
    assert v2.encode_server(message) == data
    found, pos = v2.decode_server(b"\0" + data + b"\xee", 1)
    assert comparable(found) == comparable(message)
    assert pos == 1 + len(data)


@pytest.mark.parametrize("raw", [raw for _, raw in CLIENT])
def test_client_messages_cut_short(raw: str) -> None:
    data = bytes.fromhex(raw)
    for size in range(len(data)):
        with pytest.raises(DecodeError, match="data too short"):
            v2.decode_client(data[:size])


@pytest.mark.parametrize("raw", [raw for _, raw in SERVER])
def test_server_messages_cut_short(raw: str) -> None:
    data = bytes.fromhex(raw)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            v2.decode_server(data[:size])


@given(sts.v2_client_messages())
def test_client_messages_round_trip(message: v2.ClientMessage) -> None:
    data = v2.encode_client(message)
    assert v2.decode_client(data) == (message, len(data))


@given(sts.v2_server_messages())
def test_server_messages_round_trip(message: v2.ServerMessage) -> None:
    data = v2.encode_server(message)
    found, pos = v2.decode_server(data)
    assert comparable(found) == comparable(message)
    assert pos == len(data)
    assert v2.encode_server(found) == data


@given(st.data())
def test_damage_raises_only_documented_errors(data: st.DataObject) -> None:
    client = data.draw(sts.damaged(v2.encode_client(data.draw(sts.v2_client_messages()))))
    server = data.draw(sts.damaged(v2.encode_server(data.draw(sts.v2_server_messages()))))
    for decode, payload in ((v2.decode_client, client), (v2.decode_server, server)):
        try:
            _, pos = decode(payload)  # type: ignore[operator]
        except (DecodeError, LimitExceeded):
            continue
        assert pos <= len(payload)


@given(st.binary(max_size=60))
def test_random_bytes_raise_only_documented_errors(payload: bytes) -> None:
    for decode in (v2.decode_client, v2.decode_server):
        try:
            decode(payload)
        except (DecodeError, LimitExceeded):
            continue


# --- errors of client messages, in a server's words -------------------------------------------


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        ("", "data too short for u8: Expected 1, given 0"),
        ("ff", "unknown tag 0xff for sum type ClientMessage"),
        ("00 01 00", "data too short for u32: Expected 4, given 2"),
        ("00 01000000 01000000 ffffffff", "data too short for u32: Expected 4, given 0"),
        ("01 01000000 01000000 02", "unknown tag 0x2 for sum type UnsubscribeFlags"),
        ("03 01000000 01 00000000 00000000", "invalid call reducer flag 1"),
        ("04 01000000 07 00000000 00000000", "invalid call procedure flag 7"),
        ("02 01000000 01000000 ff", "invalid utf-8: invalid start byte"),
    ],
)
def test_bad_client_messages(raw: str, detail: str) -> None:
    with pytest.raises(DecodeError) as caught:
        v2.decode_client(bytes.fromhex(raw))
    assert caught.value.detail == detail


def test_a_bad_client_message_is_named() -> None:
    with pytest.raises(DecodeError, match="in OneOffQuery at byte 1"):
        v2.decode_client(b"\x02\x01")


def test_too_many_queries() -> None:
    data = v2.encode_client(v2.Subscribe(1, 1, ("a", "b")))
    assert v2.decode_client(data, 0, Limits(max_rows_per_message=2))[0].query_strings == ("a", "b")  # type: ignore[union-attr]
    with pytest.raises(LimitExceeded, match="Subscribe holds more rows"):
        v2.decode_client(data, 0, Limits(max_rows_per_message=1))


# --- errors of server messages ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        ("", "data too short for u8"),
        ("09", "unknown tag 0x9 for sum type ServerMessage"),
        (
            "08 07000000 01000000 05000000 02",
            "tag 0x2 for sum type SubscribeSetOutcome in SubscribeBatchApplied",
        ),
        ("02 09000000 05000000 02", "unknown tag 0x2 for sum type Option in UnsubscribeApplied"),
        ("05 07000000 02", "unknown tag 0x2 for sum type Result in OneOffQueryResult"),
        ("06 02000000 0000000000000000 04", "ReducerOutcome in ReducerResult at byte 13"),
        ("07 02", "unknown tag 0x2 for sum type ProcedureStatus in ProcedureResult at byte 1"),
        (
            "04 01000000 01000000 01000000 01000000 75 01000000 02",
            "unknown tag 0x2 for sum type TableUpdateRows in table 'u' of TransactionUpdate",
        ),
        (
            "04 01000000 01000000 01000000 01000000 75 01000000 00 00 0300 02000000 0000",
            "do not divide .* in row list of table 'u' of TransactionUpdate at byte 23",
        ),
        ("04 01000000 01000000 01000000 01000000 ff 00000000", "invalid utf-8: .*TransactionUp"),
        (
            "04 01000000 01000000 01000000 ffffffff 75",
            r"data too short for \[u8\]: Expected 4294967295, given 1 in TransactionUpdate at byte 17",
        ),
        (
            "04 01000000 01000000 02000000 01000000 75 00000000 01000000",
            r"data too short for \[u8\]: Expected 1, given 0 in TransactionUpdate at byte 26",
        ),
        (
            "04 01000000 01000000 01000000 01000000 75 02000000",
            "data too short for u8: Expected 1, given 0 in table 'u' of TransactionUpdate at byte 22",
        ),
        (
            "01 01000000 01000000 01000000 01000000 75 02",
            "data too short for row list.* in table 'u' of SubscribeApplied",
        ),
    ],
)
def test_bad_server_messages(raw: str, match: str) -> None:
    with pytest.raises(DecodeError, match=match):
        v2.decode_server(bytes.fromhex(raw))


def test_an_error_before_the_first_table_has_no_table() -> None:
    raw = bytes.fromhex("04 01000000 01000000 01000000 00000000 01000000 02")
    with pytest.raises(DecodeError) as caught:
        v2.decode_server(raw)
    assert caught.value.what == "TransactionUpdate"


def many_sets(count: int) -> bytes:
    return v2.encode_server(
        v2.TransactionUpdate(tuple(v2.QuerySetUpdate(n, ()) for n in range(count)))
    )


def many_tables(count: int) -> bytes:
    tables = tuple(v2.TableUpdate("", ()) for _ in range(count))
    return v2.encode_server(v2.TransactionUpdate((v2.QuerySetUpdate(1, tables),)))


def many_rows(count: int) -> bytes:
    rows = RowList.from_rows([b"ab"] * (count - 1))
    return v2.encode_server(v2.SubscribeAppliedMessage(1, 1, (v2.SingleTableRows("t", rows),)))


@pytest.mark.parametrize("make", [many_sets, many_tables, many_rows])
def test_whatever_holds_rows_is_charged_to_the_budget(make) -> None:
    data = make(10)
    v2.decode_server(data, 0, Limits(max_rows_per_message=11))
    v2.decode_server(data, 0, Limits(max_rows_per_message=11))
    with pytest.raises(LimitExceeded) as caught:
        v2.decode_server(data, 0, Limits(max_rows_per_message=8))
    assert (caught.value.limit, caught.value.maximum) == ("max_rows_per_message", 8)


def test_what_is_left_of_the_budget_is_handed_on() -> None:
    data = many_rows(10)
    assert v2.SERVER.read(data, 0, 100)[2] == 90
    assert v2.SERVER.read(v2.encode_server(UPDATE), 0, 100)[2] == 95
    with pytest.raises(reading.RowBudgetSpent):
        v2.SERVER.read(data, 0, 5)


def test_a_token_is_not_in_a_repr() -> None:
    message = v2.InitialConnection(Identity(bytes(32)), ConnectionId(bytes(16)), "secret")
    assert "secret" not in repr(message)
    assert "<token>" in repr(message)


def test_messages_are_frozen_values() -> None:
    message = v2.CallReducer(1, "f", b"")
    assert message == v2.CallReducer(1, "f", b"", 0)
    assert hash(message) == hash(v2.CallReducer(1, "f", b"", 0))
    with pytest.raises(AttributeError):
        message.request_id = 2  # type: ignore[misc]
