"""The option ``recorder``: what was recorded replays to the same cache, and holds no token."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import LocalProtocolError, SpacetimeError
from spacetime_proto.schema.load import to_v10_json
from spacetime_proto.testing import Recorder
from spacetime_transports import ReconnectPolicy
from spacetime_transports.cli.replay import replay_text
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.kit import Kit


@pytest.mark.parametrize("protocol", ["v1.json", "v1.bsatn", "v2", "v3"])
async def test_a_recorded_session_replays(kit: Kit, tmp_path: Path, protocol: str) -> None:
    path = tmp_path / "session.jsonl"
    async with kit.connect(recorder=path, protocols=protocol) as client:
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=3))
        token, identity = client.raw.token, client.raw.identity
        names = sorted(row.name for row in client.db.item)
        schema = to_v10_json(client.raw.module.definition)
    text = path.read_text()
    assert token not in text
    result = replay_text(text, schema, "session", "schema").result()
    assert result["identity"] == identity.to_hex()
    assert sorted(row["name"] for row in result["tables"]["item"]) == names
    assert '"closed"' in text


async def test_each_connection_has_its_own_file(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    policy = ReconnectPolicy(first_delay=0.01)
    async with kit.connect(recorder=path, reconnect=policy) as client:
        before = client.raw.connection_id
        kit.server.drop_connections()
        await client.until(lambda: client.raw.is_connected and client.raw.connection_id != before)
    assert sorted(os.listdir(tmp_path)) == ["session.2.jsonl", "session.jsonl"]


async def test_a_recorder_of_one_s_own(kit: Kit) -> None:
    lines: list[str] = []
    async with kit.connect(recorder=Recorder(lines.append)) as client:
        await client.call(client.reducers.nothing())
    assert '"protocol": "v3.bsatn.spacetimedb"' in lines[0]
    assert '"compression"' in lines[0]
    assert len(lines) >= 4


async def test_what_is_no_recorder(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(LocalProtocolError, match="Recorder or a path"):
        async with kit.connect(recorder=5):
            pass
    with pytest.raises(LocalProtocolError, match="cannot record"):
        async with kit.connect(recorder=tmp_path):
            pass


# --- a full disk --------------------------------------------------------------------------------------


def is_about_a_full_disk(error: BaseException | None) -> bool:
    """Whether a full disk is what an error came from, and what its text says."""
    assert error is not None
    said = str(error)
    while error.__cause__ is not None:
        error = error.__cause__
    return isinstance(error, OSError) and error.errno == errno.ENOSPC and "No space left" in said


class FullDisk:
    """Takes some lines, and then has no room."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, line: str) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
async def test_a_disk_that_is_full_from_the_beginning(kit: Kit) -> None:
    with pytest.raises(SpacetimeError) as caught:
        async with kit.connect(recorder="/dev/full"):
            pass
    assert is_about_a_full_disk(caught.value)


@pytest.mark.parametrize("reconnect", [False, True])
@pytest.mark.parametrize("room", [3, 4, 5])
async def test_a_disk_that_fills_up(kit: Kit, room: int, reconnect: bool) -> None:
    """Whoever waits is told, and nobody waits for ever; trying again would find it full again."""
    with pytest.raises(SpacetimeError) as caught:
        async with kit.connect(
            recorder=Recorder(FullDisk(room).write), reconnect=reconnect
        ) as client:
            for _ in range(10):
                await client.call(client.reducers.nothing(), timeout=PATIENCE)
    assert is_about_a_full_disk(caught.value)
