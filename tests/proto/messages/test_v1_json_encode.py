"""What cannot be written is an EncodeError; what can is tested with the decoders, in test_v1_json."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import EncodeError
from spacetime_proto.messages import v1
from spacetime_proto.messages.declare import wire_name
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

IDS = (Timestamp(1), Identity(bytes(32)), ConnectionId(bytes(16)))
CALL = v1.ReducerCallInfo("f", 3, "[]", 2)


@pytest.mark.parametrize(
    "message",
    [
        v1.CallReducer("f", b"", 1),
        v1.CallReducer("f", "[]", 1 << 32),
        v1.CallProcedure("f", "[]", 1, 256),
        v1.Subscribe(("\ud800",), 1),
        v1.SubscribeMulti(None, 1, 1),  # type: ignore[arg-type]
        v1.OneOffQuery("0a", "q"),  # type: ignore[arg-type]
        v1.TransactionUpdateLight(1, ()),
        None,
    ],
)
def test_client_messages_that_do_not_fit(message: Any) -> None:
    with pytest.raises(EncodeError, match=wire_name(type(message))):
        v1.CLIENT.to_json(message)


def with_rows(table: str, row: bytes) -> v1.TransactionUpdateLight:
    rows = RowList.from_rows([row])
    return v1.TransactionUpdateLight(
        1, (v1.TableUpdate(1, table, 1, (v1.QueryUpdate(EMPTY_ROWS, rows),)),)
    )


@pytest.mark.parametrize(
    "message",
    [
        v1.TransactionUpdate(v1.OutOfEnergy(), *IDS, CALL, 1 << 128, TimeDuration(0)),
        v1.TransactionUpdate("committed", *IDS, CALL, 1, TimeDuration(0)),  # type: ignore[arg-type]
        v1.TransactionUpdate(
            v1.OutOfEnergy(), *IDS, v1.ReducerCallInfo("f", 3, b"", 2), 1, TimeDuration(0)
        ),
        v1.ProcedureResult(v1.ProcedureReturned(b""), Timestamp(0), TimeDuration(0), 1),
        v1.ProcedureResult(None, Timestamp(0), TimeDuration(0), 1),  # type: ignore[arg-type]
        v1.SubscriptionErrorMessage(-1, None, None, None, ""),
        with_rows("nope", b""),
        with_rows("user", b"short"),
        v1.Unsubscribe(1, 1),
        None,
    ],
)
def test_server_messages_that_do_not_fit(codec: JsonCodec, message: Any) -> None:
    with pytest.raises(EncodeError, match=wire_name(type(message))):
        v1.SERVER.to_json(message, codec)


def test_a_message_that_fits(codec: JsonCodec) -> None:
    message = v1.TransactionUpdateLight(1, ())
    assert v1.SERVER.to_json(message, codec) == (
        '{"TransactionUpdateLight":{"request_id":1,"update":{"tables":[]}}}'
    )
    assert v1.CLIENT.to_json(v1.Unsubscribe(1, 2)) == (
        '{"Unsubscribe":{"request_id":1,"query_id":{"id":2}}}'
    )
