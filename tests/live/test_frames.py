"""Several messages in one WebSocket message, which v3 has: nothing is lost, and order is kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.recording.format import RecordedMessage, Session
from tests.conformance.kit import protocols
from tests.live.kit import Log

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.kit import LiveKit
    from tests.live.target import Target

CALLS = 400


async def test_many_messages_at_once(kit: LiveKit, tmp_path: Path, record_property: Any) -> None:
    """Calls and subscriptions of one moment. A blocking `submit` sends at once, an async one waits
    until the loop has its turn."""
    path = tmp_path / "session.jsonl"
    async with kit.connect(recorder=path) as client:
        log = Log(client, "pk_u_32")
        await client.subscribe("SELECT * FROM pk_u_32")
        answers: list[int] = []
        client.raw.on_reducer(
            lambda ctx: answers.append(ctx.event.args[0] if ctx.event.args else -1)
        )
        with client.raw.lock:
            for key in range(CALLS):
                client.raw.submit(client.reducers.insert_pk_u_32(key, 0))
                if key % 100 == 50:
                    client.raw.subscribe_soon(f"SELECT * FROM pk_u_32 WHERE key < {key}")
        await client.call(client.reducers.no_op())
        assert answers == [*range(CALLS), -1]
        assert [(what, row.key) for what, _, row in log] == [("insert", n) for n in range(CALLS)]
        assert client.raw.stats.messages_sent >= CALLS + 6
    session = Session.from_text(path.read_text())
    frames = Counter(line.direction for line in session.lines if isinstance(line, RecordedMessage))
    messages: Counter[str] = Counter(direction for direction, _ in session.decode())
    if kit.protocol.startswith("v3.") and not kit.is_blocking:
        assert frames["client"] < messages["client"]
        assert frames["server"] < messages["server"]
        text = f"{messages.total()} messages in {frames.total()} WebSocket messages"
        record_property("measured", f"{kit.protocol}, {kit.driver}: {text}")
    elif not kit.protocol.startswith("v3."):
        assert frames == messages


@protocols("v3")
@pytest.mark.only("blocking")
async def test_a_set_of_large_messages(kit: LiveKit, target: Target) -> None:
    """Messages that are together larger than what the server puts into one: 512 KiB."""
    size = 200_000
    async with kit.connect() as client, kit.connect() as other:
        for one in (client, other):
            await one.subscribe("SELECT * FROM blob")
        for number in range(12):
            client.raw.submit(client.reducers.make_blob(number, size, number))
        await client.call(client.reducers.no_op())
        await other.until(lambda: other.db.blob.count() == 12)
        assert target.rows("blob") == target.encoded("blob", other.db.blob)
