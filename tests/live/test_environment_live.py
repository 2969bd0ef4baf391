"""Environment variables on a real server: set with a publish and without one, and read by a view."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import EnvironmentConflict, HttpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.kit import LiveKit
    from tests.live.target import Target

pytestmark = [
    pytest.mark.since("2.11", "there are no environment variables"),
    pytest.mark.needs("settings"),
    pytest.mark.owner,
    pytest.mark.wasm,
]

SECRET = 'two words, "quoted"\nand a line'


@pytest.fixture
def database(whole_target: Target) -> Iterator[str]:
    """Return a database of its own, published with one variable."""
    assert whole_target.wasm is not None
    name = f"environment-{time.time_ns()}"
    whole_target.http.publish(
        name, whole_target.wasm.read_bytes(), environment={"LIVE_TEXT": SECRET}
    )
    yield name
    whole_target.http.delete(name)


def stored(target: Target, database: str) -> dict[str, str]:
    found = target.http.sql(database, "SELECT key, value FROM st_env").raw_rows
    return dict(found)


def test_what_is_declared_and_what_is_stored(whole_target: Target, database: str) -> None:
    metadata = whole_target.http.environment(database)
    assert [(one.name, one.optional) for one in metadata.declarations] == [
        ("LIVE_MODE", True),
        ("LIVE_TEXT", True),
    ]
    assert metadata.stored_keys == ("LIVE_TEXT",)
    assert stored(whole_target, database) == {"LIVE_TEXT": SECRET}


def test_values_are_kept_replaced_and_removed(whole_target: Target, database: str) -> None:
    http, wasm = whole_target.http, whole_target.wasm
    assert wasm is not None
    program = wasm.read_bytes()
    http.publish(database, program)
    assert stored(whole_target, database) == {"LIVE_TEXT": SECRET}
    http.publish(database, program, environment={"LIVE_MODE": "dev"})
    assert stored(whole_target, database) == {"LIVE_TEXT": SECRET, "LIVE_MODE": "dev"}
    http.publish(database, program, environment={"LIVE_MODE": "prod"}, remove_environment="all")
    assert stored(whole_target, database) == {"LIVE_MODE": "prod"}
    http.publish(database, program, remove_environment=["LIVE_MODE"])
    assert stored(whole_target, database) == {}


def test_a_value_that_is_not_declared_so_is_refused(whole_target: Target, database: str) -> None:
    http = whole_target.http
    with pytest.raises(HttpError, match="LIVE_MODE") as refused:
        http.update_environment(database, {"LIVE_MODE": SECRET})
    assert refused.value.status == 400
    assert SECRET not in str(refused.value)
    assert stored(whole_target, database) == {"LIVE_TEXT": SECRET}


def test_a_change_for_another_module_is_refused(whole_target: Target, database: str) -> None:
    other = "0x" + "00" * 32
    with pytest.raises(EnvironmentConflict):
        whole_target.http.update_environment(
            database, {"LIVE_MODE": "dev"}, expected_module_hash=other
        )


async def test_a_view_shows_a_change_at_once(kit: LiveKit, database: str) -> None:
    http = kit.target.http
    async with kit.connect(database=database) as client:
        await client.subscribe("SELECT * FROM settings")
        assert {(row.name, row.value) for row in client.db.settings} == {("LIVE_TEXT", SECRET)}
        http.update_environment(database, {"LIVE_MODE": "dev"}, remove=["LIVE_TEXT"])
        await client.until(
            lambda: {(row.name, row.value) for row in client.db.settings} == {("LIVE_MODE", "dev")}
        )
