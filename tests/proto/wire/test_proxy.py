from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import ConnectError, LocalProtocolError
from spacetime_proto.wire.proxy import HttpConnect, ProxyTunnel, Socks5


def feed(tunnel: ProxyTunnel, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        tunnel.receive_data(data[at : at + step])


# --- HTTP CONNECT -----------------------------------------------------------------------------


def test_connect_asks_for_the_host() -> None:
    assert HttpConnect("db.example", 443).data_to_send() == (
        b"CONNECT db.example:443 HTTP/1.1\r\nHost: db.example:443\r\n\r\n"
    )
    assert HttpConnect("::1", 3000).data_to_send().startswith(b"CONNECT [::1]:3000 HTTP/1.1\r\n")


def test_connect_sends_basic_credentials() -> None:
    tunnel = HttpConnect("h", 1, username="Aladdin", password="open sesame")
    assert b"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in tunnel.data_to_send()
    assert b"Basic QTo=" in HttpConnect("h", 1, username="A").data_to_send()


@pytest.mark.parametrize("step", [1, 1000])
def test_connect_succeeds(step: int) -> None:
    tunnel = HttpConnect("h", 1)
    feed(tunnel, b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 Connection established\r\n\r\nxyz", step)
    assert tunnel.done
    assert tunnel.failure is None
    assert tunnel.leftover == b"xyz"
    tunnel.receive_eof()
    assert tunnel.failure is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Auth\r\n\r\n", "refused the user name and password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused a tunnel to h:1: 403 Forbidden"),
        (b"HTTP/1.1 502\r\n\r\n", "refused a tunnel to h:1: 502"),
        (b"\x05\x00\r\n\r\n", "did not answer in HTTP"),
    ],
)
def test_connect_fails(answer: bytes, words: str) -> None:
    tunnel = HttpConnect("h", 1, username="u", password="secret")
    tunnel.receive_data(answer)
    assert tunnel.done
    assert isinstance(tunnel.failure, ConnectError)
    assert words in str(tunnel.failure)
    assert tunnel.failure.is_transient is ("502" in words)


def test_connect_refuses_a_host_that_breaks_the_line() -> None:
    for host in ("a b", "a\r\nX: y", "\u00e9"):
        with pytest.raises(LocalProtocolError):
            HttpConnect(host, 1)


@pytest.mark.parametrize("tunnel", [HttpConnect("h", 1), Socks5("h", 1)])
def test_a_proxy_that_hangs_up(tunnel: ProxyTunnel) -> None:
    tunnel.receive_data(b"")
    assert not tunnel.done
    tunnel.receive_eof()
    assert "hung up" in str(tunnel.failure)
    assert tunnel.failure is not None and tunnel.failure.is_transient


# --- SOCKS 5 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("db.example", b"\x03\x0adb.example"),
        ("127.0.0.1", b"\x01\x7f\x00\x00\x01"),
        ("::1", b"\x04" + bytes(15) + b"\x01"),
    ],
)
@pytest.mark.parametrize(
    "bound", [b"\x01\0\0\0\0", b"\x04" + bytes(16), b"\x03\x02ab", b"\x03\x00"]
)
@pytest.mark.parametrize("step", [1, 1000])
def test_socks_without_credentials(host: str, address: bytes, bound: bytes, step: int) -> None:
    tunnel = Socks5(host, 3000)
    assert tunnel.data_to_send() == b"\x05\x01\x00"
    feed(tunnel, b"\x05\x00", step)
    assert tunnel.data_to_send() == b"\x05\x01\x00" + address + b"\x0b\xb8"
    feed(tunnel, b"\x05\x00\x00" + bound + b"\0\0xyz", step)
    assert tunnel.done
    assert tunnel.failure is None
    assert tunnel.leftover == b"xyz"


@pytest.mark.parametrize("step", [1, 1000])
def test_socks_with_credentials(step: int) -> None:
    tunnel = Socks5("h", 1, username="me", password="secret")
    assert tunnel.data_to_send() == b"\x05\x02\x00\x02"
    feed(tunnel, b"\x05\x02", step)
    assert tunnel.data_to_send() == b"\x01\x02me\x06secret"
    feed(tunnel, b"\x01\x00", step)
    assert tunnel.data_to_send().startswith(b"\x05\x01\x00\x03\x01h")
    assert not tunnel.done


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([b"\x04\x00"], "does not speak SOCKS 5"),
        ([b"\x05\x02"], "wants a user name"),
        ([b"\x05\xff"], "wants a user name"),
        ([b"\x05\x01"], "picked the method 1"),
        ([b"\x05\x00", b"\x05\x05\x00\x01\0\0\0\0\0\0"], "could not reach h:1: connection refused"),
        ([b"\x05\x00", b"\x05\x63"], "could not reach h:1: error 99"),
        ([b"\x05\x00", b"\x04\x00"], "could not reach h:1: not SOCKS 5"),
        ([b"\x05\x00", b"\x05\x00\x00\x07\x00"], "broke the SOCKS 5 protocol"),
    ],
)
def test_socks_fails(answers: list[bytes], words: str) -> None:
    tunnel = Socks5("h", 1)
    for answer in answers:
        tunnel.receive_data(answer)
    assert tunnel.done
    assert isinstance(tunnel.failure, ConnectError)
    assert words in str(tunnel.failure)
    assert tunnel.failure.is_transient is ("connection refused" in words)


def test_socks_refuses_credentials() -> None:
    tunnel = Socks5("h", 1, username="me", password="secret")
    tunnel.receive_data(b"\x05\x02\x01\x01")
    assert str(tunnel.failure) == "the proxy refused the user name and password"
    tunnel = Socks5("h", 1, username="me", password="secret")
    tunnel.receive_data(b"\x05\xff")
    assert "accepts no method" in str(tunnel.failure)


def test_socks_lengths() -> None:
    for make in (
        lambda: Socks5("", 1),
        lambda: Socks5("h" * 256, 1),
        lambda: Socks5("h", 1, username=""),
        lambda: Socks5("h", 1, username="u"),
        lambda: Socks5("h", 1, username="u", password="p" * 256),
    ):
        with pytest.raises(LocalProtocolError, match="1 to 255 bytes"):
            make()


@given(st.binary(max_size=60), st.integers(1, 9))
def test_random_bytes_raise_nothing(data: bytes, step: int) -> None:
    for tunnel in (Socks5("h", 1, username="u", password="p"), HttpConnect("h", 1)):
        feed(tunnel, data, step)
        tunnel.receive_eof()
        assert tunnel.done
