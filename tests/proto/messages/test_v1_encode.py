"""What cannot be written is an EncodeError; what can is tested in test_v1 and test_v1_client."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from spacetime_proto.errors import EncodeError
from spacetime_proto.messages import v1
from spacetime_proto.messages.declare import wire_name
from spacetime_proto.messages.v1 import encode_client, encode_server
from spacetime_proto.testing import comparable
from spacetime_proto.testing import strategies as sts
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

CALL = v1.ReducerCallInfo("f", 3, b"", 2)
IDS = (Timestamp(1), Identity(bytes(32)), ConnectionId(bytes(16)))


@pytest.mark.parametrize(
    "message",
    [
        v1.CallReducer("f", b"", 1 << 32),
        v1.CallReducer("f", b"", 1, 256),
        v1.CallReducer("f", "[]", 1),
        v1.CallProcedure("f", "[]", 1),
        v1.Subscribe(("\ud800",), 1),
        v1.SubscribeSingle("q", -1, 1),
        v1.TransactionUpdateLight(1, ()),
        None,
    ],
)
def test_client_messages_that_do_not_fit(message: Any) -> None:
    with pytest.raises(EncodeError, match=wire_name(type(message))):
        encode_client(message)


@pytest.mark.parametrize(
    "message",
    [
        v1.TransactionUpdate(v1.OutOfEnergy(), *IDS, CALL, 1 << 128, TimeDuration(0)),
        v1.TransactionUpdate(v1.OutOfEnergy(), *IDS, CALL, -1, TimeDuration(0)),
        v1.TransactionUpdate("committed", *IDS, CALL, 1, TimeDuration(0)),  # type: ignore[arg-type]
        v1.TransactionUpdate(
            v1.OutOfEnergy(), *IDS, v1.ReducerCallInfo("f", 3, "[]", 2), 1, TimeDuration(0)
        ),
        v1.ProcedureResult(v1.ProcedureReturned("1"), Timestamp(0), TimeDuration(0), 1),
        v1.ProcedureResult(None, Timestamp(0), TimeDuration(0), 1),  # type: ignore[arg-type]
        v1.SubscriptionErrorMessage(-1, None, None, None, ""),
        v1.Unsubscribe(1, 1),
        None,
    ],
)
def test_server_messages_that_do_not_fit(message: Any) -> None:
    with pytest.raises(EncodeError, match=wire_name(type(message))):
        encode_server(message)


@given(sts.v1_client_messages(), sts.v1_server_messages())
def test_what_was_written_can_be_read(client: v1.ClientMessage, server: v1.ServerMessage) -> None:
    assert v1.decode_client(encode_client(client))[0] == client
    assert comparable(v1.decode_server(encode_server(server))[0]) == comparable(server)
