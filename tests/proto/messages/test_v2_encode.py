"""What cannot be written is an EncodeError; what can be is tested with the decoders, in test_v2."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from spacetime_proto.errors import EncodeError
from spacetime_proto.messages import v2
from spacetime_proto.messages.declare import wire_name
from spacetime_proto.messages.v2 import encode_client, encode_server
from spacetime_proto.testing import comparable
from spacetime_proto.testing import strategies as sts
from spacetime_proto.types import Timestamp


@pytest.mark.parametrize(
    "message",
    [
        v2.CallReducer(1 << 32, "f", b""),
        v2.CallReducer(-1, "f", b""),
        v2.CallReducer(1, "\ud800", b""),
        v2.CallReducer(1, "f", "text"),  # type: ignore[arg-type]
        v2.CallProcedure(1, "f", b"", 256),
        v2.Subscribe(1, 1, (b"x",)),  # type: ignore[arg-type]
        v2.Unsubscribe(1, 1, 300),
        v2.OneOffQuery("1", "x"),  # type: ignore[arg-type]
        v2.TransactionUpdate(),
        None,
    ],
)
def test_client_messages_that_do_not_fit(message: Any) -> None:
    with pytest.raises(EncodeError, match=wire_name(type(message))):
        encode_client(message)


@pytest.mark.parametrize(
    "message",
    [
        v2.SubscribeAppliedMessage(1 << 32, 1, ()),
        v2.ReducerResult(1, Timestamp(1 << 63), v2.ReducerOk()),
        v2.ReducerResult(1, Timestamp(1), "ok"),  # type: ignore[arg-type]
        v2.SubscriptionErrorMessage(1, 1, "\udfff"),
        v2.CallReducer(1, "f", b""),
        None,
    ],
)
def test_server_messages_that_do_not_fit(message: Any) -> None:
    with pytest.raises(EncodeError, match=wire_name(type(message))):
        encode_server(message)


@given(sts.v2_client_messages(), sts.v2_server_messages())
def test_what_was_written_can_be_read(client: v2.ClientMessage, server: v2.ServerMessage) -> None:
    assert v2.decode_client(encode_client(client))[0] == client
    assert comparable(v2.decode_server(encode_server(server))[0]) == comparable(server)
