from __future__ import annotations

from spacetime_proto.messages import v1, v1_model
from spacetime_proto.types import ConnectionId, Identity


def test_v1_offers_every_message() -> None:
    assert set(v1_model.__all__) < set(v1.__all__)
    for name in v1_model.__all__:
        assert getattr(v1, name) is getattr(v1_model, name)


def test_a_token_is_not_in_a_repr() -> None:
    message = v1.IdentityToken(Identity(bytes(32)), "secret", ConnectionId(bytes(16)))
    assert "secret" not in repr(message)
    assert "<token>" in repr(message)
