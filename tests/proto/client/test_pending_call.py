"""Calls and their outcomes."""

from __future__ import annotations

from spacetime_proto.client.pending_call import Call, PendingCall


def test_a_call_reads_as_a_call() -> None:
    assert repr(Call("reducer", "set_name", ("x", 1))) == "set_name('x', 1)"


def test_calls_are_values() -> None:
    assert Call("reducer", "f", (1,)) == Call("reducer", "f", (1,))
    assert Call("reducer", "f") != Call("procedure", "f")


def test_the_first_outcome_stays() -> None:
    pending: PendingCall[int] = PendingCall("f", None)
    pending.settle(1)
    pending.settle(error=ValueError())
    assert pending.result() == 1
