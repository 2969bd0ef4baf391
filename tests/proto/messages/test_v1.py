"""Protocol v1.bsatn. The byte dumps are those of docs/protocol.md section 12, recorded from a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v1
from spacetime_proto.messages.compression import BROTLI, GZIP, deflate
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.testing import comparable
from spacetime_proto.testing import strategies as sts
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

TABLE = "view_pk_player"
NAME = "0e000000 766965775f706b5f706c61796572"
BO = bytes.fromhex("0700000000000000 02000000 626f")
CY = bytes.fromhex("0700000000000000 02000000 6379")
ROWS_BO = "00 0e00 0e000000 0700000000000000 02000000 626f"
ROWS_CY = "00 0e00 0e000000 0700000000000000 02000000 6379"
NONE = "01 00000000 00000000"
IDENTITY = Identity(b"\xc2" + bytes(30) + b"\x01")
IDENTITY_HEX = "01" + "00" * 30 + "c2"
CONNECTION = ConnectionId(bytes(15) + b"\x05")
CONNECTION_HEX = "05" + "00" * 15

INSERT_BO = v1.TableUpdate(4098, TABLE, 1, (v1.QueryUpdate(EMPTY_ROWS, RowList.from_rows([BO])),))
INSERT_BO_HEX = f"02100000 {NAME} 0100000000000000 01000000 00 {NONE} {ROWS_BO}"
CHANGE = v1.TableUpdate(
    4098, TABLE, 2, (v1.QueryUpdate(RowList.from_rows([BO]), RowList.from_rows([CY])),)
)
CHANGE_HEX = f"02100000 {NAME} 0200000000000000 01000000 00 {ROWS_BO} {ROWS_CY}"
CALL = v1.ReducerCallInfo("f", 3, b"\x01", 2)
CALL_HEX = "01000000 66 03000000 01000000 01 02000000"
TAIL = (Timestamp(1), IDENTITY, CONNECTION, CALL, 2573, TimeDuration(62))
TAIL_HEX = (
    f"0100000000000000 {IDENTITY_HEX} {CONNECTION_HEX} {CALL_HEX} "
    "0d0a0000000000000000000000000000 3e00000000000000"
)
APPLIED_HEX = "01000000 6205000000000000 07000000"

SERVER = [
    (
        v1.InitialSubscription((INSERT_BO,), 1, TimeDuration(2)),
        f"00 01000000 {INSERT_BO_HEX} 01000000 0200000000000000",
    ),
    (
        v1.TransactionUpdate(v1.Committed((CHANGE,)), *TAIL),
        f"01 00 01000000 {CHANGE_HEX} {TAIL_HEX}",
    ),
    (v1.TransactionUpdate(v1.Failed("no"), *TAIL), f"01 01 02000000 6e6f {TAIL_HEX}"),
    (v1.TransactionUpdate(v1.OutOfEnergy(), *TAIL), f"01 02 {TAIL_HEX}"),
    (v1.TransactionUpdateLight(9, (CHANGE,)), f"02 09000000 01000000 {CHANGE_HEX}"),
    (
        v1.IdentityToken(IDENTITY, "tok", CONNECTION),
        f"03 {IDENTITY_HEX} 03000000 746f6b {CONNECTION_HEX}",
    ),
    (
        v1.OneOffQueryResponse(
            b"\x0a", None, (v1.OneOffTable(TABLE, RowList.from_rows([BO])),), TimeDuration(1)
        ),
        f"04 01000000 0a 01 01000000 {NAME} {ROWS_BO} 0100000000000000",
    ),
    (
        v1.OneOffQueryResponse(b"", "no", (), TimeDuration(1)),
        "04 00000000 00 02000000 6e6f 00000000 0100000000000000",
    ),
    (
        v1.SubscribeAppliedMessage(1, 1378, 7, v1.SubscribeRows(4098, TABLE, INSERT_BO)),
        f"05 {APPLIED_HEX} 02100000 {NAME} {INSERT_BO_HEX}",
    ),
    (
        v1.UnsubscribeAppliedMessage(1, 1378, 7, v1.SubscribeRows(4098, TABLE, INSERT_BO)),
        f"06 {APPLIED_HEX} 02100000 {NAME} {INSERT_BO_HEX}",
    ),
    (
        v1.SubscriptionErrorMessage(3, 1, 7, None, "no"),
        "07 0300000000000000 00 01000000 00 07000000 01 02000000 6e6f",
    ),
    (
        v1.SubscribeMultiApplied(1, 1378, 7, (INSERT_BO,)),
        f"08 {APPLIED_HEX} 01000000 {INSERT_BO_HEX}",
    ),
    (v1.UnsubscribeMultiApplied(1, 1378, 7, ()), f"09 {APPLIED_HEX} 00000000"),
    (
        v1.ProcedureResult(v1.ProcedureReturned(b"\x07"), Timestamp(1), TimeDuration(2), 3),
        "0a 00 01000000 07 0100000000000000 0200000000000000 03000000",
    ),
    (
        v1.ProcedureResult(v1.ProcedureOutOfEnergy(), Timestamp(1), TimeDuration(2), 3),
        "0a 01 0100000000000000 0200000000000000 03000000",
    ),
    (
        v1.ProcedureResult(v1.ProcedureInternalError("x"), Timestamp(1), TimeDuration(2), 3),
        "0a 02 01000000 78 0100000000000000 0200000000000000 03000000",
    ),
]


@pytest.mark.parametrize(("message", "raw"), SERVER)
def test_server_messages_as_a_server_writes_them(message: v1.ServerMessage, raw: str) -> None:
    data = bytes.fromhex(raw)
    assert v1.encode_server(message) == data
    found, pos = v1.decode_server(b"\0" + data + b"\xee", 1)
    assert comparable(found) == comparable(message)
    assert pos == 1 + len(data)


@pytest.mark.parametrize("raw", [raw for _, raw in SERVER])
def test_server_messages_cut_short(raw: str) -> None:
    data = bytes.fromhex(raw)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            v1.decode_server(data[:size])


@given(sts.v1_server_messages())
def test_server_messages_round_trip(message: v1.ServerMessage) -> None:
    data = v1.encode_server(message)
    found, pos = v1.decode_server(data)
    assert comparable(found) == comparable(message)
    assert pos == len(data)


@given(st.data())
def test_damage_raises_only_documented_errors(data: st.DataObject) -> None:
    payload = data.draw(sts.damaged(v1.encode_server(data.draw(sts.v1_server_messages()))))
    try:
        v1.decode_server(payload)
    except (DecodeError, LimitExceeded):
        return


@given(st.binary(max_size=60))
def test_random_bytes_raise_only_documented_errors(payload: bytes) -> None:
    try:
        v1.decode_server(payload)
    except (DecodeError, LimitExceeded):
        return


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        ("", "data too short for u8"),
        ("0b", "unknown tag 0xb for sum type ServerMessage"),
        ("01 03", "unknown tag 0x3 for sum type UpdateStatus in TransactionUpdate"),
        ("0a 03", "unknown tag 0x3 for sum type ProcedureStatus in ProcedureResult"),
        (
            f"02 09000000 01000000 02100000 {NAME} 0000000000000000 01000000 03",
            "CompressableQueryUpdate in table 'view_pk_player' of TransactionUpdateLight",
        ),
    ],
)
def test_bad_server_messages(raw: str, match: str) -> None:
    with pytest.raises(DecodeError, match=match):
        v1.decode_server(bytes.fromhex(raw))


# --- updates compressed inside a message ------------------------------------------------------


def light(*updates: tuple[int, bytes]) -> bytes:
    """Return a TransactionUpdateLight whose updates are these (tag, body)."""
    out = bytearray(b"\x02" + bytes(4) + b"\x01\0\0\0" + bytes(4))
    out += b"\x01\0\0\0t" + bytes(8) + len(updates).to_bytes(4, "little")
    for tag, body in updates:
        out.append(tag)
        out += len(body).to_bytes(4, "little") + body
    return bytes(out)


def query_update(*rows: bytes) -> bytes:
    out = bytearray()
    RowList.from_rows(rows[:1]).encode_into(out)
    RowList.from_rows(rows[1:]).encode_into(out)
    return bytes(out)


@pytest.mark.parametrize("algorithm", [BROTLI, GZIP])
def test_compressed_updates_are_read(algorithm: int) -> None:
    inner = query_update(b"gone", b"new", b"newer")
    message, pos = v1.decode_server(data := light((algorithm, deflate(inner, algorithm))))
    assert pos == len(data)
    assert isinstance(message, v1.TransactionUpdateLight)
    (update,) = message.update[0].updates
    assert update.deletes.slices() == [b"gone"]
    assert update.inserts.slices() == [b"new", b"newer"]


def test_bytes_after_a_compressed_update_are_refused() -> None:
    inner = query_update(b"a", b"b") + b"!"
    with pytest.raises(DecodeError, match="1 bytes after the update in compressed update of table"):
        v1.decode_server(light((GZIP, deflate(inner, GZIP))))


@pytest.mark.parametrize(("size", "words"), [(-6, "u32: Expected 4"), (-1, r"\[u8\]: Expected 4")])
def test_a_compressed_update_that_is_cut_short(size: int, words: str) -> None:
    data = light((GZIP, b"junk"))
    match = f"data too short for {words}.* in table 't' of TransactionUpdateLight at byte"
    with pytest.raises(DecodeError, match=match):
        v1.decode_server(data[:size])


def test_a_damaged_compressed_update_names_its_table() -> None:
    with pytest.raises(DecodeError, match="gzip payload of table 't' of TransactionUpdateLight"):
        v1.decode_server(light((GZIP, b"junk")))


def test_compressed_updates_share_one_bound() -> None:
    body = deflate(query_update(bytes(600)), GZIP)
    limits = Limits(decompression_floor=1000, decompression_ratio=1)
    v1.decode_server(light((GZIP, body)), 0, limits)
    with pytest.raises(LimitExceeded, match="become more than 1,000 bytes") as caught:
        v1.decode_server(light((GZIP, body), (GZIP, body)), 0, limits)
    assert caught.value.limit == "decompression_ratio"


# --- the budget of rows -----------------------------------------------------------------------


def test_rows_and_what_holds_them_are_charged() -> None:
    rows = RowList.from_rows([b"ab"] * 5)
    update = v1.TableUpdate(1, "t", 5, (v1.QueryUpdate(EMPTY_ROWS, rows),))
    data = v1.encode_server(v1.TransactionUpdateLight(1, (update,)))
    v1.decode_server(data, 0, Limits(max_rows_per_message=7))
    for most in (1, 2, 6):
        with pytest.raises(LimitExceeded) as caught:
            v1.decode_server(data, 0, Limits(max_rows_per_message=most))
        assert (caught.value.limit, caught.value.maximum) == ("max_rows_per_message", most)


def test_tables_of_a_one_off_query_are_charged() -> None:
    tables = tuple(v1.OneOffTable("", EMPTY_ROWS) for _ in range(3))
    data = v1.encode_server(v1.OneOffQueryResponse(b"", None, tables, TimeDuration(0)))
    with pytest.raises(LimitExceeded):
        v1.decode_server(data, 0, Limits(max_rows_per_message=2))


def test_the_budget_follows_the_size_on_the_wire() -> None:
    rows = RowList.from_rows([b"ab"] * 50)
    update = v1.TableUpdate(1, "t", 5, (v1.QueryUpdate(EMPTY_ROWS, rows),))
    data = v1.encode_server(v1.TransactionUpdateLight(1, (update,)))
    limits = Limits(row_floor=1, row_ratio=2)
    v1.decode_server(data, 0, limits)
    with pytest.raises(LimitExceeded):
        v1.decode_server(data, 0, limits, wire_size=20)


def test_a_token_is_not_in_a_repr() -> None:
    message = v1.IdentityToken(Identity(bytes(32)), "secret", ConnectionId(bytes(16)))
    assert "secret" not in repr(message)
    assert "<token>" in repr(message)
