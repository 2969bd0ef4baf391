"""The non-blocking socket of a blocking client, as far as no scenario comes there."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from spacetime_transports.blocking.socket_stream import SocketStream, Wakeup

SIZE = 1000


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return two sockets that are connected with each other."""
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()


def test_who_wants_what_had_arrived_stops_after_a_short_read(
    ends: tuple[socket.socket, socket.socket], wakeup: Wakeup
) -> None:
    stream = SocketStream(ends[0], wakeup)
    left = stream.left_to_read(1 << 62, SIZE, SIZE)
    assert left > 1  # there may be more
    left = stream.left_to_read(left, SIZE, SIZE - 1)
    assert left == 1  # only the end may be left
    assert stream.left_to_read(left, SIZE, SIZE - 1) == 0
    assert stream.left_to_read(left, SIZE, SIZE) <= 0
    stream.close()


def test_a_tls_socket_gives_pieces_so_only_the_buffer_of_the_system_is_a_limit(
    ends: tuple[socket.socket, socket.socket], wakeup: Wakeup
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    wrapped = context.wrap_socket(ends[0], do_handshake_on_connect=False)
    stream = SocketStream(wrapped, wakeup)
    left, reads = 1 << 62, 0
    while left > 0:
        left = stream.left_to_read(left, SIZE, SIZE // 2)
        reads += 1
    buffer = wrapped.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert buffer / (SIZE // 2) <= reads <= buffer / (SIZE // 2) + 1
    stream.close()


def test_an_end_that_was_met_before_is_told_again(
    ends: tuple[socket.socket, socket.socket], wakeup: Wakeup
) -> None:
    stream = SocketStream(ends[0], wakeup)
    assert stream.receive(SIZE) is None
    stream.keep_end(None)
    assert stream.receive(SIZE) == stream.receive(SIZE) == b""
    stream.keep_end(OSError("gone"))
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            stream.receive(SIZE)
    stream.close()
