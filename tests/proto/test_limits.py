from __future__ import annotations

import pytest

from spacetime_proto.limits import DEFAULT_LIMITS, Limits

MIB = 1 << 20


def test_defaults_are_the_documented_numbers() -> None:
    limits = DEFAULT_LIMITS
    assert limits.message_size == 1024 * MIB
    assert limits.decompressed_size == 2048 * MIB
    assert limits.decompression_ratio == 1000
    assert limits.decompression_floor == 64 * MIB
    assert limits.nesting_depth == 128
    assert limits.outgoing_size == 32 * MIB
    assert limits.in_flight == 8192
    assert limits.header_size == 64 * 1024
    assert limits.handshake_time == 10.0
    assert limits.verify_rows is False


@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_a_limit_of_zero_or_less_is_refused(name: str) -> None:
    if name == "verify_rows":
        assert Limits(verify_rows=False).verify_rows is False
        return
    with pytest.raises(ValueError, match=f"limit {name} must be greater than 0, not -1"):
        Limits(**{name: -1})


@pytest.mark.parametrize(
    ("wire_size", "rows"), [(0, 262_144), (1024, 262_144), (MIB, 16 * MIB), (1 << 30, 1 << 25)]
)
def test_rows_follow_the_size_on_the_wire(wire_size: int, rows: int) -> None:
    assert DEFAULT_LIMITS.rows_for(wire_size) == rows


@pytest.mark.parametrize(
    ("wire_size", "result"),
    [(0, 64 * MIB), (1024, 64 * MIB), (MIB, 1000 * MIB), (4 * MIB, 2048 * MIB)],
)
def test_decompressed_size_follows_the_size_on_the_wire(wire_size: int, result: int) -> None:
    assert DEFAULT_LIMITS.decompressed_for(wire_size) == result
