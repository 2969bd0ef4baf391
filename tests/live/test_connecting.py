"""Connecting: who one is, coming back, being refused, and being thrown out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import (
    AuthError,
    ConnectError,
    DatabaseNotFound,
    Disconnected,
    HandshakeError,
    HttpError,
    ReducerError,
    SchemaMismatch,
)
from spacetime_proto.types import Identity
from spacetime_transports import HttpClient, TokenFile
from tests.live.kit import Log
from tests.live.target import publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.kit import LiveKit
    from tests.live.target import Target


async def test_the_greeting(kit: LiveKit, target: Target) -> None:
    seen: list[Any] = []
    greeted: dict[str, Any] = {"on_connect": lambda ctx, *args: seen.append(args)}
    async with kit.connect(**greeted) as client, kit.connect() as other:
        assert client.raw.protocol == kit.protocol
        assert seen == [(client.raw.identity, client.raw.token)]
        assert client.raw.identity != other.raw.identity
        assert client.raw.connection_id != other.raw.connection_id
        assert client.raw.token not in repr(client.raw)


async def test_all_protocols_offered(kit: LiveKit, target: Target) -> None:
    async with kit.connect(protocols=None) as client:
        assert client.raw.protocol == target.protocols[0]


async def test_a_token_is_an_identity(kit: LiveKit, tmp_path: Path) -> None:
    async with kit.connect(token=TokenFile(tmp_path / "token")) as client:
        first = client.raw.identity, client.raw.token, client.raw.connection_id
    async with kit.connect(token=TokenFile(tmp_path / "token")) as client:
        again = client.raw.identity, client.raw.token, client.raw.connection_id
    assert first[:2] == again[:2]
    assert first[2] != again[2]
    async with kit.connect(token=first[1], token_via="websocket-token") as client:
        assert client.raw.identity == first[0]


async def test_a_token_of_http(kit: LiveKit, target: Target) -> None:
    with HttpClient(target.url) as http:
        issued = http.identity()
    async with kit.connect(token=issued.token) as client:
        assert client.raw.identity == issued.identity


@pytest.mark.parametrize("token", ["nonsense", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"])
async def test_a_bad_token(kit: LiveKit, token: str) -> None:
    with pytest.raises(AuthError) as caught:
        async with kit.connect(token=token):
            pass
    assert caught.value.status in (400, 401)
    assert token not in str(caught.value) + caught.value.body


@pytest.mark.parametrize("database", ["nowhere-at-all", "c2" * 32])
async def test_an_unknown_database(kit: LiveKit, database: str) -> None:
    # 2.x answers 500 for an identity that no database has.
    wanted = DatabaseNotFound if database.startswith("nowhere") else HandshakeError
    with pytest.raises(wanted) as caught:
        async with kit.connect(database=database):
            pass
    assert database in str(caught.value)


async def test_a_refused_protocol(kit: LiveKit, target: Target) -> None:
    from spacetime_proto.client.session_options import ALL_PROTOCOLS

    refused = set(ALL_PROTOCOLS) - set(target.protocols)
    if refused:
        with pytest.raises(HandshakeError, match="no valid protocol") as caught:
            async with kit.connect(protocols=refused):
                pass
        assert caught.value.status == 400


async def test_bindings_of_another_module(kit: LiveKit, target: Target) -> None:
    from tests.support.golden import golden_module

    async with kit.connect(golden_module("quickstart-chat"), protocols=kit.protocol) as client:
        await client.subscribe("SELECT * FROM user")
        assert client.db.user.identity.find(client.raw.identity).online
    with pytest.raises(SchemaMismatch):
        golden_module("sdk-test").check_fits(target.module.definition)


@pytest.mark.row("test_connect_disconnect", "disconnected-row")
async def test_who_is_connected(kit: LiveKit) -> None:
    ended: list[Any] = []
    async with kit.connect() as watcher:
        await watcher.subscribe("SELECT * FROM connected", "SELECT * FROM disconnected")
        connected, gone = watcher.db.connected.connection_id, watcher.db.disconnected.connection_id
        assert connected.find(watcher.raw.connection_id).identity == watcher.raw.identity
        async with kit.connect(on_disconnect=lambda ctx, error: ended.append(error)) as client:
            me = client.raw.connection_id
            await watcher.until(lambda: connected.find(me) is not None)
        assert ended == [None]
        await watcher.until(lambda: gone.find(me) is not None)
        assert connected.find(me) is None
        assert gone.find(me).identity == client.raw.identity


async def test_two_connections_of_one_user(kit: LiveKit) -> None:
    async with kit.connect() as watcher, kit.connect() as first:
        who = first.raw.identity
        await watcher.subscribe("SELECT * FROM user")
        users = watcher.db.user.identity
        log = Log(watcher, "user")
        async with kit.connect(token=first.raw.token) as second:
            assert second.raw.identity == who
        await watcher.call(watcher.reducers.no_op())
        assert users.find(who).online
        await first.close()
        await watcher.until(lambda: not users.find(who).online)
        mine = [what for what, _, *rows in log if rows[-1].identity == who]
        assert mine == ["update"]


async def test_banned(kit: LiveKit, target: Target) -> None:
    """`client_connected` says no: an error of the attempt, with the module's words where told."""
    with HttpClient(target.url) as http:
        issued = http.identity()
    target.call("ban", issued.identity)
    failures: list[Any] = []
    with pytest.raises(ConnectError, match="client_connected"):
        async with kit.connect(
            token=issued.token, on_connect_error=lambda ctx, error: failures.append(error)
        ):
            pass
    assert [type(error) for error in failures] == [ConnectError]
    with HttpClient(target.url, token=issued.token) as http, pytest.raises(AuthError, match="403"):
        http.call(target.database, "no_op")
    target.call("unban", issued.identity)
    async with kit.connect(token=issued.token) as client:
        await client.call(client.reducers.no_op())


async def test_cannot_ban_oneself(kit: LiveKit) -> None:
    async with kit.connect() as client:
        with pytest.raises(ReducerError, match="Cannot ban oneself"):
            await client.call(client.reducers.ban(client.raw.identity))
        assert isinstance(client.raw.identity, Identity)


@pytest.mark.only("trio", "blocking")
@pytest.mark.wasm
async def test_the_database_is_deleted(kit: LiveKit, doomed: Target) -> None:
    ended: list[Any] = []
    client_options: dict[str, Any] = {"on_disconnect": lambda ctx, error: ended.append(error)}
    with pytest.raises(Disconnected) as caught:
        async with kit.connect(database=doomed.database, **client_options) as client:
            await client.subscribe("SELECT * FROM user")
            doomed.http.delete(doomed.database)
            await client.until(lambda: bool(ended))
    assert caught.value.code == 1001
    assert [error.code for error in ended] == [1001]
    with pytest.raises(DatabaseNotFound):
        async with kit.connect(database=doomed.database):
            pass
    with pytest.raises((DatabaseNotFound, HttpError)):
        doomed.http.sql(doomed.database, "SELECT * FROM user")


@pytest.fixture
def doomed(whole_target: Target) -> Target:
    """Return a database of one's own."""
    target = publish(whole_target.url, whole_target.token, wasm=whole_target.wasm)
    target.module = whole_target.module
    return target
