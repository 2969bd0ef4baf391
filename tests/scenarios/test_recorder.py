"""The option ``recorder``: what was recorded replays to the same cache, and holds no token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.schema.load import to_v10_json
from spacetime_proto.testing import Recorder
from spacetime_transports import ReconnectPolicy
from spacetime_transports.cli.replay import replay_text

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
