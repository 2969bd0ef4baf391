"""A TCP relay between clients and a server that cuts, splits and counts; also a small proxy."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Relay"]


class Relay:
    """Forwards connections to a server.

    Attributes:
        port: where it listens.
        url: the same as a URL.
        speaks: None to forward at once; ``"http"`` or ``"socks5"`` to be such a proxy.
        cut_after: reset a connection once that many bytes came from the server; None never does.
        piece: forward the server's bytes in pieces of at most this many.
        connections: how many connections there were.
        forwarded: how many bytes went from the server to clients.
        heard: how many bytes came from clients.
        is_deaf: drop what clients send from now on.
        dropped: set when that has happened.
        hides_ends: keep the server's side open when a client's has ended.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._target = (address.hostname, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.speaks: str | None = None
        self.cut_after: int | None = None
        self.piece = 65536
        self.connections = 0
        self.forwarded = 0
        self.heard = 0
        self.is_deaf = False
        self.dropped = threading.Event()
        self.hides_ends = False
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            _shut(end)
        for thread in self._threads:
            thread.join()

    def say(self, data: bytes) -> None:
        """Send bytes of its own to every client, while the server says nothing."""
        for client in list(self._clients):
            client.sendall(data)

    def lose_clients(self) -> None:
        """End every client's side without the server's hearing of it, as a dead network does."""
        self.hides_ends = True
        for client in list(self._clients):
            _shut(client)

    def _start(self, function: object, *args: object) -> threading.Thread:
        thread = threading.Thread(target=function, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            self._open.add(client)
            if self.speaks == "http":
                _answer_http(client)
            elif self.speaks == "socks5":
                _answer_socks5(client)
            with socket.create_connection(self._target) as server:
                self._open.add(server)
                self._clients.add(client)
                back = self._start(self._copy_back, server, client, self.cut_after)
                with contextlib.suppress(OSError):
                    while data := client.recv(65536):
                        self.heard += len(data)
                        if self.is_deaf:
                            self.dropped.set()
                        else:
                            server.sendall(data)
                self._clients.discard(client)
                if not self.hides_ends:
                    _shut(server)
                back.join()
                self._open.discard(server)
        self._open.discard(client)

    def _copy_back(
        self, server: socket.socket, client: socket.socket, cut_after: int | None
    ) -> None:
        left = cut_after
        with contextlib.suppress(OSError):
            while left != 0:
                most = self.piece if left is None else min(self.piece, left)
                data = server.recv(most)
                if not data:
                    break
                try:
                    client.sendall(data)
                except OSError:
                    if self.hides_ends:
                        continue
                    raise
                self.forwarded += len(data)
                if left is not None:
                    left -= len(data)
            if left == 0:
                # No farewell: a reset, as when a machine disappears.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _shut(client)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _answer_http(client: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(65536)
    assert request.startswith(b"CONNECT ")
    assert b"Proxy-Authorization: Basic" in request
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")


def _answer_socks5(client: socket.socket) -> None:
    version, count = _exactly(client, 2)
    methods = _exactly(client, count)
    assert version == 5 and 2 in methods
    client.sendall(b"\x05\x02")
    _, length = _exactly(client, 2)
    user = _exactly(client, length)
    password = _exactly(client, _exactly(client, 1)[0])
    assert (user, password) == (b"user", b"secret")
    client.sendall(b"\x01\x00")
    _, command, _, kind = _exactly(client, 4)
    assert command == 1
    size = {1: 4, 4: 16}.get(kind) or _exactly(client, 1)[0]
    _exactly(client, size + 2)
    client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")


def _exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data
