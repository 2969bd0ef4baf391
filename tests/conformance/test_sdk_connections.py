"""Rust test-client: calls, identities, several connections.

| row | where |
|---|---|
| on-reducer | embedded |
| fail-reducer | embedded |
| caller-always-notified | embedded |
| caller-alice-receives-reducer-callback-but-not-bob | embedded |
| reauth-part-1 | embedded |
| reauth-part-2 | embedded |
| reconnect-different-connection-id | embedded |
| two-different-compression-algos | embedded |
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto import ReducerEvent, Transaction
from spacetime_proto.errors import ReducerError
from spacetime_transports import TokenFile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.kit import Client, World


async def test_on_reducer(sdk_test: World) -> None:
    """The callback of the caller's own reducer: status, arguments, caller, and the row is there."""
    seen: list[tuple[ReducerEvent, list[Any]]] = []
    async with sdk_test.connected_to("one_u_8") as client:
        client.raw.on_reducer(lambda ctx: seen.append((ctx.event, client.rows("one_u_8"))))
        await client.call("insert_one_u_8", 128)
    [(event, rows)] = seen
    assert event.name == "insert_one_u_8"
    assert event.args == (128,)
    assert event.status == "committed"
    assert event.message is None
    assert event.is_own
    assert event.caller_identity == client.raw.identity
    assert event.caller_connection_id == client.raw.connection_id
    assert event.timestamp is not None
    assert rows == [(128,)]


async def test_fail_reducer(sdk_test: World) -> None:
    seen: list[ReducerEvent] = []
    async with sdk_test.connected_to("pk_u_8") as client:
        client.raw.on_reducer(lambda ctx: seen.append(ctx.event))
        await client.call("insert_pk_u_8", 42, 0xBEEF)
        with pytest.raises(sdk_test.panic_error) as caught:
            await client.call("insert_pk_u_8", 42, 0xBABE)
        assert client.take() == [("insert", "pk_u_8", (42, 0xBEEF))]
        assert client.rows("pk_u_8") == [(42, 0xBEEF)]
    first, second = seen
    assert (first.status, first.args) == ("committed", (42, 0xBEEF))
    status = "failed" if sdk_test.panic_error is ReducerError else "internal_error"
    assert (second.status, second.args) == (status, (42, 0xBABE))
    assert second.message == str(caught.value) != ""
    assert getattr(caught.value, "name", "") == client.world.name("insert_pk_u_8")


async def test_caller_always_notified(sdk_test: World) -> None:
    seen: list[ReducerEvent] = []
    async with sdk_test.connect() as client:
        client.raw.on_reducer(lambda ctx: seen.append(ctx.event))
        assert await client.call("no_op_succeeds") is None
    [event] = seen
    assert (event.name, event.status) == (client.world.name("no_op_succeeds"), "committed")


async def test_caller_alice_receives_reducer_callback_but_not_bob(sdk_test: World) -> None:
    told: dict[str, list[ReducerEvent]] = {"alice": [], "bob": []}

    async with (
        sdk_test.connected_to("one_u_8", "one_u_16") as alice,
        sdk_test.connected_to("one_u_8", "one_u_16") as bob,
    ):
        for name, client in (("alice", alice), ("bob", bob)):
            client.raw.on_reducer(lambda ctx, name=name: told[name].append(ctx.event))
        await alice.call("insert_one_u_8", 42)
        await alice.call("insert_one_u_16", 24)
        await bob.until(lambda: len(bob.log) == 2)
        assert [change.values for change in alice.log] == [(42,), (24,)]
        assert [change.values for change in bob.log] == [(42,), (24,)]
        assert all(isinstance(one.event, ReducerEvent) and one.event.is_own for one in alice.log)
        assert [event.name for event in told["alice"]] == [
            "insert_one_u_8",
            "insert_one_u_16",
        ]
        # v1 tells everybody who called what, where the module is an old one; still not Bob's call.
        for one in bob.log:
            if isinstance(one.event, ReducerEvent):
                assert sdk_test.protocol.startswith("v1")
                assert not one.event.is_own
                assert one.event.caller_identity == alice.raw.identity
            else:
                assert isinstance(one.event, Transaction)
        assert not any(event.is_own for event in told["bob"])


async def connect_with_file(world: World, path: Path) -> tuple[Any, str]:
    """Connect with a credentials file; return who the client is, and its token."""
    told: list[Any] = []
    async with world.connect(
        token=TokenFile(path), on_connect=lambda ctx, *facts: told.append(facts)
    ) as client:
        assert told == [(client.raw.identity, client.raw.token)]
        return client.raw.identity, client.raw.token


async def test_reauth_part_1(sdk_test: World, tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    _, token = await connect_with_file(sdk_test, path)
    assert path.read_text().strip() == token
    assert path.stat().st_mode & 0o777 == 0o600


async def test_reauth_part_2(sdk_test: World, tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    first = await connect_with_file(sdk_test, path)
    second = await connect_with_file(sdk_test, path)
    assert first == second


async def test_reconnect_different_connection_id(sdk_test: World) -> None:
    async with sdk_test.connect() as first:
        pass
    async with sdk_test.connect(token=first.raw.token) as second:
        assert second.raw.identity == first.raw.identity
        assert second.raw.connection_id != first.raw.connection_id


async def test_two_different_compression_algos(sdk_test: World) -> None:
    """Three connections with different compression see the same 32 KiB of random bytes."""
    sdk_test.needs("vec_u_8")
    value = random.Random(7).randbytes(32 * 1024)

    async def check(clients: list[Client]) -> None:
        await clients[0].call("insert_vec_u_8", value)
        for client in clients:
            await client.until(lambda client=client: client.log)
            assert client.take() == [("insert", "vec_u_8", (value,))]

    async with (
        sdk_test.connected_to("vec_u_8", compression="none") as plain,
        sdk_test.connected_to("vec_u_8", compression="gzip") as gzip,
        sdk_test.connected_to("vec_u_8", compression="brotli") as brotli,
    ):
        await check([plain, gzip, brotli])
        async with sdk_test.connected_to("vec_u_8", compression="brotli") as late:
            assert late.rows("vec_u_8") == [(value,)]
