"""Reconnect delays: full jitter under a doubling ceiling, and which errors are worth another try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.client.retry import Backoff, ReconnectPolicy, worth_retrying
from spacetime_proto.errors import (
    AuthError,
    ConnectError,
    DatabaseNotFound,
    DecodeError,
    Disconnected,
    HandshakeError,
    LocalProtocolError,
)


def test_the_ceiling_doubles_from_1_to_30_seconds() -> None:
    policy = ReconnectPolicy()
    assert [policy.ceiling(n) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert policy.ceiling(100_000) == 30


@given(st.lists(st.binary(min_size=7, max_size=7), min_size=1, max_size=200))
def test_delays_stay_under_the_ceiling(drawn: list[bytes]) -> None:
    policy = ReconnectPolicy()
    left = iter(drawn)
    backoff = Backoff(policy, entropy=lambda count: next(left)[:count])
    for attempt in range(1, len(drawn) + 1):
        delay = backoff.next_delay()
        assert delay is not None
        assert 0 <= delay <= policy.ceiling(attempt)


def test_jitter_is_drawn_over_the_whole_range() -> None:
    policy = ReconnectPolicy(first_delay=0.5, max_delay=1.5)
    highest = Backoff(policy, entropy=lambda count: b"\xff" * count)
    assert [highest.next_delay() for _ in range(3)] == [0.5, 1.0, 1.5]
    highest.reset()
    assert highest.next_delay() == 0.5
    lowest = Backoff(policy, entropy=bytes)
    assert [lowest.next_delay() for _ in range(3)] == [0.0, 0.0, 0.0]
    middle = Backoff(policy, entropy=lambda count: b"\x80" + bytes(count - 1))
    assert middle.next_delay() == pytest.approx(0.25)


def test_attempts_run_out() -> None:
    backoff = Backoff(ReconnectPolicy(max_attempts=2), entropy=bytes)
    assert backoff.next_delay() is not None
    assert backoff.next_delay() is not None
    assert backoff.next_delay() is None
    backoff.reset()
    assert backoff.next_delay() is not None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"first_delay": -1.0}, "first_delay"),
        ({"max_delay": float("nan")}, "max_delay"),
        ({"max_delay": float("inf")}, "max_delay"),
        ({"factor": 0.5}, "factor"),
        ({"factor": "2"}, "factor must be at least 1, not '2'"),
        ({"factor": True}, "factor"),
        ({"max_attempts": 0}, "max_attempts must be at least 1 or None, not 0"),
        ({"max_attempts": float("nan")}, "max_attempts"),
        ({"max_attempts": 1.5}, "max_attempts"),
    ],
)
def test_policies_without_meaning_are_refused(wrong: dict[str, float], named: str) -> None:
    with pytest.raises(LocalProtocolError, match=named):
        ReconnectPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "fresh_token", "expected"),
    [
        (Disconnected("lost"), False, True),
        (ConnectError("refused"), False, True),
        (HandshakeError("starting", status=503), False, True),
        (DatabaseNotFound("no leader yet", status=404), False, True),
        (AuthError("bad token", status=401), False, False),
        (AuthError("expired token", status=401), True, True),
        (OSError("unreachable"), False, True),
        (DecodeError("damaged"), False, False),
        (LocalProtocolError("misuse"), False, False),
        (ValueError("from a callback"), False, False),
        (None, False, False),
    ],
)
def test_what_is_worth_another_try(
    error: BaseException | None, fresh_token: bool, expected: bool
) -> None:
    assert worth_retrying(error, fresh_token=fresh_token) is expected
