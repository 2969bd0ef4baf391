from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import Disconnected, LimitExceeded, LocalProtocolError, ProtocolError
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpExchange, HttpRequest, HttpResponse, HttpServer


def started(request: HttpRequest | None = None, **options: object) -> HttpExchange:
    exchange = HttpExchange(**options)  # type: ignore[arg-type]
    exchange.start(request or HttpRequest("GET", "/v1/ping"), host_header="localhost:3000")
    return exchange


def feed(exchange: HttpExchange, data: bytes, step: int | None = None) -> HttpExchange:
    size = step or max(len(data), 1)
    for at in range(0, len(data), size):
        exchange.receive_data(data[at : at + size])
    return exchange


# --- one exchange -----------------------------------------------------------------------------


def test_a_request_without_body() -> None:
    request = HttpRequest("GET", "/p?q=1", Headers({"Authorization": "Bearer abc"}))
    assert started(request).data_to_send() == (
        b"GET /p?q=1 HTTP/1.1\r\nHost: localhost:3000\r\nConnection: close\r\n"
        b"Authorization: Bearer abc\r\n\r\n"
    )


@pytest.mark.parametrize("body", [b"", b"SELECT 1"])
def test_a_post_always_has_a_length(body: bytes) -> None:
    data = started(HttpRequest("POST", "/", body=body)).data_to_send()
    assert b"Content-Length: %d\r\n" % len(body) in data
    assert data.endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nhello",
    ],
)
def test_a_response_is_read_whole(data: bytes, step: int | None) -> None:
    exchange = feed(started(), data, step)
    exchange.receive_eof()
    response = exchange.response
    assert response is not None
    assert (response.status, response.body, response.text) == (200, b"hello", "hello")
    assert response.headers.get("X-A") == "b"
    assert exchange.done
    assert exchange.failure is None
    exchange.receive_data(b"more")
    exchange.receive_eof()
    assert exchange.failure is None


def test_a_streamed_body_comes_in_pieces() -> None:
    exchange = started(stream=True, body_size=3)
    feed(exchange, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n")
    assert exchange.response == HttpResponse(200, Headers({"transfer-encoding": "chunked"}))
    assert list(exchange.body_pieces()) == [b"he"]
    assert not exchange.done
    feed(exchange, b"3\r\nllo\r\n0\r\n\r\n")
    assert list(exchange.body_pieces()) == [b"llo"]
    assert exchange.done


def test_an_error_is_not_streamed() -> None:
    exchange = feed(started(stream=True), b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno")
    assert exchange.response is not None
    assert exchange.response.text == "no"
    assert list(exchange.body_pieces()) == []


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", Disconnected, "hung up without an answer"),
        (b"HTTP/1.1 200", Disconnected, "hung up without an answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe", Disconnected, "in the middle"),
        (b"SSH-2.0\r\n\r\n", ProtocolError, "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100 + b"\r\n", LimitExceeded, "header_size"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100, LimitExceeded, "header_size"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101, LimitExceeded, "body_size = 100"),
    ],
)
def test_failures(data: bytes, kind: type[Exception], words: str) -> None:
    for step in (None, 1):
        exchange = feed(started(header_size=200, body_size=100), data, step)
        exchange.receive_eof()
        assert exchange.done
        assert exchange.response is None
        assert type(exchange.failure) is kind
        assert words in str(exchange.failure)
        assert "GET /v1/ping of localhost:3000" in str(exchange.failure)


def test_one_request_only() -> None:
    exchange = started()
    with pytest.raises(LocalProtocolError, match="one request"):
        exchange.start(HttpRequest("GET", "/"), host_header="x")


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("GE T", "/"),
        HttpRequest("G\u00c9T", "/"),
        HttpRequest("GET", "/a\r\nX: y"),
        HttpRequest("GET", "/", Headers({"Host": "x"})),
        HttpRequest("GET", "/", Headers({"content-length": "3"})),
    ],
)
def test_requests_that_cannot_be_sent(request_: HttpRequest) -> None:
    with pytest.raises(LocalProtocolError):
        started(request_)


def test_reprs_have_no_secrets() -> None:
    request = HttpRequest("GET", "/a?token=secret", Headers({"Authorization": "secret"}), b"secret")
    assert repr(request) == "HttpRequest(GET /a, 6 bytes)"
    assert repr(HttpResponse(200, body=b"secret")) == "HttpResponse(200, 6 bytes)"
    assert (request.path, request.query) == ("/a", "token=secret")


# --- a server ---------------------------------------------------------------------------------


def test_two_pipelined_requests_are_answered_in_turn() -> None:
    server = HttpServer()
    server.receive_data(
        b"POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    first = server.next_request()
    assert first is not None
    assert (first.method, first.target, first.body) == ("POST", "/a?x=1", b"abc")
    assert server.next_request() is None
    server.respond(HttpResponse(200, Headers({"X": "y"}), b"one"))
    assert server.data_to_send() == b"HTTP/1.1 200 \r\nX: y\r\nContent-Length: 3\r\n\r\none"
    second = server.next_request()
    assert second is not None
    assert second.path == "/b"
    assert not second.wants_upgrade
    server.respond(HttpResponse(204))
    assert server.data_to_send() == b"HTTP/1.1 204 \r\n\r\n"
    assert not server.closing
    assert server.next_request() is None


def test_head_has_a_length_and_no_body() -> None:
    server = HttpServer()
    server.receive_data(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    server.next_request()
    server.respond(HttpResponse(200, body=b"abc"))
    assert server.data_to_send() == b"HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n"


def test_connection_close_is_obeyed() -> None:
    server = HttpServer()
    server.receive_data(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    server.next_request()
    server.respond(HttpResponse(200))
    assert server.closing
    assert b"Connection: close" in server.data_to_send()
    server.receive_data(b"x")
    server.receive_eof()
    assert server.next_request() is None


def test_expect_continue_is_granted() -> None:
    server = HttpServer()
    server.receive_data(
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    assert server.next_request() is None
    assert server.data_to_send().startswith(b"HTTP/1.1 100 ")
    server.receive_data(b"x")
    assert server.next_request() is not None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 100, 431),
        (b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n" + bytes(101), 413),
    ],
)
def test_bad_requests_are_answered_and_end_the_connection(data: bytes, status: int) -> None:
    server = HttpServer(header_size=200, body_size=100)
    server.receive_data(data)
    assert server.next_request() is None
    assert server.data_to_send().startswith(b"HTTP/1.1 %d " % status)
    assert server.closing


def test_a_client_that_leaves() -> None:
    server = HttpServer()
    server.receive_eof()
    assert server.next_request() is None
    assert server.closing
    assert server.data_to_send() == b""


def test_a_client_that_leaves_in_the_middle() -> None:
    server = HttpServer()
    server.receive_data(b"GET / HT")
    server.receive_eof()
    assert server.next_request() is None
    assert server.closing


def test_an_empty_read_is_not_the_end() -> None:
    server = HttpServer()
    server.receive_data(b"")
    assert server.next_request() is None
    assert not server.closing


def test_responses_that_cannot_be_sent() -> None:
    server = HttpServer()
    with pytest.raises(LocalProtocolError, match="no request"):
        server.respond(HttpResponse(200))
    server.receive_data(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    server.next_request()
    for bad in (
        HttpResponse(101),
        HttpResponse(99),
        HttpResponse(600),
        HttpResponse(200, Headers({"Content-Length": "9"})),
    ):
        with pytest.raises(LocalProtocolError):
            server.respond(bad)
    server.respond(HttpResponse(200))


def test_an_upgrade_leaves_what_follows() -> None:
    server = HttpServer()
    server.receive_data(
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrest"
    )
    request = server.next_request()
    assert request is not None
    assert request.wants_upgrade
    assert server.trailing_data == b"rest"


# --- both -------------------------------------------------------------------------------------


@given(
    body=st.binary(max_size=100),
    answer=st.binary(max_size=100),
    status=st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    step=st.integers(1, 50),
)
def test_the_two_sides_agree(body: bytes, answer: bytes, status: int, step: int) -> None:
    exchange, server = started(HttpRequest("POST", "/x", body=body)), HttpServer()
    data = exchange.data_to_send()
    for at in range(0, len(data), step):
        server.receive_data(data[at : at + step])
    request = server.next_request()
    assert request is not None
    assert request.body == body
    server.respond(HttpResponse(status, Headers(), answer))
    feed(exchange, server.data_to_send(), step)
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.body) == (status, answer)
    assert server.closing


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_nothing(data: bytes, prefix: bool) -> None:
    if prefix:
        data = b"HTTP/1.1 200 OK\r\n" + data
    exchange = feed(started(), data, 7)
    exchange.receive_eof()
    assert exchange.done
    server = HttpServer()
    server.receive_data(data.replace(b"HTTP/1.1 200 OK", b"GET / HTTP/1.1"))
    server.next_request()
