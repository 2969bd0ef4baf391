"""Tools for testing programs: recorded sessions, a fake link, Hypothesis strategies.

`strategies` needs the package hypothesis and is imported by its own name.
"""

from __future__ import annotations

from .comparing import comparable
from .link import Link
from .recording import Closed, Header, Message, Recorder, Session

__all__ = ["Closed", "Header", "Link", "Message", "Recorder", "Session", "comparable"]
