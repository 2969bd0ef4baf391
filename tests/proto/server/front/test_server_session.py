"""`session`: a TCP connection of a client, against the client's own machines."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import AuthError, DatabaseNotFound, Disconnected, HandshakeError
from spacetime_proto.messages import v2
from spacetime_proto.messages.payloads import decode_server_payload
from spacetime_proto.server import Context, Host, Module, ServerSession
from spacetime_proto.server.front import server_session as session
from spacetime_proto.server.front.connection_v1 import V1Connection
from spacetime_proto.server.front.connection_v2 import V2Connection
from spacetime_proto.wire.http_exchange import HttpExchange, HttpRequest
from spacetime_proto.wire.websocket import ClientWebSocket, State
from tests.proto.server.support import NOW, Entropy, identity, make_host

V2 = "v2.bsatn.spacetimedb"
ALL = ("v1.json.spacetimedb", "v1.bsatn.spacetimedb", V2, "v3.bsatn.spacetimedb")


def make() -> Host:
    module = Module()

    @module.table(public=True)
    class Item:
        name: str

    @module.client_connected
    def hello(ctx: Context) -> None:
        if ctx.db.item.count() > 1:
            raise ValueError("full")

    @module.client_disconnected
    def goodbye(ctx: Context) -> None:
        ctx.log("goodbye")

    @module.reducer
    def put(ctx: Context, name: str) -> None:
        ctx.db.item.insert(Item(name=name))

    host = make_host()
    host.add(module, "db", now=0.0)
    return host


class Link:
    """A client's WebSocket on one end, a session on the other."""

    def __init__(
        self,
        host: Host,
        query: str = "compression=None",
        *,
        protocols: Any = (V2,),
        headers: Any = (),
        target: str = "/v1/database/db/subscribe",
        **options: Any,
    ) -> None:
        self.now = 1.0
        self.session = ServerSession(host, **options)
        self.client = ClientWebSocket(entropy=Entropy(), keepalive=None)
        self.client.start(
            self.now,
            host_header="test",
            target=f"{target}?{query}",
            subprotocols=protocols,
            headers=headers,
        )
        self.pump()

    def pump(self) -> None:
        """Carry bytes to and fro until nothing moves."""
        while True:
            there = self.client.data_to_send()
            if there:
                self.session.receive_data(there, self.now)
            back = self.session.data_to_send(self.now)
            if back:
                self.client.receive_data(back, self.now)
            if not there and not back:
                return

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.client.send(message if isinstance(message, str) else v2.encode_client(message))
        self.pump()

    def received(self) -> list[Any]:
        return [
            message
            for payload in self.client.messages()
            for message in decode_server_payload(ALL[-1], payload)
        ]


def put(name: str) -> v2.CallReducer:
    return v2.CallReducer(1, "put", len(name).to_bytes(4, "little") + name.encode())


def test_an_upgrade_picks_the_best_protocol_and_greets() -> None:
    link = Link(make(), protocols=ALL)
    accepted: Any = link.client.accepted
    assert accepted.subprotocol == "v3.bsatn.spacetimedb"
    [first] = link.received()
    assert first.identity.to_hex() == accepted.headers.get("spacetime-identity")
    assert first.token == accepted.headers.get("spacetime-identity-token")
    assert isinstance(link.session.connection, V2Connection)
    assert link.session.deadline is not None
    assert isinstance(Link(make(), protocols=ALL[:2]).session.connection, V1Connection)


def test_the_token_decides_who_one_is() -> None:
    host = make()
    claims, token = host.mint(NOW)
    by_query = Link(host, f"token={token}")
    by_header = Link(host, headers={"Authorization": f"Bearer {token}"})
    for link in (by_query, by_header):
        [first] = link.received()
        assert (first.identity, first.token) == (claims.identity, token)


def test_a_connection_id_may_be_asked_for() -> None:
    [first] = Link(make(), "connection_id=" + "0" * 31 + "5").received()
    assert int(first.connection_id) == 5


@pytest.mark.parametrize(
    ("query", "options", "status", "text"),
    [
        ("compression=none", {}, 400, "Failed to deserialize query string: unknown value 'none'"),
        ("light=1", {}, 400, "unknown value '1'"),
        ("confirmed=True", {}, 400, "unknown value 'True'"),
        ("light=true&light=true", {}, 400, "duplicate field `light`"),
        ("connection_id=5", {}, 400, "takes 32 hexadecimal digits"),
        ("connection_id=" + "0" * 32, {}, 400, "Invalid connection ID"),
        ("session_id=", {}, 400, "session_id takes 1 to 32 hexadecimal digits"),
        ("session_id=+5", {}, 400, "session_id takes 1 to 32 hexadecimal digits"),
        ("session_id=" + "0" * 33, {}, 400, "session_id takes 1 to 32 hexadecimal digits"),
        ("session_id=1&session_id=1", {}, 400, "duplicate field `session_id`"),
        ("", {"protocols": ("v9",)}, 400, "no valid protocol selected"),
        ("", {"protocols": ()}, 400, "no valid protocol selected"),
        ("", {"target": "/v1/database/nope/subscribe"}, 404, "`nope` not found"),
        ("", {"target": "/v1/subscribe"}, 404, ""),
        ("token=a.b.c", {}, 401, "Invalid token: InvalidSignature"),
        ("", {"headers": {"Authorization": "nonsense"}}, 400, "Authorization is invalid"),
    ],
)
def test_refused_upgrades(query: str, options: Any, status: int, text: str) -> None:
    link = Link(make(), query, **options)
    failure: Any = link.client.failure
    assert (failure.status, link.session.is_closed) == (status, True)
    assert text in failure.body
    expected = {401: AuthError, 404: DatabaseNotFound}.get(status, HandshakeError)
    assert isinstance(failure, expected)
    assert link.session.connection is None


def test_an_upgrade_that_is_none_is_refused() -> None:
    machine = ServerSession(make())
    machine.receive_data(
        b"GET /v1/database/db/subscribe HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\r\n", 0.0
    )
    assert machine.data_to_send(0.0).startswith(b"HTTP/1.1 4")


def test_messages_go_both_ways_and_to_others() -> None:
    host = make()
    one, two = Link(host, "compression=Gzip"), Link(host)
    woken: list[int] = []
    two.session.wake = lambda: woken.append(1)
    two.send(v2.Subscribe(1, 1, ("SELECT * FROM item",)))
    two.received()
    woken.clear()
    one.send(put("x"))
    assert [type(m) for m in one.received()] == [v2.InitialConnection, v2.ReducerResult]
    assert woken == [1]
    two.pump()
    assert [type(m) for m in two.received()] == [v2.TransactionUpdate]


def test_long_messages_come_in_fragments() -> None:
    host = make()
    for fragment_size in (4096, None):
        link = Link(host, fragment_size=fragment_size)
        link.send(v2.Subscribe(1, 1, ("SELECT * FROM item",)), put("y" * 10_000))
        assert len(link.received()[-1].result.transaction_update.query_sets) == 1
        link.session.connection_lost(2.0)
        host.databases["db"].stores["item"].clear()


def test_a_client_that_is_turned_away_gets_the_101_and_nothing_more() -> None:
    host = make()
    link = Link(host)
    link.send(put("a"), put("b"))
    late = Link(host)
    assert late.client.state is State.OPEN
    assert late.received() == []
    assert late.session.is_closed
    late.client.receive_eof(2.0)
    assert isinstance(late.client.failure, Disconnected)


def test_a_damaged_message_closes_with_1011() -> None:
    link = Link(make())
    link.send("text")
    assert (link.client.close_code, link.client.close_reason) == (
        1011,
        "v2 websocket does not support text messages",
    )
    assert link.session.is_closed


def test_the_clients_close_is_echoed() -> None:
    host = make()
    link = Link(host)
    link.client.close(4000, "bye", now=2.0)
    link.pump()
    assert link.client.close_code == 4000
    assert link.session.is_closed
    link.session.connection_lost(3.0)
    assert [line.message for line in host.databases["db"].logs] == ["goodbye"]
    assert host.sessions == set()


def test_the_end_of_the_stream_ends_the_session() -> None:
    link = Link(make())
    link.session.receive_eof(2.0)
    assert link.session.data_to_send(2.0) == b""
    assert link.session.is_closed


def test_shutdown_closes_everybody_with_1001() -> None:
    host = make()
    ServerSession(host)
    link = Link(host)
    host.shutdown()
    link.pump()
    assert (link.client.close_code, link.client.close_reason) == (1001, "module exited")
    assert host.databases == {}


def test_an_overlong_close_reason_goes_out_as_it_is() -> None:
    host = make()
    link = Link(host)
    link.received()
    host.databases["db"].faults.close_reason_length = 200
    host.shutdown()
    raw = link.session.data_to_send(2.0)
    assert raw[:4] == b"\x88\x7e\x00\xca"
    assert len(raw) == 206
    assert link.session.is_closed


def test_a_silent_client_is_pinged_and_given_up() -> None:
    link = Link(make(), keepalive=(15.0, 15.0))
    link.session.data_to_send(1.0)
    for _ in range(4):
        deadline = link.session.deadline
        if deadline is None:
            break
        link.session.tick(deadline)
        link.session.data_to_send(deadline)
    assert link.session.is_closed
    assert link.session.deadline is None
    assert "did not answer a ping" in str(link.session.failure)
    quiet = ServerSession(make())
    quiet.tick(9.0)
    assert quiet.deadline is None
    assert quiet.failure is None


def test_a_client_that_reads_too_slowly_is_cut_off() -> None:
    link = Link(make())
    woken: list[int] = []
    link.session.wake = lambda: woken.append(1)
    assert link.session.connection is not None
    link.session.connection.is_overrun = True
    link.session.connection.close(1000, "")
    assert link.session.is_aborted
    assert woken == [1]


def test_sessions_can_be_aborted() -> None:
    machine = ServerSession(make())
    machine.abort()
    assert machine.is_closed
    assert machine.is_aborted


def test_plain_requests_are_answered_one_after_another() -> None:
    machine = ServerSession(make())
    exchange = HttpExchange()
    exchange.start(HttpRequest("GET", "/v1/ping"), host_header="x")
    first = b"GET /v1/database/db/names HTTP/1.1\r\nHost: x\r\n\r\n"
    machine.receive_data(first + exchange.data_to_send(), 0.0)
    answers = machine.data_to_send(0.0)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert b'{"names": ["db"]}' in answers
    assert machine.is_closed


def test_the_stream_may_end_before_a_request() -> None:
    machine = ServerSession(make())
    machine.receive_eof(0.0)
    assert machine.is_closed
    machine.connection_lost(0.0)


def test_garbage_is_refused() -> None:
    machine = ServerSession(make())
    machine.receive_data(b"\x16\x03\x01 not http\r\n\r\n", 0.0)
    assert machine.data_to_send(0.0).startswith(b"HTTP/1.1 400")
    assert machine.is_closed


def test_a_message_after_the_end_is_ignored() -> None:
    link = Link(make())
    link.session.receive_eof(2.0)
    link.session.receive_data(b"more", 2.0)
    assert identity(1) is not None
    assert session.ServerSession is ServerSession


def lives() -> Host:
    """Return a host with a database ``db`` that notes who comes and goes, and refuses a third."""
    module = Module()

    @module.client_connected
    def hello(ctx: Context) -> None:
        ctx.log(f"hello {int(ctx.connection_id or 0)}")
        if int(ctx.connection_id or 0) == 3:
            raise ValueError("not you")

    @module.client_disconnected
    def goodbye(ctx: Context) -> None:
        ctx.log(f"goodbye {int(ctx.connection_id or 0)}")

    host = make_host()
    host.add(module, "db", now=0.0)
    host.add(module, "other", now=0.0)
    return host


def log_of(host: Host) -> list[str]:
    return [line.message for line in host.databases["db"].logs]


def in_session(host: Host, number: int, *, token: str = "", **options: Any) -> Link:
    """Return a connection with this connection id, always with the same session id."""
    query = f"compression=None&connection_id={number:032x}&session_id={0xDEAD:032x}"
    headers = {"Authorization": f"Bearer {token}"}
    return Link(host, query, headers=headers, **options)


@pytest.mark.parametrize("protocol", ALL)
def test_a_session_is_handed_over_when_its_holder_is_gone(protocol: str) -> None:
    host = lives()
    _, token = host.mint(NOW)
    first = in_session(host, 1, token=token, protocols=(protocol,))
    early = in_session(host, 2, token=token, protocols=(protocol,))
    assert early.client.accepted is not None  # upgraded, and closed before any message
    assert (early.client.close_code, list(early.client.messages())) == (4000, [])
    assert early.session.is_closed
    early.session.connection_lost(2.0)
    # The holder is stopped without a close frame, but it holds the session until it is gone.
    assert first.session.is_aborted
    assert first.client.state is State.OPEN
    assert in_session(host, 2, token=token).client.close_code == 4000
    assert log_of(host) == ["hello 1"]
    first.session.connection_lost(3.0)
    late = in_session(host, 2, token=token, protocols=(protocol,))
    assert late.client.state is State.OPEN
    assert log_of(host) == ["hello 1", "goodbye 1", "hello 2"]
    late.session.connection_lost(4.0)
    assert host.holders == {}


def test_sessions_of_others_do_not_collide() -> None:
    host = lives()
    _, token = host.mint(NOW)
    links = [
        in_session(host, 1, token=token),
        in_session(host, 2, token=host.mint(NOW)[1]),
        in_session(host, 1, token=token, target="/v1/database/other/subscribe"),
        Link(host, "compression=None", headers={"Authorization": f"Bearer {token}"}),
    ]
    assert {link.client.state for link in links} == {State.OPEN}
    assert not any(link.session.is_aborted for link in links)


def test_a_client_that_is_turned_away_holds_no_session() -> None:
    host = lives()
    _, token = host.mint(NOW)
    refused = in_session(host, 3, token=token)
    assert refused.session.is_closed
    assert in_session(host, 4, token=token).client.state is State.OPEN
    refused.session.connection_lost(2.0)
    assert len(host.holders) == 1


def test_a_server_before_2_11_knows_no_sessions() -> None:
    host = lives()
    host.databases["db"].faults.before_2_11 = True
    _, token = host.mint(NOW)
    links = [in_session(host, number, token=token) for number in (1, 2)]
    assert {link.client.state for link in links} == {State.OPEN}
