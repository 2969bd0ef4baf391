from __future__ import annotations

from spacetime_proto.wire.keepalive import KeepAlive, Verdict


def client(now: float = 0.0) -> KeepAlive:
    return KeepAlive(every=30, grace=10, steady=False, now=now)


def test_a_silent_peer_is_pinged_then_given_up() -> None:
    keepalive = client()
    assert keepalive.deadline == 30
    assert keepalive.tick(29.9) is Verdict.NOTHING
    assert keepalive.tick(30) is Verdict.PING
    assert keepalive.waiting
    assert keepalive.deadline == 40
    assert keepalive.tick(39) is Verdict.NOTHING
    assert keepalive.tick(40) is Verdict.DEAD


def test_any_sign_of_life_postpones_the_ping() -> None:
    keepalive = client()
    keepalive.heard = 25
    assert keepalive.deadline == 55
    assert keepalive.tick(30) is Verdict.NOTHING
    assert keepalive.tick(55) is Verdict.PING
    keepalive.heard = 56
    assert not keepalive.waiting
    assert keepalive.deadline == 86


def test_a_late_tick_pings_once_more_before_giving_up() -> None:
    keepalive = client()
    assert keepalive.tick(30) is Verdict.PING
    assert keepalive.tick(500) is Verdict.PING
    assert keepalive.deadline == 510
    assert keepalive.tick(510) is Verdict.DEAD


def test_a_late_first_ping_still_gets_its_grace() -> None:
    keepalive = client()
    assert keepalive.tick(100) is Verdict.PING
    assert keepalive.tick(105) is Verdict.NOTHING
    assert keepalive.tick(110) is Verdict.DEAD


def test_a_steady_one_pings_while_the_peer_talks() -> None:
    keepalive = KeepAlive(every=15, grace=15, steady=True, now=0)
    keepalive.heard = 14
    assert keepalive.deadline == 15
    assert keepalive.tick(15) is Verdict.PING
    keepalive.heard = 16
    assert keepalive.deadline == 30
    assert keepalive.tick(30) is Verdict.PING
    # Idle timeout: 30 s since the last sign of life, the unanswered ping in between.
    assert keepalive.deadline == 46
    assert keepalive.tick(46) is Verdict.DEAD
