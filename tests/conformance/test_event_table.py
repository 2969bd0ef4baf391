"""Rust event-table-client.

| row | where |
|---|---|
| event-table | embedded |
| multiple-events | embedded |
| events-dont-persist | embedded |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spacetime_proto import ReducerEvent
from spacetime_proto.errors import LocalProtocolError, SubscriptionError
from tests.conformance.kit import BATCHED, protocols

if TYPE_CHECKING:
    from tests.conformance.kit import World


async def test_event_table(event_table: World) -> None:
    """The callback runs with the row, while the table stays empty; not on v1, says the server."""
    if event_table.protocol.startswith("v1"):
        with pytest.raises(SubscriptionError, match="requires WebSocket v2"):
            async with event_table.connected_to("test_event"):
                pass
        return
    async with event_table.connected_to("test_event") as client:
        handle = client.table("test_event")
        assert (handle.count(), list(handle.iter())) == (0, [])
        await client.call("emit_test_event", "hello", 42)
        [change] = client.log
        assert (change.kind, change.values, change.count) == ("insert", ("hello", 42), 0)
        assert isinstance(change.event, ReducerEvent)
        assert (handle.count(), list(handle.iter())) == (0, [])
        with pytest.raises(LocalProtocolError):
            handle.on_delete(lambda ctx, row: None)
        assert not hasattr(handle, "on_update")


@protocols(*BATCHED)
async def test_multiple_events(event_table: World) -> None:
    async with event_table.connected_to("test_event") as client:
        await client.call("emit_multiple_test_events")
        assert sorted(change.values for change in client.log) == [("a", 1), ("b", 2), ("c", 3)]
        assert {change.count for change in client.log} == {0}
        assert len({id(change.event) for change in client.log}) == 1


@protocols(*BATCHED)
async def test_events_dont_persist(event_table: World) -> None:
    async with event_table.connected_to("test_event") as client:
        await client.call("emit_test_event", "hello", 42)
        assert client.take() == [("insert", "test_event", ("hello", 42))]
        await client.call("noop")
        assert client.take() == []
        # Nor does a later subscriber see it, nor a query.
        async with event_table.connected_to("test_event") as late:
            await late.call("noop")
            assert late.take() == []
