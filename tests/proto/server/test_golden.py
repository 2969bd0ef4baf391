"""The embedded server answers recorded clients as the real server did.

The recorded client's messages are replayed, at the recorded times, into a database that holds what
the recording started with; the second client of the recording acts where the recording shows it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spacetime_proto.messages import v1, v2
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.messages.payloads import decode_server_payload
from spacetime_proto.sats.rows import RowList
from spacetime_proto.server import U64, Context, Database, Module
from spacetime_proto.server.front.connection_v1 import V1Connection
from spacetime_proto.server.front.connection_v2 import V2Connection
from spacetime_proto.server.front.server_connection import ConnectionOptions, ServerConnection
from spacetime_proto.types import Identity, TimeDuration, Timestamp
from spacetime_transports.server.chat_module import User
from spacetime_transports.server.chat_module import module as chat
from tests.proto.server.support import Entropy, identity

WIRE = Path(__file__).parents[2] / "golden" / "wire"
OTHER = Identity.from_hex("c200dda8f546b9da87ea54d5bb9599c7b710a502ee1caf0e7b51656754bd0128")


class Recording:
    """One recorded session, its messages decoded."""

    def __init__(self, path: Path, database: Database) -> None:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.protocol: str = lines[0]["protocol"]
        self._codec = JsonCodec.for_module(database.bound)
        self.steps: list[tuple[str, Any]] = []
        for line in lines[1:]:
            if line["kind"] == "closed":
                self.steps.append(("closed", (line["code"], line["reason"])))
                continue
            payload = line["data"]
            if line["kind"] == "binary":
                payload = base64.b64decode(payload)
            if line["dir"] == "client":
                self.steps.append(("client", payload))
            else:
                self.steps += [("server", message) for message in self.decode(payload)]

    def decode(self, payload: bytes | str) -> Iterator[Any]:
        return decode_server_payload(self.protocol, payload, codec=self._codec)

    def connect(self, database: Database) -> ServerConnection:
        first = self.steps[0][1]
        make = V1Connection if self.protocol.startswith("v1") else V2Connection
        return make(
            database,
            protocol=self.protocol,  # type: ignore[arg-type]
            identity=first.identity,
            connection_id=first.connection_id,
            token=first.token,
            options=ConnectionOptions(compression="none"),
        )


def comparable(value: Any) -> Any:
    """Return a message without what differs between runs: durations, energy, the order of rows."""
    match value:
        case RowList():
            return sorted(value.slices())
        case TimeDuration():
            return 0
        case msgspec.Struct():
            fields = {name: comparable(getattr(value, name)) for name in value.__struct_fields__}
            for name in ("energy_quanta_used", "total_host_execution_duration_micros"):
                fields.pop(name, None)
            return type(value).__name__, fields
        case tuple() | list():
            return [comparable(item) for item in value]
        case _:
            return value


def timestamp_of(message: Any) -> Timestamp | None:
    return getattr(message, "timestamp", None)


def rows_in(message: Any) -> Iterator[tuple[str, bytes]]:
    """Yield (table, row) of everything that a recorded message adds."""
    match message:
        case v2.SingleTableRows(table, rows):
            for row in rows.slices():
                yield table, row
        case v1.TableUpdate(_, table, _, updates):
            for update in updates:
                for row in update.inserts.slices():
                    yield table, row
        case v2.TableUpdate(table, fragments):
            for fragment in fragments:
                for row in fragment.inserts.slices():  # type: ignore[union-attr]
                    yield table, row
        case msgspec.Struct():
            for name in message.__struct_fields__:
                yield from rows_in(getattr(message, name))
        case tuple():
            for item in message:
                yield from rows_in(item)


def chat_database(me: Identity, first_rows: Any) -> Database:
    """Return the chat database as it was before the recorded client connected."""
    database = Database(chat, name="chat", identity=identity(0), entropy=Entropy())
    for table, data in rows_in(first_rows):
        store = database.stores[table]
        row = store.decode(data)
        if isinstance(row, User) and row.identity == me:
            row = User(identity=me, name=row.name, online=False)
        store.put(store.encode(row), row)
    return database


class SecondClient:
    """What the other client of the recording does, one step per message that it causes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._step = 0

    def act(self, expected: Any) -> None:
        database = self._database
        caller = database.caller(OTHER)
        sent = [
            database.stores["message"].decode(row).sent
            for table, row in rows_in(expected)
            if table == "message"
        ]
        self._step += 1
        match self._step:
            case 1:
                assert database.connect(caller, Timestamp(0)) is None
            case 2:
                text = '["hi from the other side"]'
                database.call_reducer(caller, "send_message", text, now=sent[0], request_id=1)
                database.call_reducer(caller, "send_message", '[""]', now=sent[0], request_id=2)
            case _:
                database.disconnect(caller, Timestamp(0))


def times_of_answers(steps: list[tuple[str, Any]]) -> Iterator[Timestamp]:
    """Yield for each client message the time at which the server ran it."""
    for at, (direction, _) in enumerate(steps):
        if direction == "client":
            answers = (m for d, m in steps[at + 1 :] if d == "server")
            times = (t for m in answers if (t := _time_in(m)) is not None)
            yield next(times, Timestamp(0))


def _time_in(message: Any) -> Timestamp | None:
    found = timestamp_of(message)
    if found is None and isinstance(message, v1.TransactionUpdateLight):
        # The silent call of chat_legacy: its time is in the row.
        return next(
            (
                Timestamp(int.from_bytes(row[32:40], "little"))
                for table, row in rows_in(message)
                if table == "message"
            ),
            None,
        )
    return found


@pytest.mark.parametrize(
    "name",
    sorted(path.name for path in WIRE.glob("chat*.jsonl")),
)
def test_chat_sessions_are_answered_as_recorded(name: str) -> None:
    """Everything but durations and energy is equal, down to the bytes of rows and error texts."""
    empty = Database(chat, name="chat", identity=identity(0), entropy=Entropy())
    recording = Recording(WIRE / name, empty)
    steps = recording.steps
    first_rows = next(m for d, m in steps[1:] if d == "server")
    database = chat_database(steps[0][1].identity, first_rows)
    connection = recording.connect(database)
    connection.start(Timestamp(0))
    other = SecondClient(database)
    times = times_of_answers(steps)
    received: list[Any] = []
    for direction, message in steps:
        if direction == "client":
            connection.receive(message, next(times))
            continue
        received += (m for p in connection.payloads_to_send() for m in recording.decode(p))
        if not received:
            other.act(message)
            received += (m for p in connection.payloads_to_send() for m in recording.decode(p))
        assert comparable(received.pop(0)) == comparable(message)
    assert received == []
    assert connection.close_request is None


def event_module() -> Module:
    module = Module()

    @module.table(public=True, event=True)
    class TestEvent:
        name: str
        value: U64

    @module.reducer
    def emit_test_event(ctx: Context, name: str, value: U64) -> None:
        ctx.db.test_event.insert(TestEvent(name=name, value=value))

    @module.reducer
    def emit_multiple_test_events(ctx: Context) -> None:
        for number, name in enumerate("abc", 1):
            ctx.db.test_event.insert(TestEvent(name=name, value=number))

    @module.reducer
    def noop(ctx: Context) -> None:
        """Change nothing."""

    return module


@pytest.mark.parametrize("name", sorted(path.name for path in WIRE.glob("event_table*.jsonl")))
def test_event_table_sessions_are_answered_as_recorded(name: str) -> None:
    """Events come once; v1 refuses to subscribe to them."""
    database = Database(event_module(), name="e", identity=identity(0), entropy=Entropy())
    recording = Recording(WIRE / name, database)
    connection = recording.connect(database)
    connection.start(Timestamp(0))
    times = times_of_answers(recording.steps)
    for direction, message in recording.steps:
        if direction == "client":
            connection.receive(message, next(times))
            continue
        answers = [m for p in connection.payloads_to_send() for m in recording.decode(p)]
        assert [comparable(m) for m in answers] == [comparable(message)]


@pytest.mark.parametrize("name", sorted(path.name for path in WIRE.glob("bad_*.jsonl")))
def test_undecodable_messages_end_the_connection_as_recorded(name: str) -> None:
    """Close 1011 with the server's words.

    Where the real reason was too long for a control frame the recording client could not read it.
    """
    database = Database(chat, name="chat", identity=identity(0), entropy=Entropy())
    recording = Recording(WIRE / name, database)
    connection = recording.connect(database)
    connection.start(Timestamp(0))
    [payload] = [m for d, m in recording.steps if d == "client"]
    connection.receive(payload, Timestamp(1))
    [(code, reason)] = [m for d, m in recording.steps if d == "closed"]
    assert connection.close_request is not None
    if code is None:
        assert connection.close_request[0] == 1011
    else:
        assert connection.close_request == (code, reason)
