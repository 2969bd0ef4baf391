"""`outcomes`: values that say what a call came to."""

from __future__ import annotations

from spacetime_proto.server.engine.outcomes import sayable


def test_texts_of_module_code_can_be_sent() -> None:
    assert sayable("grüße \ud800!") == "grüße ?!"
