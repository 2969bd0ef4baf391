"""The opening of both roles; what follows is in test_endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import DatabaseNotFound, HandshakeError, LocalProtocolError
from spacetime_proto.wire.http_exchange import HttpServer
from spacetime_proto.wire.websocket import ClientWebSocket, ServerWebSocket, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Pair

PROTOCOL = "v3.bsatn.spacetimedb"


@pytest.fixture
def client(entropy: Callable[[int], bytes]) -> ClientWebSocket:
    machine = ClientWebSocket(entropy=entropy)
    machine.start(
        0.0,
        host_header="localhost:3000",
        target="/v1/database/chat/subscribe",
        subprotocols=[PROTOCOL],
        headers={"Authorization": "Bearer abc"},
    )
    return machine


@pytest.fixture
def server(entropy: Callable[[int], bytes]) -> ServerWebSocket:
    machine = ServerWebSocket(entropy=entropy)
    machine.start(0.0)
    return machine


def test_an_upgrade(client: ClientWebSocket, server: ServerWebSocket) -> None:
    assert client.state is State.CONNECTING
    server.receive_data(client.data_to_send(), 0.0)
    assert server.request is not None
    assert server.request.headers.get("authorization") == "Bearer abc"
    assert server.request.path == "/v1/database/chat/subscribe"
    assert server.subprotocols == [PROTOCOL]
    assert server.problem is None
    server.accept(1.0, subprotocol=PROTOCOL, headers={"spacetime-identity": "c2"})
    server.send(b"hello")
    client.receive_data(server.data_to_send(), 1.0)
    assert client.state is server.state is State.OPEN
    assert client.accepted is not None
    subprotocol, headers = client.accepted
    assert subprotocol == PROTOCOL
    assert headers.get("spacetime-identity") == "c2"
    assert list(client.messages()) == [b"hello"]
    # The server pings at once, as a real one does.
    server.receive_data(client.data_to_send(), 1.0)
    assert server.accepted is not None


def test_bytes_sent_right_after_the_request_are_not_lost(
    client: ClientWebSocket, server: ServerWebSocket
) -> None:
    early = b"\x82\x81\0\0\0\0x"
    server.receive_data(client.data_to_send() + early[:3], 0.0)
    server.receive_data(early[3:], 0.0)
    server.accept(0.0, subprotocol=PROTOCOL)
    assert list(server.messages()) == [b"x"]


def test_a_connection_that_began_as_http(
    client: ClientWebSocket, entropy: Callable[[int], bytes]
) -> None:
    http = HttpServer()
    http.receive_data(client.data_to_send())
    request = http.next_request()
    assert request is not None
    assert request.wants_upgrade
    server = ServerWebSocket(entropy=entropy, keepalive=None)
    server.start(0.0, http=http, request=request)
    server.accept(0.0, subprotocol=PROTOCOL)
    server.send(b"x")
    client.receive_data(server.data_to_send(), 0.0)
    assert list(client.messages()) == [b"x"]


def test_a_rejection_reaches_the_client(client: ClientWebSocket, server: ServerWebSocket) -> None:
    server.receive_data(client.data_to_send(), 0.0)
    server.reject(404, "`chat` not found", headers={"X-Why": "test"})
    assert server.state is State.CLOSED
    client.receive_data(server.data_to_send(), 0.0)
    assert client.state is State.CLOSED
    assert isinstance(client.failure, DatabaseNotFound)
    assert client.failure.body == "`chat` not found"


def test_a_request_that_is_no_upgrade(server: ServerWebSocket) -> None:
    assert server.problem is None
    assert server.subprotocols == []
    server.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0.0)
    assert server.problem is not None
    assert server.problem[0] == 426
    with pytest.raises(LocalProtocolError, match="cannot become a WebSocket"):
        server.accept(0.0)
    server.reject(*server.problem)
    assert server.data_to_send().startswith(b"HTTP/1.1 426 ")


def test_what_is_not_http_is_answered_and_ends(server: ServerWebSocket) -> None:
    server.receive_data(b"\x16\x03\x01\r\n\r\n", 0.0)
    assert isinstance(server.failure, HandshakeError)
    assert server.data_to_send().startswith(b"HTTP/1.1 400 ")


def test_commands_out_of_turn(
    client: ClientWebSocket, server: ServerWebSocket, entropy: Callable[[int], bytes]
) -> None:
    with pytest.raises(LocalProtocolError, match="no request"):
        server.accept(0.0)
    with pytest.raises(LocalProtocolError, match="no request"):
        server.reject(404)
    with pytest.raises(LocalProtocolError, match="started already"):
        client.start(0.0, host_header="x", target="/")
    with pytest.raises(LocalProtocolError, match="started already"):
        server.start(0.0)
    with pytest.raises(LocalProtocolError, match="connecting, not open"):
        client.send(b"")
    for fresh in (ClientWebSocket(entropy=entropy), ServerWebSocket(entropy=entropy)):
        with pytest.raises(LocalProtocolError, match="not started"):
            fresh.receive_data(b"x", 0.0)
        assert fresh.deadline is None
        fresh.tick(5.0)
        assert fresh.state is State.IDLE


def test_the_handshake_has_a_deadline(client: ClientWebSocket, server: ServerWebSocket) -> None:
    for machine in (client, server):
        assert machine.deadline == 10.0
        machine.tick(9.0)
        assert machine.failure is None
        machine.tick(10.0)
        assert isinstance(machine.failure, HandshakeError)
        assert "within 10 s" in str(machine.failure)
        assert machine.deadline is None


def test_end_of_file_during_the_handshake(client: ClientWebSocket, server: ServerWebSocket) -> None:
    for machine in (client, server):
        machine.receive_eof(1.0)
        assert isinstance(machine.failure, HandshakeError)
        assert machine.state is State.CLOSED


def test_closing_during_the_handshake_gives_up(client: ClientWebSocket) -> None:
    client.close(now=1.0)
    assert client.state is State.CLOSED
    assert client.failure is None
    assert client.data_to_send() == b""


def test_a_bad_101_ends_the_handshake(client: ClientWebSocket) -> None:
    client.receive_data(b"HTTP/1.1 101 O", 1.0)
    assert client.state is State.CONNECTING
    client.receive_data(b"k\r\n\r\n", 1.0)
    assert isinstance(client.failure, HandshakeError)


def test_a_server_fragments_like_the_real_one(pair: Callable[..., Pair]) -> None:
    link = pair()
    link.server.send(bytes(4096))
    assert len(link.server.data_to_send()) == 4 + 4096
    link.server.send(bytes(4097))
    assert len(link.server.data_to_send()) == 4 + 4096 + 2 + 1


def test_a_server_pings_at_a_steady_rate(pair: Callable[..., Pair]) -> None:
    link = pair()
    assert link.server.deadline == 15.0
    link.server.tick(15.0)
    assert link.server.data_to_send() == b"\x89\x00"
    link.server.tick(30.0)
    assert "did not answer a ping" in str(link.server.failure)
