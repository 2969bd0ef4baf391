"""Every recorded session, through the client: the cache is what the server printed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from spacetime_proto.errors import DecodeError, ProtocolError
from spacetime_proto.recording.format import RecordedMessage
from tests.support.golden import (
    ALL_SESSIONS,
    GOOD_SESSIONS,
    NEED_VERSION_10,
    golden_module,
    golden_session,
    module_of,
    replay,
)


def scenario(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("name", ALL_SESSIONS)
def test_every_session_replays(name: str) -> None:
    result = replay(name).result()
    assert result["protocol"] == ".".join(name.split(".")[1:3]) + ".spacetimedb"
    assert len(result["identity"]) == 64
    assert len(result["connection_id"]) == 32
    json.dumps(result)


# --- the server's own rendering -------------------------------------------------------------------
#
# v1.json is the server's JSON for the same values. What it printed is read here with nothing but
# `json`: no type, codec or cache of this project takes part.


def plain(value: Any) -> Any:
    """Bring both JSON styles of a value to one form: positional, sums as [tag, payload]."""
    if isinstance(value, dict):
        return [plain(item) for item in value.values()]
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def printed_rows(name: str) -> dict[str, Counter[str]]:
    """Return the rows that a v1.json session ends with, by adding up what the server printed."""
    tables: dict[str, Counter[str]] = {}
    for line in golden_session(name).lines:
        if not isinstance(line, RecordedMessage) or line.direction != "server":
            continue
        assert isinstance(line.payload, str)
        for update in find_updates(json.loads(line.payload)):
            rows = tables.setdefault(update["table_name"], Counter())
            for part in update["updates"]:
                for row in part["inserts"]:
                    rows[json.dumps(plain(json.loads(row)))] += 1
                for row in part["deletes"]:
                    rows[json.dumps(plain(json.loads(row)))] -= 1
    return {table: +rows for table, rows in tables.items() if +rows}


def find_updates(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        if "updates" in value:
            return [value]
        return [found for item in value.values() for found in find_updates(item)]
    if isinstance(value, list):
        return [found for item in value for found in find_updates(item)]
    return []


def positional_rows(name: str) -> dict[str, Counter[str]]:
    """Return what the replayed cache holds, in the same form."""
    from spacetime_proto.sats.sats_json import dumps, to_json

    replayed = replay(name)
    types = replayed.module.bound.types
    return {
        handle.table_name: Counter(
            json.dumps(
                json.loads(dumps(to_json(handle.table.codec.type, types, row, style="positional")))
            )
            for row in handle
        )
        for handle in replayed.db
        if len(handle)
    }


@pytest.mark.parametrize(
    "name", [name for name in GOOD_SESSIONS if scenario(name) in ("types", "types_snapshot")]
)
def test_rows_are_what_the_server_printed(name: str) -> None:
    """All types, all samples; one table has a row left over from an earlier recording."""
    printed = printed_rows(f"{scenario(name)}.v1.json.none.jsonl")
    held = positional_rows(name)
    if scenario(name) == "types":
        printed.pop("pk_simple_enum", None)
        held.pop("pk_simple_enum", None)
    assert len(printed) > 50
    assert held == printed


@pytest.mark.parametrize("name", [n for n in GOOD_SESSIONS if scenario(n) == "keys"])
def test_keys_end_as_the_server_printed(name: str) -> None:
    assert positional_rows(name) == printed_rows("keys.v1.json.none.jsonl")


@pytest.mark.parametrize("name", [n for n in GOOD_SESSIONS if scenario(n) == "keys"])
def test_a_key_that_stays_is_an_update(name: str) -> None:
    """Each primary-key table saw one insert, one update, one delete; unique ones have no updates."""
    events = replay(name).result()["events"]
    keyed = {t: kinds for t, kinds in events.items() if t.startswith("pk_")}
    unique = {t: kinds for t, kinds in events.items() if t.startswith("unique_")}
    keyed.pop("pk_simple_enum")
    assert len(keyed) > 10
    assert all(kinds == {"insert": 1, "update": 1, "delete": 1} for kinds in keyed.values())
    assert all(kinds == {"insert": 2, "delete": 2} for kinds in unique.values())


@pytest.mark.parametrize("name", [n for n in GOOD_SESSIONS if scenario(n) == "chat"])
def test_chat_ends_empty_after_its_unsubscribe(name: str) -> None:
    """Two overlapping sets, one ended after the other: users joined, were renamed, and went."""
    result = replay(name).result()
    assert result["tables"] == {}
    assert result["events"]["user"] == {"insert": 2, "update": 2, "delete": 2}
    messages = result["events"]["message"]
    assert messages["insert"] == messages["delete"] > 0


@pytest.mark.parametrize("name", [n for n in GOOD_SESSIONS if scenario(n) == "event_table"])
def test_events_come_once_and_are_not_kept(name: str) -> None:
    result = replay(name).result()
    assert result["tables"] == {}
    # v1 refuses to subscribe to event tables (docs/protocol.md section 4.4).
    expected = {} if ".v1." in name else {"test_event": {"insert": 4}}
    assert result["events"] == expected


@pytest.mark.parametrize("name", [n for n in GOOD_SESSIONS if scenario(n) == "procedures"])
def test_procedures_leave_what_they_committed(name: str) -> None:
    tables = replay(name).result()["tables"]
    assert len(tables["my_table"]) == 1


def test_the_legacy_set_is_replaced() -> None:
    for name in GOOD_SESSIONS:
        if scenario(name) == "chat_legacy":
            assert set(replay(name).result()["tables"]) == {"user"}


@pytest.mark.parametrize("module", sorted(set(map(module_of, GOOD_SESSIONS))))
def test_version_9_of_the_schema_gives_the_same_rows(module: str) -> None:
    """But for what v9 cannot say."""
    for name in GOOD_SESSIONS:
        if module_of(name) == module and ".v3." in name and not name.startswith(NEED_VERSION_10):
            assert replay(name, version=9).result() == replay(name).result()


def test_rows_are_sorted_by_their_json_text() -> None:
    rows = replay("types_snapshot.v3.bsatn.none.jsonl").result()["tables"]["one_u_8"]
    texts = [json.dumps(row, sort_keys=True) for row in rows]
    assert texts == sorted(texts)


def test_a_schema_without_the_table_is_an_error() -> None:
    from spacetime_proto.limits import Limits
    from spacetime_proto.recording.playback import Replay

    session = golden_session("chat.v3.bsatn.none.jsonl")
    replayed = Replay(session.header.protocol, golden_module("sdk-test-procedure"), Limits())
    with pytest.raises(ProtocolError, match=r"message|user"):
        for line in session.lines:
            assert isinstance(line, RecordedMessage)
            take = replayed.sent if line.direction == "client" else replayed.received
            take(line.payload)


def test_a_damaged_message_is_an_error() -> None:
    replayed = replay("anonymous.v3.bsatn.none.jsonl")
    with pytest.raises(DecodeError):
        replayed.received(b"\x00\xff")


def test_a_replay_asks_for_nothing() -> None:
    replayed = replay("anonymous.v3.bsatn.none.jsonl")
    replayed.submit(replayed.module.reducers.set_name(name="x"))
    assert replayed.subscribe("SELECT * FROM user").state.value == "pending"
    assert replayed.connection.payloads_to_send(0.0) == []
