"""`host`: databases by name, time, and who is who."""

from __future__ import annotations

import pytest

from spacetime_proto.errors import ReducerError
from spacetime_proto.server import U64, Context, Module, ServerSession, TokenRefused, column
from spacetime_proto.server.front.tokens import identity_of
from spacetime_proto.types import ConnectionId, ScheduleAt, TimeDuration
from tests.proto.server.support import NOW, Client, identity, make_host


def empty() -> Module:
    return Module()


def test_databases_are_found_by_name_or_identity() -> None:
    host = make_host()
    database = host.add(empty(), "chat", now=0.0, owner=identity(5))
    assert database.identity == identity_of("database", "chat")
    assert host.find("chat") is database
    assert host.find(database.identity.to_hex()) is database
    assert host.find(database.identity.to_hex().upper()) is database
    assert host.find("nope") is None
    assert host.find("0" * 64) is None
    assert database.owner == identity(5)


def test_a_module_whose_init_fails_is_not_served() -> None:
    module = Module()

    @module.init
    def start(ctx: Context) -> None:
        raise ValueError("no")

    host = make_host()
    with pytest.raises(ReducerError):
        host.add(module, "chat", now=0.0)
    assert host.databases == {}


def test_a_database_can_move_to_another_host() -> None:
    database = make_host().add(empty(), "chat", now=0.0)
    other = make_host()
    other.adopt(database)
    assert other.find("chat") is database


def test_time_is_counted_from_the_epoch_of_the_clock() -> None:
    assert make_host().time(1.5) == NOW + TimeDuration(1_500_000)


def test_the_deadline_is_the_earliest_of_all_databases() -> None:
    module = Module()

    @module.table(scheduled="tick")
    class Timer:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt

    @module.init
    def start(ctx: Context) -> None:
        at = ScheduleAt.Interval(TimeDuration(2_000_000))
        ctx.db.timer.insert(Timer(id=0, at=at))

    @module.reducer
    def tick(ctx: Context, timer: Timer) -> None:
        ctx.log("tick")

    host = make_host()
    assert host.deadline is None
    host.add(empty(), "quiet", now=0.0)
    one = host.add(module, "one", now=1.0)
    host.add(module, "two", now=2.0)
    assert host.deadline == pytest.approx(3.0)
    host.tick(3.0)
    assert len(one.logs) == 1
    assert host.deadline == pytest.approx(4.0)


def test_minted_tokens_are_good() -> None:
    host = make_host()
    claims, token = host.mint(NOW)
    other, _ = host.mint(NOW)
    assert other.identity != claims.identity
    assert host.verify(token, NOW) == claims
    assert host.authenticate(None, None, NOW) is None
    assert host.authenticate(f"Bearer {token}", "garbage", NOW) == (claims, token)
    assert host.authenticate(None, token, NOW) == (claims, token)
    with pytest.raises(TokenRefused):
        host.authenticate("Bearer a.b.c", token, NOW)


def test_websocket_tokens_last_a_minute_and_the_leeway() -> None:
    host = make_host()
    claims, _ = host.mint(NOW)
    token = host.websocket_token(claims, NOW)
    assert host.verify(token, NOW + TimeDuration.from_seconds(119)).identity == claims.identity
    with pytest.raises(TokenRefused, match="Expired"):
        host.verify(token, NOW + TimeDuration.from_seconds(120))


def test_connection_ids_are_never_zero() -> None:
    host = make_host()
    assert host.new_connection_id() != host.new_connection_id()
    host.entropy = bytes
    assert host.new_connection_id() == ConnectionId(b"\1" * 16)


def test_clients_of_a_removed_database_are_closed() -> None:
    host = make_host()
    database, other = host.add(empty(), "one", now=0.0), host.add(empty(), "two", now=0.0)
    clients = [Client(made) for made in (database, other)]
    for client in clients:
        ServerSession(host).connection = client.connection
    ServerSession(host)
    host.remove("one")
    host.remove("one")
    closes = [client.connection.close_request for client in clients]
    assert closes == [(1001, "module exited"), None]
    host.shutdown()
    assert clients[1].connection.close_request == (1001, "module exited")
    assert host.databases == {}
