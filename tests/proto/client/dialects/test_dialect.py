"""What a dialect does unless it says otherwise, and which one a protocol has."""

from __future__ import annotations

import pytest

from spacetime_proto.client.dialects import Dialect, dialect_for
from spacetime_proto.client.dialects.dialect_v1 import V1Bsatn, V1Json
from spacetime_proto.client.dialects.dialect_v2 import V2, V3
from spacetime_proto.limits import Limits
from tests.support.golden import golden_module

BOUND = golden_module("quickstart-chat").bound


@pytest.mark.parametrize("cls", [V1Bsatn, V1Json, V2, V3])
def test_each_protocol_has_its_dialect(cls: type[Dialect]) -> None:
    limits = Limits()
    made = dialect_for(cls.protocol, BOUND, limits)
    assert type(made) is cls
    assert made.module is BOUND
    assert made.limits is limits
    assert made.shares_rows == made.has_legacy_set == cls.protocol.startswith("v1")


def test_an_unknown_protocol_has_none() -> None:
    with pytest.raises(KeyError):
        dialect_for("v9.bsatn.spacetimedb", BOUND, Limits())


def test_payloads_are_sent_as_they_are() -> None:
    made = V1Json(BOUND, Limits())
    assert made.batch(["a", "b"]) == ["a", "b"]
