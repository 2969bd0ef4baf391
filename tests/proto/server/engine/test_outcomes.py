"""`outcomes`: values that say what a call came to."""

from __future__ import annotations

from spacetime_proto.server.engine.outcomes import Caller, Commit, Origin, ReducerOutcome, sayable
from tests.proto.server.support import NOW, identity


def test_texts_of_module_code_can_be_sent() -> None:
    assert sayable("grüße \ud800!") == "grüße ?!"


def test_outcomes_share_nothing_by_default() -> None:
    origin = Origin("f", 0, b"", None, 1)
    one, two = (Commit(NOW, Caller(identity(1)), origin) for _ in "ab")
    one.encoded["x"] = 1
    assert two.encoded == {}
    assert one != two
    assert ReducerOutcome("error", one).share == []
