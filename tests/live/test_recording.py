"""Golden sessions: recorded from the server under test, and replayed to the same cache.

``--record DIR`` keeps them: ``DIR/wire/live_SCENARIO.PROTOCOL.COMPRESSION.jsonl`` and
``DIR/schema/live.v9.json`` (and ``.v10.json`` where the server has it). Some of those of the newest
server are in tests/golden (its README.md says which).
"""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from spacetime_proto.bindings import Call
from spacetime_proto.errors import SpacetimeError
from spacetime_proto.recording.format import Session
from spacetime_transports import blocking
from spacetime_transports.cli.replay import replay_text
from tests.live.kit import short_name
from tests.live.samples import is_finite, samples
from tests.live.test_keys import key_tables
from tests.live.test_values import value_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.target import Target

ALL = "SELECT * FROM {}".format


# --- scenarios ----------------------------------------------------------------------------------


def _try(client: Any, name: str, *args: Any) -> None:
    """Make a call that may fail."""
    with suppress(SpacetimeError):
        client.call(Call("reducer", name, args))


def anonymous(client: Any, target: Target) -> None:
    """No token: the server makes an identity."""


def chat(client: Any, target: Target) -> None:
    """The quickstart chat: a name, messages, refusals, a second client, overlapping query sets."""
    both = client.subscribe("SELECT * FROM user", "SELECT * FROM message")
    for name, text in (
        ("set_name", "Ada"),
        ("send_message", "hello"),
        ("send_message", ""),
        ("panic_with", "out of order"),
        ("send_message", "äß→𝄞 \0"),
    ):
        _try(client, name, text)
    with blocking.connect(target.url, target.database, target.module) as other:
        _try(other, "set_name", "Bob")
        _try(other, "send_message", "from Bob")
        _try(other, "set_name", "")
    for query in ("SELECT * FROM user", "SELECT * FROM nothing", "SELEC"):
        with suppress(SpacetimeError):
            client.query(query)
    named = client.subscribe("SELECT * FROM user WHERE online = true")
    for query in ("SELECT * FROM nothing", "SELEC"):
        with suppress(SpacetimeError):
            client.subscribe(query)
    _try(client, "send_message", "both sets are live")
    named.unsubscribe()
    _try(client, "set_name", "Ada again")
    both.unsubscribe()


def types(client: Any, target: Target) -> None:
    """One subscription to every table of values, then every sample of every type."""
    tables = value_tables(target.module)
    client.subscribe(*map(ALL, tables), "SELECT * FROM large_table")
    for name, rows in tables.items():
        for row in rows:
            if is_finite(row):
                client.submit(Call("reducer", f"insert_{name}", (row.value,)))
    client.call(client.module.reducers.no_op())
    bound = target.module.bound
    row = samples(bound.types, bound.tables["large_table"].codec.type)[0]
    _try(client, "insert_large_table", *(getattr(row, n) for n in row.__struct_fields__))


def types_snapshot(client: Any, target: Target) -> None:
    """The rows of `types`, there before, as a first subscription."""
    with blocking.connect(target.url, target.database, target.module) as other:
        types(other, target)
    client.subscribe(*map(ALL, value_tables(target.module)), "SELECT * FROM large_table")


def keys(client: Any, target: Target) -> None:
    """Unique and primary keys of every type: insert, insert again, update, delete."""
    tables = key_tables(target.module)
    client.subscribe(*map(ALL, tables))
    for name, values in tables.items():
        for key in values[:3]:
            _try(client, f"insert_{name}", key, 1)
        _try(client, f"insert_{name}", values[0], 2)
        _try(client, f"update_{name}", values[0], 3)
        _try(client, f"delete_{name}", values[1])


def joins(client: Any, target: Target) -> None:
    """Semijoins whose partners come and go, beside whole tables."""
    client.subscribe("SELECT r.* FROM r JOIN s ON r.x = s.x WHERE s.kept = true")
    client.subscribe("SELECT * FROM r WHERE id < 2", "SELECT * FROM t")
    for name, *args in (
        ("put_r_and_s", 1, 10, "a", True),
        ("put_r_and_s", 2, 10, "b", False),
        ("update_r", 2, 10, "c"),
        ("insert_t", 10, 0),
        ("delete_s", 1),
        ("delete_r", 1),
        ("delete_r", 1),
    ):
        _try(client, name, *args)


def schedule(client: Any, target: Target) -> None:
    """A timer that fires once and one that repeats."""
    client.subscribe("SELECT * FROM timer", "SELECT * FROM tick")
    _try(client, "start_timer_once", "once", 20)
    _try(client, "start_timer", "again", 20)
    while client.db.tick.count() < 4:
        client.advance_one_message(1)
    _try(client, "stop_timers")


def blobs(client: Any, target: Target) -> None:
    """Rows that compress and rows that do not, small and large."""
    client.subscribe("SELECT * FROM blob")
    _try(client, "make_blob", 1, 5000, 3)
    _try(client, "insert_blob", 2, b"ab" * 3000)
    _try(client, "insert_blob", 3, b"")


SCENARIOS: dict[str, Callable[[Any, Target], None]] = {
    scenario.__name__: scenario
    for scenario in (anonymous, chat, types, types_snapshot, keys, joins, schedule, blobs)
}


# --- recording ----------------------------------------------------------------------------------


@pytest.fixture
def folder(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """Return where recordings go."""
    given: Path | None = pytestconfig.getoption("--record")
    folder = tmp_path if given is None else given
    (folder / "wire").mkdir(parents=True, exist_ok=True)
    (folder / "schema").mkdir(exist_ok=True)
    return folder


def schema_text(target: Target, folder: Path) -> str:
    """Write what the server answers for each version of the schema; return the best."""
    text = ""
    for version in (9, 10):
        url = f"{target.url}/v1/database/{target.database}/schema?version={version}"
        try:
            with urllib.request.urlopen(url) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError:
            continue
        (folder / "schema" / f"live.v{version}.json").write_text(text)
    return text


@pytest.mark.parametrize("compression", ["none", "gzip", "brotli"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_session_replays_to_the_same_cache(
    target: Target, protocol: str, compression: Any, name: str, folder: Path
) -> None:
    if protocol == "v1.json" and compression != "none":
        return  # JSON is never compressed
    scenario = SCENARIOS[name]
    schema = schema_text(target, folder)
    full = next(known for known in target.protocols if short_name(known) == protocol)
    path = folder / "wire" / f"live_{name}.{full.removesuffix('.spacetimedb')}.{compression}.jsonl"
    with blocking.connect(
        target.url,
        target.database,
        target.module,
        protocols={full},
        compression=compression,
        recorder=path,
    ) as client:
        scenario(client, target)
        token = client.token
    session = Session.from_text(path.read_text())
    note = (scenario.__doc__ or "").strip()
    header = msgspec.structs.replace(session.header, note=note)
    text = msgspec.structs.replace(session, header=header).to_text()
    path.write_text(text)
    assert header.protocol == full
    assert token not in text
    replayed = replay_text(text, schema, name, "schema")
    assert replayed.identity == client.identity
    assert replayed.connection_id == client.connection_id
    for handle in client.db:
        table = handle.table_name
        encode = replayed.module.bound.tables[table].codec.encode
        ours = sorted(map(encode, replayed.db[table]))
        assert ours == target.encoded(table, handle), table
