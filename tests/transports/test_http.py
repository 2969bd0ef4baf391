"""Both HTTP clients against a small server in a thread: each test runs on all three."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.errors import (
    AuthError,
    CallTimeout,
    ConnectError,
    Disconnected,
    HttpError,
    LocalProtocolError,
    ProtocolError,
    QueryError,
)
from spacetime_proto.types import Identity
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse, HttpServer
from spacetime_transports.http import AsyncHttpClient, HttpClient
from spacetime_transports.options import InsecureTokenWarning, TokenFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Handler = Callable[[HttpRequest], HttpResponse | bytes]

HEX = "c2" * 32
GOLDEN = Path(__file__).parent.parent / "golden" / "schema"


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


@pytest.fixture
def server() -> Iterator[MockServer]:
    mock = MockServer()
    yield mock
    mock.close()


class Caller:
    """Runs one method of a client in one colour."""

    def __init__(self, colour: str) -> None:
        self.colour = colour

    def __call__(self, url: str, method: str, *args: Any, options: Any = None, **named: Any) -> Any:
        if self.colour == "blocking":
            with HttpClient(url, **(options or {})) as client:
                return getattr(client, method)(*args, **named)

        async def run() -> Any:
            async with AsyncHttpClient(url, **(options or {})) as client:
                return await getattr(client, method)(*args, **named)

        return anyio.run(run, backend=self.colour)

    def logs(self, url: str, count: int | None, **named: Any) -> list[Any]:
        """Take `count` entries and leave, or all of them."""
        entries: list[Any] = []
        if self.colour == "blocking":
            with contextlib.closing(HttpClient(url).logs("x", **named)) as lines:
                for entry in lines:
                    entries.append(entry)
                    if len(entries) == count:
                        break
            return entries

        async def run() -> None:
            async with contextlib.aclosing(AsyncHttpClient(url).logs("x", **named)) as lines:
                async for entry in lines:
                    entries.append(entry)
                    if len(entries) == count:
                        break

        anyio.run(run, backend=self.colour)
        return entries


@pytest.fixture(params=["blocking", "asyncio", "trio"])
def call(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


def as_json(value: Any, status: int = 200) -> Handler:
    return lambda request: HttpResponse(status, body=json.dumps(value).encode())


def test_every_method_asks_its_question(call: Caller, server: MockServer) -> None:
    asked = []
    published = {"Success": {"domain": "x", "database_identity": HEX, "op": "updated"}}
    row = [{"schema": {"elements": []}, "rows": []}]
    for method, args, named, answer in (
        ("ping", (), {}, ""),
        ("identity", (), {}, {"identity": HEX, "token": "t"}),
        ("websocket_token", (), {}, {"token": "t"}),
        ("names", ("x",), {}, {"names": ["x"]}),
        ("schema", ("x",), {"version": 10}, {"sections": []}),
        ("sql", ("x", "SELECT 1"), {"confirmed": False}, row),
        ("call", ("x", "f", [1]), {}, 5),
        ("publish", ("x", b"\0asm"), {"clear": True}, published),
        ("delete", ("x",), {}, ""),
    ):
        server.handler = as_json(answer)
        call(server.url, method, *args, **named)
        asked.append(f"{server.requests[-1].method} {server.requests[-1].target}")
    server.handler = lambda request: HttpResponse(200, body=HEX.encode())
    assert call(server.url, "database_identity", "x") == Identity.from_hex(HEX)
    assert asked == [
        "GET /v1/ping",
        "POST /v1/identity",
        "POST /v1/identity/websocket-token",
        "GET /v1/database/x/names",
        "GET /v1/database/x/schema?version=10",
        "POST /v1/database/x/sql?confirmed=false",
        "POST /v1/database/x/call/f",
        "PUT /v1/database/x?clear=true",
        "DELETE /v1/database/x",
    ]


def test_a_server_that_knows_no_version_10(call: Caller, server: MockServer) -> None:
    """It is asked for version 9 then; any other refusal stands."""
    old = (GOLDEN / "quickstart-chat.v9.json").read_bytes()

    def answer(request: HttpRequest) -> HttpResponse:
        if request.query == "version=9":
            return HttpResponse(200, Headers(), old)
        return HttpResponse(400, Headers(), b"unknown version `10`, expected `9`")

    server.handler = answer
    assert [table.name for table in call(server.url, "schema", "chat").tables] == [
        "message",
        "user",
    ]
    assert [request.query for request in server.requests] == ["version=10", "version=9"]
    server.handler = lambda request: HttpResponse(400, Headers(), b"no")
    with pytest.raises(HttpError):
        call(server.url, "schema", "chat")


def test_prefix_token_and_headers_travel(call: Caller, server: MockServer) -> None:
    options = {"token": "abc", "headers": {"X-Tenant": "7"}}
    call(f"{server.url}/some/prefix/", "ping", options=options)
    request = server.requests[0]
    assert request.target == "/some/prefix/v1/ping"
    assert request.headers.get("authorization") == "Bearer abc"
    assert request.headers.get("x-tenant") == "7"
    assert request.headers.get("host") == server.url.removeprefix("http://")
    assert request.headers.get("connection") == "close"


def test_tokens_from_files_and_callables(call: Caller, server: MockServer, tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token")
    call(server.url, "ping", options={"token": file})
    file.save("kept")
    call(server.url, "ping", options={"token": file})
    call(server.url, "ping", options={"token": lambda: "called"})
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [None, "Bearer kept", "Bearer called"]


def test_an_async_token_callable(call: Caller, server: MockServer) -> None:
    async def token() -> str:
        return "async"

    if call.colour == "blocking":
        with pytest.raises(LocalProtocolError, match="AsyncHttpClient"):
            call(server.url, "ping", options={"token": token})
    else:
        call(server.url, "ping", options={"token": token})
        assert server.requests[0].headers.get("authorization") == "Bearer async"


def test_errors_carry_the_servers_words(call: Caller, server: MockServer) -> None:
    server.handler = lambda request: HttpResponse(401, body=b"Invalid token: ExpiredSignature")
    with pytest.raises(AuthError, match="ExpiredSignature") as caught:
        call(server.url, "names", "x", options={"token": "secret"})
    assert caught.value.status == 401
    assert "secret" not in str(caught.value)
    server.handler = lambda request: HttpResponse(400, body=b"no such table: `y`")
    with pytest.raises(QueryError, match="no such table: `y`"):
        call(server.url, "sql", "x", "SELECT * FROM y")


def test_nobody_there(call: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match="nothing listens"):
        call(f"http://127.0.0.1:{port}", "ping")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Disconnected),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Disconnected),
        (b"SSH-2.0-x\r\n\r\n", ProtocolError),
    ],
)
def test_broken_answers(
    call: Caller, server: MockServer, answer: bytes, kind: type[Exception]
) -> None:
    server.handler = lambda request: answer
    with pytest.raises(kind, match=r"GET /v1/ping of 127\.0\.0\.1"):
        call(server.url, "ping")


def test_an_answer_that_does_not_come(call: Caller, server: MockServer) -> None:
    server.handler = lambda request: b"HTTP/1.1 200 OK\r\n..."
    with pytest.raises(CallTimeout, match=r"no answer within 0\.2 s"):
        call(server.url, "ping", options={"timeout": 0.2})


def test_a_connection_that_is_not_accepted_in_time(call: Caller, server: MockServer) -> None:
    with pytest.raises((ConnectError, CallTimeout)):
        call(server.url, "ping", options={"timeout": 1e-9})


def test_a_large_upload_that_is_refused_early(call: Caller, server: MockServer) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too large\r\ncontent-length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    server._serve = refuse  # type: ignore[method-assign]
    with pytest.raises(Exception, match="413"):
        call(server.url, "publish", "x", bytes(8 << 20))


def test_logs_end_with_the_answer(call: Caller, server: MockServer) -> None:
    server.handler = lambda request: HttpResponse(200, body=b'{"message":"a"}\n{"message":"b"}\n')
    assert call.logs(server.url, None, num_lines=2) == [{"message": "a"}, {"message": "b"}]
    assert server.requests[0].target == "/v1/database/x/logs?num_lines=2"


def test_followed_logs_come_as_they_are_written(call: Caller, server: MockServer) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    server.handler = lambda request: head + b'10\r\n{"message":"a"}\n\r\n3\r\n...'
    assert call.logs(server.url, 1, follow=True) == [{"message": "a"}]
    server.hold.set()


def test_logs_that_are_refused(call: Caller, server: MockServer) -> None:
    server.handler = lambda request: HttpResponse(403, body=b"not the owner")
    with pytest.raises(AuthError, match="not the owner"):
        call.logs(server.url, None)


def test_options_are_checked_at_once() -> None:
    for client in (HttpClient, AsyncHttpClient):
        for timeout in (0, -1, float("nan"), float("inf"), True, "5"):
            with pytest.raises(LocalProtocolError, match=f"timeout must be .* not {timeout!r}"):
                client("http://h", timeout=timeout)  # type: ignore[arg-type]
        assert client("http://h", timeout=None)
        with pytest.raises(LocalProtocolError, match="token must be"):
            client("http://h", token=5)  # type: ignore[arg-type]
        with pytest.raises(LocalProtocolError, match="headers must be"):
            client("http://h", headers=5)  # type: ignore[arg-type]
        with pytest.raises(LocalProtocolError, match="the proxy"):
            client("http://h", proxy="x")
        with pytest.raises(LocalProtocolError, match="X-A"):
            client("http://h", headers={"X-A": "a\r\nb"})
        assert repr(client("http://h", token="secret")) == f"{client.__name__}('http://h')"


def test_a_token_in_the_clear_is_warned_about(call: Caller) -> None:
    with pytest.warns(InsecureTokenWarning), pytest.raises(ConnectError):
        call("http://no-such-host.invalid", "ping", options={"token": "secret"})


def test_a_token_that_no_header_can_carry(call: Caller, server: MockServer) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        call(server.url, "ping", options={"token": "se\ncret"})
    assert "cret" not in str(caught.value)


def test_headers_that_the_client_sets_itself(call: Caller, server: MockServer) -> None:
    with pytest.raises(LocalProtocolError, match="header host"):
        call(server.url, "ping", options={"headers": Headers({"Host": "x"})})
