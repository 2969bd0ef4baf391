"""The recorded sessions of tests/golden, by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from spacetime_proto.bindings import Module, dynamic_module
from spacetime_proto.limits import Limits
from spacetime_proto.recording.format import RecordedMessage, Session
from spacetime_proto.recording.playback import Replay
from spacetime_proto.schema.load import load_schema

GOLDEN = Path(__file__).parent.parent / "golden"

#: Which module a scenario talks to (tests/golden/README.md).
MODULES = {
    "anonymous": "quickstart-chat",
    "chat": "quickstart-chat",
    "chat_legacy": "quickstart-chat",
    "types": "sdk-test",
    "types_snapshot": "sdk-test",
    "keys": "sdk-test",
    "procedures": "sdk-test-procedure",
    "event_table": "sdk-test-event-table",
}

ALL_SESSIONS = sorted(path.name for path in (GOLDEN / "wire").glob("*.jsonl"))
#: The sessions in which a client behaves.
GOOD_SESSIONS = [name for name in ALL_SESSIONS if not name.startswith("bad_")]


def schema_text(module: str, version: int = 10) -> str:
    """Return the schema JSON of a recorded module."""
    return (GOLDEN / "schema" / f"{module}.v{version}.json").read_text()


@cache
def golden_module(module: str, version: int = 10) -> Module[Any]:
    """Return bindings of a recorded module, made at run time."""
    return dynamic_module(load_schema(schema_text(module, version)))


def golden_session(name: str) -> Session:
    """Return a recorded session."""
    return Session.from_text((GOLDEN / "wire" / name).read_text())


def replay(name: str, *, version: int = 10) -> Replay:
    """Feed a recorded session through the client."""
    session = golden_session(name)
    module = golden_module(MODULES.get(name.split(".")[0], "quickstart-chat"), version)
    replayed = Replay(session.header.protocol, module, Limits())
    for line in session.lines:
        if isinstance(line, RecordedMessage):
            take = replayed.sent if line.direction == "client" else replayed.received
            take(line.payload)
    return replayed
