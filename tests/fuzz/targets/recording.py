"""Recordings of sessions."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError
from spacetime_proto.recording.format import Session


def check(data: bytes) -> None:
    """A recording that was read can be written and says the same again."""
    try:
        session = Session.from_text(data.decode("utf-8", "replace"))
    except DecodeError:
        return
    assert Session.from_text(session.to_text()) == session
    for _ in session.decode():
        pass
