"""Both HTTP clients against a small server in a thread: each test runs on all three."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import struct
import sys
import threading
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
from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse
from spacetime_transports.http import AsyncHttpClient, HttpClient
from spacetime_transports.net.address import parse_host
from spacetime_transports.net.route import Route
from spacetime_transports.token_sources import InsecureTokenWarning, TokenFile
from tests.support.golden import schema_text
from tests.support.mock_http import MockServer, mock_server
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Handler = Callable[[HttpRequest], HttpResponse | bytes]

HEX = "c2" * 32


@pytest.fixture
def server() -> Iterator[MockServer]:
    with mock_server() as mock:
        yield mock


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


def test_a_server_that_knows_no_schema_of_version_10(call: Caller, server: MockServer) -> None:
    """One of SpacetimeDB 1.x; any other refusal is one."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.target.endswith("version=10"):
            return HttpResponse(400, body=b"unknown variant `10`, expected `9`")
        return HttpResponse(200, body=schema_text("quickstart-chat", 9).encode())

    server.handler = answer
    tables = call(server.url, "schema", "x").tables
    assert [table.name for table in tables] == ["message", "user"]
    server.handler = lambda request: HttpResponse(400, body=b"no")
    with pytest.raises(HttpError, match="no"):
        call(server.url, "schema", "x")


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
    with pytest.raises(CallTimeout, match=r"no answer within 2 s"):
        call(server.url, "ping", options={"timeout": 2})


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"]
)
def test_a_deadline_wins_over_bytes_that_keep_coming(
    call: Caller, server: MockServer, start: bytes
) -> None:
    def dribble(connection: socket.socket) -> None:
        connection.sendall(start or b"HTTP/1.1 ")
        while not server.hold.wait(0.02):
            connection.sendall(b"1")

    server._serve = dribble  # type: ignore[method-assign]
    with pytest.raises(CallTimeout, match=r"GET /v1/ping of .*: no answer within 0\.3 s"):
        call(server.url, "ping", options={"timeout": 0.3})


def test_the_time_limit_is_for_all_requests_of_a_method_together(
    call: Caller, server: MockServer
) -> None:
    def slow(request: HttpRequest) -> HttpResponse:
        server.hold.wait(0.7)  # less than the limit each time, and more than it together
        if "version=9" in request.target:
            return HttpResponse(200, body=schema_text("quickstart-chat", 9).encode())
        return HttpResponse(400, body=b"unknown variant `10`, expected `9`")

    server.handler = slow
    with pytest.raises(CallTimeout, match="no answer within 1 s"):
        call(server.url, "schema", "x", options={"timeout": 1})


def test_the_time_limit_is_for_an_async_token_callable_too(server: MockServer) -> None:
    async def token() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    async def run() -> None:
        await AsyncHttpClient(server.url, token=token, timeout=0.2).ping()

    for backend in ("asyncio", "trio"):
        with pytest.raises(CallTimeout, match=r"token callable .* did not return within 0\.2 s"):
            anyio.run(run, backend=backend)
    assert server.requests == []


def test_a_name_that_is_not_resolved_in_time(
    server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def slow(host: str | bytes, *args: Any, **options: Any) -> Any:
        flags = options.get("flags", args[4] if len(args) > 4 else 0)
        if host in ("slow.test", b"slow.test") and not flags & socket.AI_NUMERICHOST:
            server.hold.wait(PATIENCE)
        return resolve(host, *args, **options)

    async def in_time() -> None:
        with pytest.raises(ConnectError, match=said):
            await AsyncHttpClient("slow.test:1", timeout=0.2).ping()
        # The end of an asyncio program waits for the thread that looks the name up.
        server.hold.set()

    said = r"slow\.test:1 did not accept the connection within 0\.2 s \(option timeout\)"
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(ConnectError, match=said):
        HttpClient("slow.test:1", timeout=0.2).ping()
    for backend in ("trio", "asyncio"):
        server.hold.clear()
        anyio.run(in_time, backend=backend)


def test_a_kernel_s_timeout_is_no_time_limit(
    server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ETIMEDOUT: the other side is gone. It is a `TimeoutError` like the one of our own limit."""

    def gone(*args: object) -> bytes:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    for method in ("recv", "sendall"):
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, method, gone)
            with pytest.raises(Disconnected, match="the connection broke") as caught:
                HttpClient(server.url, timeout=None).ping()
        assert isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (429, "too many requests"),
        (502, "a gateway in front of the server cannot reach it"),
        (503, "it is not there now"),
        (504, "a gateway in front of the server waited for it in vain"),
    ],
)
def test_what_a_gateway_says(call: Caller, server: MockServer, status: int, words: str) -> None:
    page = b"<html>\n<head><title>Bad</title></head></html>"
    server.handler = lambda request: HttpResponse(status, Headers({"Retry-After": "7"}), page)
    asked: list[tuple[str, *tuple[Any, ...]]] = [
        ("ping",), ("sql", "x", "SELECT 1"), ("call", "x", "f"), ("schema", "x"),
    ]  # fmt: skip
    for method, *args in asked:
        with pytest.raises(HttpError, match=words) as caught:
            call(server.url, method, *args)
        assert caught.value.status == status
        assert "html" not in str(caught.value)
        assert "try again in 7 s" in str(caught.value)


def test_one_client_in_many_threads(server: MockServer) -> None:
    client = HttpClient(server.url)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            client.ping()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert (failures, len(server.requests)) == ([], 8)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_a_wait_at_once(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def slow(host: str, *args: Any, **options: Any) -> Any:
        if host == "slow.test" and not options.get("flags"):
            interrupt()
            server.hold.wait(PATIENCE)
        return resolve(host, *args, **options)

    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def silent(request: HttpRequest) -> bytes:
        threading.Timer(0.1, interrupt).start()
        return b"HTTP/1.1 200 OK\r\n..."

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        server.handler = silent
        with pytest.raises(KeyboardInterrupt):
            HttpClient(server.url, timeout=None).ping()
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with pytest.raises(KeyboardInterrupt):
            HttpClient("slow.test:1", timeout=None).ping()
    finally:
        signal.signal(signal.SIGINT, previous)


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


def test_a_large_upload_that_nobody_takes(call: Caller, server: MockServer) -> None:
    server._serve = lambda connection: server.hold.wait(PATIENCE)  # type: ignore[method-assign]
    with pytest.raises(CallTimeout, match=r"no answer within 2 s"):
        call(server.url, "publish", "x", bytes(64 << 20), options={"timeout": 2})
    server.hold.set()


@pytest.mark.skipif(sys.platform == "win32", reason="a reset by SO_LINGER is one of POSIX sockets")
def test_a_connection_that_is_reset(call: Caller, server: MockServer) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server._serve = reset  # type: ignore[method-assign]
    with pytest.raises(Disconnected, match=r"GET /v1/ping of 127\.0\.0\.1.*the connection broke"):
        call(server.url, "ping")


def test_many_logs_come_in_many_pieces(call: Caller, server: MockServer) -> None:
    line = b'{"message":"%s"}\n' % (b"x" * 1000)
    server.handler = lambda request: HttpResponse(200, body=line * 500)
    assert len(call.logs(server.url, None)) == 500


def test_a_way_does_not_show_the_proxy_s_password() -> None:
    route = Route(parse_host("http://host"), proxy="http://user:secret@proxy")
    assert "secret" not in repr(route)


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
