"""What `aio.open_stream` and `blocking.open_socket` do alike: each test runs on all three."""

from __future__ import annotations

import datetime
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import ConnectError, LocalProtocolError
from spacetime_transports.net.address import Address

from .conftest import echo

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from .conftest import Dial, Serve


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_plain_connection(dial: Dial, serve: Serve) -> None:
    assert dial(Address("127.0.0.1", serve(echo))) == b"hello"


def test_a_name_with_an_address_that_does_not_answer(dial: Dial, serve: Serve) -> None:
    # localhost is ::1 first on most machines, where nothing listens.
    assert dial(Address("localhost", serve(echo))) == b"hello"


def test_nobody_listens(dial: Dial, closed_port: int) -> None:
    with pytest.raises(ConnectError, match=rf"nothing listens at 127.0.0.1:{closed_port}"):
        dial(Address("127.0.0.1", closed_port))
    with pytest.raises(ConnectError, match=rf"nothing listens at localhost:{closed_port}"):
        dial(Address("localhost", closed_port))


@pytest.mark.parametrize("name", ["no-such-host.invalid", "x" * 70 + ".invalid"])
def test_a_name_that_does_not_exist(dial: Dial, name: str) -> None:
    with pytest.raises(ConnectError, match="cannot be resolved"):
        dial(Address(name, 1))


# --- TLS --------------------------------------------------------------------------------------


def test_tls(dial: Dial, serve_tls: Callable[..., int], trusting: ssl.SSLContext) -> None:
    address = Address("localhost", serve_tls(), secure=True)
    assert dial(address, ssl_context=trusting) == b"hello"


def test_tls_verifies_by_default(dial: Dial, serve_tls: Callable[..., int]) -> None:
    with pytest.raises(ConnectError, match=r"certificate of localhost:\d+ was not accepted"):
        dial(Address("localhost", serve_tls(), secure=True))


def test_tls_checks_the_name(
    dial: Dial, serve_tls: Callable[..., int], trusting: ssl.SSLContext
) -> None:
    address = Address("localhost", serve_tls("other.example"), secure=True)
    with pytest.raises(ConnectError, match=r"[Hh]ostname mismatch"):
        dial(address, ssl_context=trusting)


def test_tls_checks_the_date(
    dial: Dial, serve_tls: Callable[..., int], trusting: ssl.SSLContext
) -> None:
    long_ago = datetime.datetime(2001, 1, 1)
    address = Address("localhost", serve_tls(not_after=long_ago), secure=True)
    with pytest.raises(ConnectError, match="expired"):
        dial(address, ssl_context=trusting)


def test_tls_with_a_plain_server(dial: Dial, serve: Serve) -> None:
    def answer_in_http(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ConnectError, match="does not speak TLS; use an http:// address"):
        dial(Address("localhost", serve(answer_in_http), secure=True))


def test_tls_with_a_server_that_hangs_up(dial: Dial, serve: Serve) -> None:
    with pytest.raises(ConnectError, match="hung up during the TLS handshake"):
        dial(Address("localhost", serve(lambda connection: None), secure=True))


# --- proxies ----------------------------------------------------------------------------------


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += connection.recv(1000)
    return data


def http_proxy(connection: socket.socket) -> None:
    head = read_until(connection, b"\r\n\r\n")
    if b"Proxy-Authorization: Basic bWU6cGFzcw==" not in head:
        connection.sendall(b"HTTP/1.1 407 Who?\r\n\r\n")
        return
    host, _, port = head.split()[1].decode().rpartition(":")
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    time.sleep(0.05)  # so that the answer comes in two pieces
    connection.sendall(b"\r\n")
    pipe(connection, host, int(port))


def socks_proxy(connection: socket.socket) -> None:
    read_until(connection, b"\x05\x01\x00")
    connection.sendall(b"\x05\x00")
    head = connection.recv(1000)
    assert head[:4] == b"\x05\x01\x00\x03"  # the name is left to the proxy
    host, port = head[5 : 5 + head[4]].decode(), int.from_bytes(head[-2:], "big")
    connection.sendall(b"\x05\x00\x00\x01\0\0\0\0\0\0")
    pipe(connection, host, port)


def pipe(connection: socket.socket, host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=10) as far:

        def back() -> None:
            try:
                while data := far.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

        thread = threading.Thread(target=back)
        thread.start()
        try:
            while data := connection.recv(65536):
                far.sendall(data)
        finally:
            far.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_an_http_proxy(dial: Dial, serve: Serve) -> None:
    proxy = f"http://me:pass@127.0.0.1:{serve(http_proxy)}"
    assert dial(Address("localhost", serve(echo)), proxy=proxy) == b"hello"


def test_a_socks_proxy(dial: Dial, serve: Serve) -> None:
    proxy = f"socks5://127.0.0.1:{serve(socks_proxy)}"
    assert dial(Address("localhost", serve(echo)), proxy=proxy) == b"hello"


def test_tls_through_a_proxy(
    dial: Dial, serve: Serve, serve_tls: Callable[..., int], trusting: ssl.SSLContext
) -> None:
    proxy = f"socks5h://127.0.0.1:{serve(socks_proxy)}"
    address = Address("localhost", serve_tls(), secure=True)
    assert dial(address, proxy=proxy, ssl_context=trusting) == b"hello"


def test_a_proxy_that_refuses(dial: Dial, serve: Serve) -> None:
    port = serve(http_proxy)
    with pytest.raises(ConnectError, match="refused the user name") as caught:
        dial(Address("localhost", 1), proxy=f"http://me:secret@127.0.0.1:{port}")
    assert "secret" not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_a_proxy_that_is_not_there(dial: Dial, closed_port: int) -> None:
    with pytest.raises(
        ConnectError, match=rf"nothing listens at the proxy 127.0.0.1:{closed_port}"
    ):
        dial(Address("localhost", 1), proxy=f"http://127.0.0.1:{closed_port}")


def test_a_proxy_that_hangs_up(dial: Dial, serve: Serve) -> None:
    with pytest.raises(ConnectError, match="hung up before the tunnel stood"):
        dial(Address("localhost", 1), proxy=f"socks5://127.0.0.1:{serve(lambda c: None)}")


def test_a_proxy_that_talks_into_the_tunnel(dial: Dial, serve: Serve) -> None:
    def intruder(connection: socket.socket) -> None:
        read_until(connection, b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Trust me\r\n\r\n")

    with pytest.raises(ConnectError, match="data of its own"):
        dial(Address("localhost", 1), proxy=f"http://127.0.0.1:{serve(intruder)}")


def test_a_proxy_url_that_is_none(dial: Dial) -> None:
    with pytest.raises(LocalProtocolError, match="the proxy"):
        dial(Address("localhost", 1), proxy="ftp://x")
