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
#: Where sessions and schemas are: of 2.8.3, of 2.14 by hand, of 2.14 as the live suite recorded them.
FOLDERS = (GOLDEN, GOLDEN / "v2.14", GOLDEN / "v2.14" / "recorded")

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
    "subscribe_batch": "m214",
    "view_calls": "m214",
    "session_first": "m214",
    "session_second": "m214",
    "session_watcher": "m214",
    "submodule": "combined",
}

#: Sessions by file name, which is unique over all folders.
SESSION_FILES = {
    path.name: path for folder in FOLDERS for path in sorted((folder / "wire").glob("*.jsonl"))
}
ALL_SESSIONS = sorted(SESSION_FILES)
#: The sessions in which a client behaves.
GOOD_SESSIONS = [name for name in ALL_SESSIONS if not name.startswith("bad_")]


#: What version 9 of a schema does not tell: which tables are event tables, and submodules.
NEED_VERSION_10 = ("event_table", "submodule")


def module_of(session: str) -> str:
    """Return which module the session in this file talks to."""
    scenario = session.split(".")[0]
    return "live" if scenario.startswith("live_") else MODULES.get(scenario, "quickstart-chat")


def schema_text(module: str, version: int = 10) -> str:
    """Return the schema JSON of a recorded module."""
    name = f"{module}.v{version}.json"
    (found,) = (path for folder in FOLDERS if (path := folder / "schema" / name).exists())
    return found.read_text("utf-8")


@cache
def golden_module(module: str, version: int = 10) -> Module[Any]:
    """Return bindings of a recorded module, made at run time."""
    return dynamic_module(load_schema(schema_text(module, version)))


def golden_session(name: str) -> Session:
    """Return a recorded session."""
    return Session.from_text(SESSION_FILES[name].read_text("utf-8"))


def replay(name: str, *, version: int = 10) -> Replay:
    """Feed a recorded session through the client."""
    session = golden_session(name)
    module = golden_module(module_of(name), version)
    replayed = Replay(session.header.protocol, module, Limits())
    for line in session.lines:
        if isinstance(line, RecordedMessage):
            take = replayed.sent if line.direction == "client" else replayed.received
            take(line.payload)
    return replayed
