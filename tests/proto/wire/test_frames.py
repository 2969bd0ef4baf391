from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.wire.frames import close_payload


@pytest.mark.parametrize("code", [None, 1005, 1006])
def test_codes_that_stand_for_none_are_not_sent(code: int | None) -> None:
    assert close_payload(code, "reason") == b""


def test_a_reason_is_cut_at_a_character() -> None:
    payload = close_payload(1000, "\u20ac" * 60)
    assert payload == (1000).to_bytes(2, "big") + "\u20ac".encode() * 41


@given(st.integers(1000, 4999), st.text(max_size=200))
def test_every_reason_fits(code: int, reason: str) -> None:
    payload = close_payload(code, reason)
    assert len(payload) <= 125
    payload[2:].decode()
