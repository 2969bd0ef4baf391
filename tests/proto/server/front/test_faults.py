"""`faults`: all off by default, one instance per database."""

from __future__ import annotations

from spacetime_proto.server import Faults


def test_faults_are_off_by_default_and_can_be_changed() -> None:
    faults = Faults()
    assert not any(
        value
        for name, value in zip(faults.__struct_fields__, vars_of(faults), strict=True)
        if name != "messages_per_frame"
    )
    faults.ok_empty = True
    assert faults != Faults()


def vars_of(faults: Faults) -> list[object]:
    return [getattr(faults, name) for name in faults.__struct_fields__]
