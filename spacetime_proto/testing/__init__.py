"""Tools for testing programs: recorded sessions, a fake link, Hypothesis strategies.

`strategies` needs the package hypothesis and is imported by its own name.
"""

from __future__ import annotations

from ..recording.format import Header, RecordedClose, RecordedMessage, Recorder, Session
from .comparing import comparable
from .link import Link

__all__ = [
    "Header",
    "Link",
    "RecordedClose",
    "RecordedMessage",
    "Recorder",
    "Session",
    "comparable",
]
