"""Protocol v1.json. The texts are those of docs/protocol.md section 4.5."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, EncodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v1
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.testing import comparable
from spacetime_proto.testing import strategies as sts
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

IDENTITY = Identity(b"\xc2" + bytes(31))
CONNECTION = ConnectionId.from_int(64863724718172824589212483244349726759)
ADA = bytes(31) + b"\xc2" + b"\x00\x03\0\0\0ada" + b"\x01"
ROWS = RowList.from_rows([ADA])
INSERT = v1.TableUpdate(4097, "user", 1, (v1.QueryUpdate(EMPTY_ROWS, ROWS),))

#: Stands for rows where no schema is at hand: JSON text in hex.
HEX_ROWS = JsonCodec(
    lambda _, text: bytes.fromhex(json.loads(text)), lambda _, row: f'"{row.hex()}"'
)

CLIENT = [
    (
        v1.CallReducer("set_name", '["jim"]', 6),
        '{"CallReducer":{"reducer":"set_name","args":"[\\"jim\\"]","request_id":6,"flags":0}}',
    ),
    (
        v1.Subscribe(("SELECT * FROM user",), 1),
        '{"Subscribe":{"query_strings":["SELECT * FROM user"],"request_id":1}}',
    ),
    (
        v1.SubscribeSingle("SELECT * FROM user", 2, 3),
        '{"SubscribeSingle":{"query":"SELECT * FROM user","request_id":2,"query_id":{"id":3}}}',
    ),
    (
        v1.SubscribeMulti(("SELECT * FROM message",), 4, 5),
        '{"SubscribeMulti":{"query_strings":["SELECT * FROM message"],"request_id":4,'
        '"query_id":{"id":5}}}',
    ),
    (v1.Unsubscribe(10, 3), '{"Unsubscribe":{"request_id":10,"query_id":{"id":3}}}'),
    (v1.UnsubscribeMulti(11, 5), '{"UnsubscribeMulti":{"request_id":11,"query_id":{"id":5}}}'),
    (
        v1.OneOffQuery(b"\x0a\x0b", "SELECT * FROM user"),
        '{"OneOffQuery":{"message_id":"0a0b","query_string":"SELECT * FROM user"}}',
    ),
    (
        v1.CallProcedure("return_struct", '[1,"x"]', 9),
        '{"CallProcedure":{"procedure":"return_struct","args":"[1,\\"x\\"]","request_id":9,'
        '"flags":0}}',
    ),
]


@pytest.mark.parametrize(("message", "text"), CLIENT)
def test_client_messages(message: v1.ClientMessage, text: str) -> None:
    assert v1.CLIENT.to_json(message) == text
    assert v1.CLIENT.from_json(text) == message


@pytest.mark.parametrize(
    "text",
    [
        '{"OneOffQuery":[[10,11],"q"]}',
        '{"2":{"query_string":"q","message_id":"0A0b"}}',
        '[2,["0a0b","q"]]',
        ' ["OneOffQuery",{"message_id":[10,11],"query_string":"q"}] ',
    ],
)
def test_other_forms_of_client_messages(text: str) -> None:
    assert v1.CLIENT.from_json(text) == v1.OneOffQuery(b"\x0a\x0b", "q")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "not valid JSON"),
        ("hello", "not valid JSON"),
        ('{"Nope": 1}', "there is no variant 'Nope'"),
        ('{"Unsubscribe":{"request_id":1,"query_id":{"id":2},"x":1}}', "there is no field 'x'"),
        ('{"Unsubscribe":{"request_id":1}}', "field 'query_id' is missing"),
        ('{"Unsubscribe":{"request_id":4294967296,"query_id":[1]}}', "out of range for U32"),
        ('{"Unsubscribe":{"request_id":1.0,"query_id":[1]}}', "an integer expected"),
        ('{"CallReducer":["f","[]",1,2]}', "invalid call reducer flag 2 in CallReducer"),
        ('{"CallProcedure":["f","[]",1,1]}', "invalid call procedure flag 1 in CallProcedure"),
        ('{"Unsubscribe":[1,[1]]}x', "not valid JSON"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_bad_client_messages(text: str, match: str) -> None:
    with pytest.raises(DecodeError, match=match):
        v1.CLIENT.from_json(text)


@pytest.mark.parametrize("kind", ["Subscribe", "SubscribeMulti"])
def test_too_many_queries(kind: str) -> None:
    rest = [1] if kind == "Subscribe" else [1, [1]]
    text = json.dumps({kind: [["a", "b"], *rest]})
    v1.CLIENT.from_json(text, limits=Limits(max_rows_per_message=2))
    with pytest.raises(LimitExceeded, match=f"{kind} holds more rows"):
        v1.CLIENT.from_json(text, limits=Limits(max_rows_per_message=1))


@given(sts.v1_client_messages(json=True))
def test_client_messages_round_trip(message: v1.ClientMessage) -> None:
    assert v1.CLIENT.from_json(v1.CLIENT.to_json(message)) == message


# --- server messages --------------------------------------------------------------------------

ID_JSON = '{"__identity__":"0xc2' + "00" * 31 + '"}'
CONNECTION_JSON = '{"__connection_id__":64863724718172824589212483244349726759}'
ROW_JSON = json.dumps(f'[["0xc2{"00" * 31}"],[0,"ada"],true]')
INSERT_JSON = (
    '{"table_id":4097,"table_name":"user","num_rows":1,"updates":[{"deletes":[],"inserts":['
    f"{ROW_JSON}]}}]}}"
)
TAIL_JSON = (
    '"timestamp":{"__timestamp_micros_since_unix_epoch__":1795424289922778},'
    f'"caller_identity":{ID_JSON},"caller_connection_id":{CONNECTION_JSON},'
    '"reducer_call":{"reducer_name":"send_message","reducer_id":3,"args":"[\\"hi\\"]",'
    '"request_id":7},"energy_quanta_used":{"quanta":4304},'
    '"total_host_execution_duration":{"__time_duration_micros__":112}'
)
TAIL = (
    Timestamp(1795424289922778),
    IDENTITY,
    CONNECTION,
    v1.ReducerCallInfo("send_message", 3, '["hi"]', 7),
    4304,
    TimeDuration(112),
)
APPLIED_JSON = '"request_id":2,"total_host_execution_duration_micros":384,"query_id":{"id":3}'
SUBSCRIBED = v1.SubscribeRows(4097, "user", INSERT)
SUBSCRIBED_JSON = f'"rows":{{"table_id":4097,"table_name":"user","table_rows":{INSERT_JSON}}}'
PROCEDURE_JSON = (
    '"timestamp":{"__timestamp_micros_since_unix_epoch__":5},'
    '"total_host_execution_duration":{"__time_duration_micros__":541},"request_id":9'
)

SERVER = [
    (
        v1.IdentityToken(IDENTITY, "eyJ", CONNECTION),
        f'{{"IdentityToken":{{"identity":{ID_JSON},"token":"eyJ","connection_id":'
        f"{CONNECTION_JSON}}}}}",
    ),
    (
        v1.InitialSubscription((INSERT,), 1, TimeDuration(1326)),
        f'{{"InitialSubscription":{{"database_update":{{"tables":[{INSERT_JSON}]}},'
        '"request_id":1,"total_host_execution_duration":{"__time_duration_micros__":1326}}}',
    ),
    (
        v1.SubscribeAppliedMessage(2, 384, 3, SUBSCRIBED),
        f'{{"SubscribeApplied":{{{APPLIED_JSON},{SUBSCRIBED_JSON}}}}}',
    ),
    (
        v1.UnsubscribeAppliedMessage(2, 384, 3, SUBSCRIBED),
        f'{{"UnsubscribeApplied":{{{APPLIED_JSON},{SUBSCRIBED_JSON}}}}}',
    ),
    (
        v1.SubscribeMultiApplied(2, 384, 3, ()),
        f'{{"SubscribeMultiApplied":{{{APPLIED_JSON},"update":{{"tables":[]}}}}}}',
    ),
    (
        v1.UnsubscribeMultiApplied(2, 384, 3, (INSERT,)),
        f'{{"UnsubscribeMultiApplied":{{{APPLIED_JSON},"update":{{"tables":[{INSERT_JSON}]}}}}}}',
    ),
    (
        v1.TransactionUpdate(v1.Committed((INSERT,)), *TAIL),
        f'{{"TransactionUpdate":{{"status":{{"Committed":{{"tables":[{INSERT_JSON}]}}}},'
        f"{TAIL_JSON}}}}}",
    ),
    (
        v1.TransactionUpdate(v1.Failed("no"), *TAIL),
        f'{{"TransactionUpdate":{{"status":{{"Failed":"no"}},{TAIL_JSON}}}}}',
    ),
    (
        v1.TransactionUpdate(v1.OutOfEnergy(), *TAIL),
        f'{{"TransactionUpdate":{{"status":{{"OutOfEnergy":[]}},{TAIL_JSON}}}}}',
    ),
    (
        v1.TransactionUpdateLight(9, (INSERT,)),
        f'{{"TransactionUpdateLight":{{"request_id":9,"update":{{"tables":[{INSERT_JSON}]}}}}}}',
    ),
    (
        v1.OneOffQueryResponse(
            b"\x0a\x0b", None, (v1.OneOffTable("user", ROWS),), TimeDuration(222)
        ),
        '{"OneOffQueryResponse":{"message_id":"0a0b","error":{"none":[]},"tables":[{"table_name":'
        f'"user","rows":[{ROW_JSON}]}}],"total_host_execution_duration":'
        '{"__time_duration_micros__":222}}}',
    ),
    (
        v1.OneOffQueryResponse(b"\x01\x02", "no such table", (), TimeDuration(222)),
        '{"OneOffQueryResponse":{"message_id":"0102","error":{"some":"no such table"},"tables":[],'
        '"total_host_execution_duration":{"__time_duration_micros__":222}}}',
    ),
    (
        v1.SubscriptionErrorMessage(286, 4, 55, None, "no such table"),
        '{"SubscriptionError":{"total_host_execution_duration_micros":286,"request_id":{"some":4},'
        '"query_id":{"some":55},"table_id":{"none":[]},"error":"no such table"}}',
    ),
    (
        v1.ProcedureResult(v1.ProcedureReturned('[1,"x"]'), Timestamp(5), TimeDuration(541), 9),
        f'{{"ProcedureResult":{{"status":{{"Returned":"[1,\\"x\\"]"}},{PROCEDURE_JSON}}}}}',
    ),
    (
        v1.ProcedureResult(v1.ProcedureOutOfEnergy(), Timestamp(5), TimeDuration(541), 9),
        f'{{"ProcedureResult":{{"status":{{"OutOfEnergy":[]}},{PROCEDURE_JSON}}}}}',
    ),
    (
        v1.ProcedureResult(v1.ProcedureInternalError("x"), Timestamp(5), TimeDuration(541), 9),
        f'{{"ProcedureResult":{{"status":{{"InternalError":"x"}},{PROCEDURE_JSON}}}}}',
    ),
]


@pytest.mark.parametrize(("message", "text"), SERVER)
def test_server_messages(codec: JsonCodec, message: v1.ServerMessage, text: str) -> None:
    assert v1.SERVER.to_json(message, codec) == text
    assert comparable(v1.SERVER.from_json(text, codec)) == comparable(message)


@given(sts.v1_server_messages(json=True))
def test_server_messages_round_trip(message: v1.ServerMessage) -> None:
    text = v1.SERVER.to_json(message, HEX_ROWS)
    assert comparable(v1.SERVER.from_json(text, HEX_ROWS)) == comparable(message)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("null", "an object of one key"),
        ('{"Hello":[]}', "there is no variant 'Hello'"),
        (
            '{"TransactionUpdateLight":[1,[[[1,"user",1,[[[],["[]"]]]]]]]}',
            "row 0 of table 'user' of",
        ),
        ('{"TransactionUpdateLight":[1,[[[1,"x",1,[[[],["[]"]]]]]]]}', "no table 'x' in row 0 of"),
        ('{"TransactionUpdateLight":[1,[[[1,"user",1,[[["{"],[]]]]]]]}', "not valid JSON.* in row"),
    ],
)
def test_bad_server_messages(codec: JsonCodec, text: str, match: str) -> None:
    with pytest.raises(DecodeError, match=match):
        v1.SERVER.from_json(text, codec)


@pytest.mark.parametrize("row", ["[1,null]", '{\\"big\\":1,\\"small\\":null}'])
def test_a_float_that_json_cannot_say_names_table_and_column(codec: JsonCodec, row: str) -> None:
    """The server writes NaN and the infinities as null (docs/choosing-a-protocol.md)."""
    text = f'{{"TransactionUpdateLight":[1,[[[1,"numbers",1,[[[],["{row}"]]]]]]]}}'
    match = "a number expected, not null in small of row 0 of table 'numbers' of Transaction"
    with pytest.raises(DecodeError, match=match):
        v1.SERVER.from_json(text, codec)


def test_a_row_that_json_can_say_and_bsatn_cannot() -> None:
    def refuse(table: str, text: str) -> bytes:
        raise EncodeError("4 GiB are too many")

    message = v1.TransactionUpdateLight(1, (INSERT,))
    text = v1.SERVER.to_json(message, HEX_ROWS)
    with pytest.raises(DecodeError, match="4 GiB are too many in row 0 of table 'user' of"):
        v1.SERVER.from_json(text, JsonCodec(refuse, HEX_ROWS.decode_row))


def test_rows_and_what_holds_them_are_charged(codec: JsonCodec) -> None:
    text = v1.SERVER.to_json(v1.TransactionUpdateLight(1, (INSERT,)), codec)
    v1.SERVER.from_json(text, codec, Limits(max_rows_per_message=3))
    for most in (1, 2):
        with pytest.raises(LimitExceeded) as caught:
            v1.SERVER.from_json(text, codec, Limits(max_rows_per_message=most))
        assert (caught.value.limit, caught.value.maximum) == ("max_rows_per_message", most)


def test_tables_of_a_one_off_query_are_charged() -> None:
    tables = (v1.OneOffTable("", EMPTY_ROWS),) * 3
    message = v1.OneOffQueryResponse(b"", None, tables, TimeDuration(0))
    text = v1.SERVER.to_json(message, HEX_ROWS)
    with pytest.raises(LimitExceeded):
        v1.SERVER.from_json(text, HEX_ROWS, Limits(max_rows_per_message=2))


@given(st.data())
def test_damaged_text_raises_only_documented_errors(data: st.DataObject) -> None:
    message = data.draw(sts.v1_server_messages(json=True))
    raw = v1.SERVER.to_json(message, HEX_ROWS).encode()
    text = data.draw(sts.damaged(raw)).decode("utf-8", "replace")

    def encode_row(table: str, row: str) -> bytes:
        try:
            return HEX_ROWS.encode_row(table, row)
        except (ValueError, TypeError) as error:
            raise DecodeError("no row") from error

    try:
        v1.SERVER.from_json(text, JsonCodec(encode_row, HEX_ROWS.decode_row))
    except (DecodeError, LimitExceeded):
        return


@given(st.text(max_size=40))
def test_random_text_raises_only_documented_errors(text: str) -> None:
    with pytest.raises(DecodeError):
        v1.CLIENT.from_json(text)
