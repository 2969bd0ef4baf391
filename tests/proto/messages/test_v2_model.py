from __future__ import annotations

import pytest

from spacetime_proto.messages import v2, v2_model
from spacetime_proto.types import ConnectionId, Identity


def test_v2_offers_every_message() -> None:
    assert set(v2_model.__all__) < set(v2.__all__)
    for name in v2_model.__all__:
        assert getattr(v2, name) is getattr(v2_model, name)


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
