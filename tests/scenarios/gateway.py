"""A gateway in front of a server that sometimes answers for itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tests.scenarios.relay import Relay

if TYPE_CHECKING:
    import socket

__all__ = ["Gateway"]


class Gateway(Relay):
    """A relay that answers requests itself while it has `statuses` left.

    Attributes:
        statuses: what it answers next, one request each; without any it lets requests through.
        refused: how many requests it answered itself.
    """

    def __init__(self, url: str, *statuses: int) -> None:
        super().__init__(url)
        self.statuses = list(statuses)
        self.refused = 0

    def _serve(self, client: socket.socket) -> None:
        if not self.statuses:
            super()._serve(client)
            return
        status = HTTPStatus(self.statuses.pop(0))
        self.refused += 1
        with client:
            client.settimeout(10)
            request = b""
            while b"\r\n\r\n" not in request and (data := client.recv(65536)):
                request += data
            body = b"<html>the gateway says so</html>"
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/html\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            client.sendall(head.encode() + body)
