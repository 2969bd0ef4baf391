"""What only the blocking side does itself: the time limit and the race of addresses."""

from __future__ import annotations

import errno
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import ConnectError
from spacetime_transports.net.address import Address
from spacetime_transports.net.blocking_stream import open_socket

from .conftest import echo

if TYPE_CHECKING:
    from .conftest import Serve


def fake_lookup(monkeypatch: pytest.MonkeyPatch, *found: tuple[Any, Any]) -> None:
    infos = [(family, socket.SOCK_STREAM, 0, "", where) for family, where in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: infos)


@pytest.fixture
def full_port() -> Any:
    """A port whose backlog is full: connecting to it neither works nor fails."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


def test_a_slow_address_is_overtaken(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, full_port: int
) -> None:
    good = serve(echo)
    fake_lookup(
        monkeypatch,
        (socket.AF_INET, ("127.0.0.1", full_port)),
        (socket.AF_INET, ("127.0.0.1", good)),
    )
    with open_socket(Address("h", 1), timeout=10) as opened:
        assert opened.getpeername()[1] == good
        assert opened.gettimeout() is None
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_families_take_turns_and_bad_ones_are_skipped(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    good = serve(echo)
    fake_lookup(
        monkeypatch,
        (9999, ("::1", 1)),
        (9999, ("::1", 2)),
        (socket.AF_INET, ("255.255.255.255", 1)),
        (socket.AF_INET, ("127.0.0.1", good)),
    )
    with open_socket(Address("h", 1)) as opened:
        assert opened.getpeername()[1] == good


def test_the_first_failure_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_lookup(
        monkeypatch,
        (socket.AF_INET, ("255.255.255.255", 1)),
        (9999, ("::1", 1)),
    )
    with pytest.raises(ConnectError) as caught:
        open_socket(Address("h", 1))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno != errno.EAFNOSUPPORT


def test_the_limit_holds_while_connecting(full_port: int) -> None:
    with pytest.raises(ConnectError, match=r"did not accept the connection within 0\.2 s"):
        open_socket(Address("127.0.0.1", full_port), timeout=0.2)


@pytest.mark.parametrize("secure", [False, True])
def test_the_limit_holds_for_proxy_and_tls(serve: Serve, secure: bool) -> None:
    release = threading.Event()
    port = serve(lambda connection: release.wait(10) and None)
    proxy = None if secure else f"http://127.0.0.1:{port}"
    try:
        with pytest.raises(ConnectError, match="connect_timeout"):
            open_socket(Address("localhost", port, secure), proxy=proxy, timeout=0.2)
    finally:
        release.set()


def test_a_limit_that_is_over_at_once(serve: Serve) -> None:
    with pytest.raises(ConnectError, match="connect_timeout"):
        open_socket(Address("127.0.0.1", serve(echo)), timeout=1e-9)
