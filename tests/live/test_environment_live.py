"""A module of the live suite reads its environment, on a real server; see also test_published_modules."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import EnvironmentConflict

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
