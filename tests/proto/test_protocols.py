from __future__ import annotations

from typing import get_args

from spacetime_proto.protocols import (
    ALL_PROTOCOLS,
    V1_BSATN,
    V1_JSON,
    V2_BSATN,
    V3_BSATN,
    ProtocolName,
)


def test_protocols_in_a_servers_order() -> None:
    assert ALL_PROTOCOLS == (V3_BSATN, V2_BSATN, V1_BSATN, V1_JSON)
    assert get_args(ProtocolName) == ALL_PROTOCOLS
