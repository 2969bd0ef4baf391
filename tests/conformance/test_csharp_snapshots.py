"""C# SnapshotTests and ListStream.

| row | where |
|---|---|
| LegacySubscribeAll | recorded |
| SubscribeApplied | recorded |
| EventTable | recorded |
| ListStream | scripted |

Recorded sessions of a real server go through the client; what it tells is compared with the texts in
``snapshots/``, in which identities and connections are numbered, times left out, and rows that then
look the same told once. So recordings of one scenario with different compression give the same text,
and so do v2 and v3; that of v1.json was made on a database with less in it. Set the environment
variable ``UPDATE_SNAPSHOTS`` to write the texts anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from spacetime_proto.client import events as ev
from spacetime_proto.limits import Limits
from spacetime_proto.recording.format import RecordedMessage
from spacetime_proto.recording.playback import Replay
from spacetime_proto.types import ConnectionId, Identity, Timestamp
from tests.conformance.kit import columns, protocols
from tests.conformance.scripted import ScriptedClient
from tests.support.golden import MODULES, golden_module, golden_session
from tests.support.script import message

SNAPSHOTS = Path(__file__).parent / "snapshots"
COMPRESSIONS = ("none", "gzip", "brotli")


class Narrator:
    """Tells the events of a session as lines of text, equal ones of one event once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._numbers: dict[Any, str] = {}

    def value(self, value: Any) -> str:
        """Return a value as text that is the same in every recording of a scenario."""
        if isinstance(value, Identity | ConnectionId):
            kind = "identity" if isinstance(value, Identity) else "connection"
            known = sum(name.startswith(kind) for name in self._numbers.values())
            return self._numbers.setdefault(value, f"{kind} {known + 1}")
        if isinstance(value, Timestamp):
            return "time"
        return repr(value)

    def row(self, row: Any) -> str:
        return f"({', '.join(map(self.value, columns(row)))})"

    def rows(self, rows: Any) -> list[str]:
        return sorted(set(map(self.row, rows)))

    def tell(self, event: ev.Event) -> None:
        name = type(event).__name__
        add = self.lines.append
        match event:
            case ev.Connected():
                add(f"connected as {self.value(event.identity)}")
            case ev.TableChanged():
                why = self.why(event.ctx.event)
                for kind, found in (("insert", event.inserted), ("delete", event.deleted)):
                    for row in self.rows(found):
                        add(f"{kind} {event.table.table_name} {row} by {why}")
                for old, new in sorted(
                    (self.row(old), self.row(new)) for old, new in event.updated
                ):
                    add(f"update {event.table.table_name} {old} -> {new} by {why}")
            case ev.SetFailed():
                add(f"subscription refused: {event.error}")
            case ev.SetApplied() | ev.SetEnded():
                add(f"{name} {list(event.subscription.queries)}")
            case ev.CallDone():
                add(f"{event.pending.name}: {self.outcome(event.pending)}")
            case ev.TransactionApplied() | ev.ReducerCompleted() | ev.BeforeDelete():
                add(name)
            case _:
                raise AssertionError(name)

    def why(self, event: Any) -> str:
        if isinstance(event, ev.ReducerEvent):
            # v1 tells of others' calls, too; by whom is part of the text.
            whose = "own" if event.is_own else "foreign"
            return f"{whose} {event.name} ({event.status})"
        return type(event).__name__

    def outcome(self, pending: Any) -> str:
        try:
            value = pending.result()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if isinstance(value, list):
            return f"rows {self.rows(value)}"
        return repr(value)


def story(file: str) -> str:
    """Return what the client tells of a recorded session."""
    session = golden_session(file)
    replay = Replay(session.header.protocol, golden_module(MODULES[file.split(".")[0]]), Limits())
    narrator = Narrator()
    for line in session.lines:
        if isinstance(line, RecordedMessage):
            if line.direction == "client":
                replay.sent(line.payload)
            else:
                for event in replay.events(line.payload):
                    narrator.tell(event)
    return "\n".join(narrator.lines) + "\n"


def compare(snapshot: str, *files: str) -> None:
    """Compare the stories of these recordings with a stored text."""
    path = SNAPSHOTS / f"{snapshot}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(story(files[0]))
    stored = path.read_text()
    for file in files:
        assert story(file) == stored, file


def test_legacysubscribeall() -> None:
    compare(
        "chat_legacy.v1",
        *(f"chat_legacy.v1.bsatn.{name}.jsonl" for name in COMPRESSIONS),
    )
    compare("chat_legacy.v1.json", "chat_legacy.v1.json.none.jsonl")


@protocols("v3", "v1.bsatn")
def test_subscribeapplied(protocol: str) -> None:
    if protocol == "v3":
        files = [f"chat.{name}.bsatn.{how}.jsonl" for name in ("v2", "v3") for how in COMPRESSIONS]
        compare("chat.v2", *files)
    else:
        files = [f"chat.v1.bsatn.{how}.jsonl" for how in COMPRESSIONS]
        compare("chat.v1", *files)
        compare("chat.v1.json", "chat.v1.json.none.jsonl")


def test_eventtable() -> None:
    compare("event_table.v2", "event_table.v2.bsatn.none.jsonl", "event_table.v3.bsatn.none.jsonl")


def test_liststream(protocol: str) -> None:
    """The original reads a message out of a list of chunks: here, out of bytes cut anywhere."""
    client = ScriptedClient(protocol)
    client.open()
    client.watch("message")
    rows = [message("x" * size) for size in (0, 1, 5000)]
    client.session.subscribe("SELECT * FROM message")
    request = client.request()
    sent: list[bytes] = []

    def keep() -> None:
        assert client.server is not None
        sent.append(client.server.data_to_send())

    client.deliver = keep  # type: ignore[method-assign]  # keep the bytes instead
    client.apply(request, {"message": rows})
    data = b"".join(sent)
    pieces = [data[at : at + 7] for at in range(0, 70, 7)] + [data[70:-1], data[-1:]]
    for piece in pieces:
        assert client.log == []
        client.session.receive_data(piece, now=0.0)
        client.events()
    assert sorted(client.log, key=repr) == sorted(
        (("insert", "message", row) for row in rows), key=repr
    )
