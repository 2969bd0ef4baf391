"""An HTTP server that answers what a test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse, HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Handler = Callable[[HttpRequest], HttpResponse | bytes]

__all__ = ["MockServer", "mock_server"]


class MockServer:
    """Answers one request per connection with what `handler` returns: a response, or raw bytes."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.handler: Handler = lambda request: HttpResponse(200)
        self.hold = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = False
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _loop(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(OSError):
                if self._stopping:
                    return
                connection.settimeout(10)
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        machine = HttpServer(body_size=1 << 30)
        request = None
        while request is None:
            data = connection.recv(65536)
            if not data:
                return
            machine.receive_data(data)
            request = machine.next_request()
        self.requests.append(request)
        answer = self.handler(request)
        if isinstance(answer, HttpResponse):
            machine.respond(answer)
            answer = machine.data_to_send()
        connection.sendall(answer)
        if answer.endswith(b"..."):
            self.hold.wait(10)

    def close(self) -> None:
        self._stopping = True
        self.hold.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(10)
        self._listener.close()


@contextlib.contextmanager
def mock_server(handler: Handler = lambda request: HttpResponse(200)) -> Iterator[MockServer]:
    """Serve while the block runs."""
    mock = MockServer()
    mock.handler = handler
    try:
        yield mock
    finally:
        mock.close()
