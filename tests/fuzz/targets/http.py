"""HTTP machines of both roles and the proxy tunnels: a byte for which, one for the pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spacetime_proto.errors import SpacetimeError
from spacetime_proto.wire.http_exchange import HttpExchange, HttpRequest, HttpResponse, HttpServer
from spacetime_proto.wire.proxy import HttpConnect, Socks5

_BODY = 1 << 16


def check(data: bytes) -> None:
    """Nothing escapes; bodies stay within their size."""
    if len(data) < 2:
        return
    step = data[1] or 1
    pieces = [data[start : start + step] for start in range(2, len(data), step)]
    _ROLES[data[0] % len(_ROLES)](pieces)


def _exchange(pieces: list[bytes], *, stream: bool) -> None:
    exchange = HttpExchange(stream=stream, body_size=_BODY)
    exchange.start(HttpRequest("GET", "/v1/ping"), host_header="a")
    exchange.data_to_send()
    for piece in pieces:
        exchange.receive_data(piece)
        list(exchange.body_pieces())
    exchange.receive_eof()
    list(exchange.body_pieces())
    assert exchange.done
    assert (exchange.response is None) != (exchange.failure is None) or stream
    assert exchange.response is None or len(exchange.response.body) <= _BODY


def _server(pieces: list[bytes]) -> None:
    server = HttpServer(body_size=_BODY)
    for piece in [*pieces, b""]:
        if piece:
            server.receive_data(piece)
        else:
            server.receive_eof()
        while (request := server.next_request()) is not None:
            assert len(request.body) <= _BODY
            server.respond(HttpResponse(200, body=b"x"))
        server.data_to_send()


def _tunnel(make: Callable[[], Any], pieces: list[bytes]) -> None:
    tunnel = make()
    tunnel.data_to_send()
    for piece in pieces:
        if tunnel.done or tunnel.failure is not None:
            break
        tunnel.receive_data(piece)
        tunnel.data_to_send()
    tunnel.receive_eof()
    assert tunnel.failure is None or isinstance(tunnel.failure, SpacetimeError)


_ROLES: tuple[Callable[[list[bytes]], None], ...] = (
    lambda pieces: _exchange(pieces, stream=False),
    lambda pieces: _exchange(pieces, stream=True),
    _server,
    lambda pieces: _tunnel(lambda: HttpConnect("db.example", 3000), pieces),
    lambda pieces: _tunnel(lambda: Socks5("db", 3000, username="a", password="b"), pieces),
)
