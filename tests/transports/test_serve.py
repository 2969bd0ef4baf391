"""`serve`: the embedded server on real sockets, on asyncio and trio, and in a thread."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import pytest
import trustme

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.messages import v2
from spacetime_proto.messages.payloads import decode_server_payload
from spacetime_proto.protocols import V2_BSATN
from spacetime_proto.server import U64, Context, Database, Faults, Module, column
from spacetime_proto.types import ScheduleAt, TimeDuration
from spacetime_proto.wire.http_exchange import HttpExchange, HttpRequest, HttpResponse
from spacetime_proto.wire.websocket import ClientWebSocket, State
from spacetime_transports.server import Server, serve, serve_in_thread
from spacetime_transports.server.authority import Es256Authority
from spacetime_transports.server.chat_module import module as chat
from tests.support.patience import PATIENCE
from tests.support.processes import ended

pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])

USERS = "SELECT * FROM user"


def run(backend: str, main: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with anyio.fail_after(PATIENCE):
            await main()

    anyio.run(limited, backend=backend)


class Peer:
    """A client made of the client's own machine and a TCP stream."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self.stream = stream
        self.machine = ClientWebSocket(entropy=os.urandom, keepalive=None)

    async def open(self, token: str | None = None) -> None:
        self.machine.start(
            time.monotonic(),
            host_header="test",
            target="/v1/database/chat/subscribe?compression=Gzip",
            subprotocols=("v2.bsatn.spacetimedb",),
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
        )
        await self.flush()
        while self.machine.state is State.CONNECTING:
            await self.read()

    async def flush(self) -> None:
        await self.stream.send(self.machine.data_to_send())

    async def read(self) -> bool:
        """Take some bytes; False at the end."""
        try:
            self.machine.receive_data(await self.stream.receive(), time.monotonic())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.machine.receive_eof(time.monotonic())
            return False
        return True

    async def take(self) -> Any:
        """Return the next message."""
        while True:
            for payload in self.machine.messages():
                [message] = decode_server_payload(V2_BSATN, payload)
                return message
            assert await self.read(), self.machine.failure

    async def send(self, message: Any) -> None:
        self.machine.send(v2.encode_client(message))
        await self.flush()


@asynccontextmanager
async def peer(server: Server, token: str | None = None) -> AsyncIterator[Peer]:
    async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
        made = Peer(stream)
        await made.open(token)
        yield made


async def ask(server: Server, method: str, target: str, **headers: str) -> HttpResponse:
    exchange = HttpExchange()
    exchange.start(HttpRequest(method, target, headers), host_header="x")  # type: ignore[arg-type]
    async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
        await stream.send(exchange.data_to_send())
        while not exchange.done:
            try:
                exchange.receive_data(await stream.receive())
            except anyio.EndOfStream:
                exchange.receive_eof()
    assert exchange.response is not None, exchange.failure
    return exchange.response


def test_http_and_websocket_on_one_port(backend: str) -> None:
    async def main() -> None:
        async with serve(chat, database="chat") as server:
            assert server.url == f"http://127.0.0.1:{server.port}"
            assert (await ask(server, "GET", "/v1/ping")).status == 200
            made = json.loads((await ask(server, "POST", "/v1/identity")).body)
            async with peer(server, made["token"]) as client:
                first = await client.take()
                assert (first.identity.to_hex(), first.token) == (made["identity"], made["token"])
                await client.send(v2.Subscribe(1, 1, (USERS,)))
                assert len((await client.take()).rows[0].rows) == 1
                assert server.connections == 1

    run(backend, main)


def test_one_clients_doings_reach_another(backend: str) -> None:
    async def main() -> None:
        async with serve(chat, database="chat") as server, peer(server) as one:
            await one.take()
            await one.send(v2.Subscribe(1, 1, (USERS,)))
            await one.take()
            async with peer(server) as two:
                await two.take()
                assert isinstance(await one.take(), v2.TransactionUpdate)
            gone = await one.take()
            [rows] = gone.query_sets[0].tables[0].rows
            assert (len(rows.inserts), len(rows.deletes)) == (1, 1)

    run(backend, main)


def test_the_end_is_announced_and_quick(backend: str) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            ready, over = anyio.Event(), anyio.Event()
            servers: list[Server] = []

            async def host() -> None:
                async with serve(chat, database="chat") as server:
                    servers.append(server)
                    ready.set()
                    await over.wait()

            tasks.start_soon(host)
            await ready.wait()
            async with (
                peer(servers[0]) as client,
                await anyio.connect_tcp("127.0.0.1", servers[0].port),  # says nothing
            ):
                await client.take()
                over.set()
                while await client.read():
                    pass
                assert client.machine.close_code == 1001
                assert client.machine.close_reason == "module exited"

    run(backend, main)


def test_connections_can_be_cut(backend: str) -> None:
    async def main() -> None:
        async with serve(chat, database="chat") as server:
            await server.drop_connections()
            async with peer(server) as client:
                await client.take()
                await server.drop_connections()
                while await client.read():
                    pass
                assert client.machine.close_code is None
                assert server.connections == 0

    run(backend, main)


def test_a_database_outlives_its_server(backend: str) -> None:
    async def main() -> None:
        authority = Es256Authority()
        async with serve(chat, database="chat", authority=authority) as server, peer(server) as one:
            token = (await one.take()).token
            port = server.port
        kept: Database = server.database
        async with serve(kept, port=port, authority=authority) as server:
            assert server.port == port
            async with peer(server, token) as again:
                assert (await again.take()).token == token
                await again.send(v2.Subscribe(1, 1, (USERS,)))
                assert len((await again.take()).rows[0].rows) == 1

    run(backend, main)


def test_schedules_run_without_anybody_asking(backend: str) -> None:
    module = Module()

    @module.table(scheduled="tick")
    class Timer:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt

    ticked: list[anyio.Event] = []

    @module.init
    def start(ctx: Context) -> None:
        soon = ScheduleAt.Time(ctx.timestamp + TimeDuration(20_000))
        ctx.db.timer.insert(Timer(id=0, at=soon))

    @module.reducer
    def tick(ctx: Context, timer: Timer) -> None:
        ticked[0].set()

    async def main() -> None:
        ticked.append(anyio.Event())
        async with serve(module, database="chat"):
            await ticked[0].wait()

    run(backend, main)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", -1),
        ("port", 65536),
        ("port", True),
        ("port", 1.5),
        ("database", ""),
        ("database", 5),
    ],
)
def test_options_without_meaning_are_refused(backend: str, option: str, value: Any) -> None:
    async def main() -> None:
        with pytest.raises(LocalProtocolError, match=f"{option} must be .*, not {value!r}"):
            async with serve(chat, **{option: value}):
                pass

    run(backend, main)


def test_faults_of_a_database_that_goes_on(backend: str) -> None:
    """They are those of the new server, or the database's own where it is given none."""

    async def main() -> None:
        async with serve(chat, database="chat", faults=Faults(always_offsets=True)) as first:
            pass
        async with serve(first.database) as second:
            assert second.faults.always_offsets
        async with serve(first.database, faults=Faults()) as third:
            assert not third.faults.always_offsets

    run(backend, main)


def test_faults_are_the_databases(backend: str) -> None:
    async def main() -> None:
        faults = Faults(drop_before_first_message=True)
        async with serve(chat, database="chat", faults=faults) as server:
            assert server.faults is faults
            async with peer(server) as client:
                assert not await client.read()
                assert client.machine.close_code is None

    run(backend, main)


def test_tls(backend: str) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def main() -> None:
        async with serve(chat, database="chat", ssl_context=context) as server:
            assert server.url.startswith("https://")
            with pytest.raises((ssl.SSLError, OSError)):
                await anyio.connect_tcp("localhost", server.port, tls=True)
            async with await anyio.connect_tcp(
                "localhost", server.port, ssl_context=trusting, tls_standard_compatible=False
            ) as stream:
                await stream.send(b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 200")

    run(backend, main)


def test_a_slow_reader_does_not_hold_up_the_others(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacetime_proto.server.front.server_connection._OUTGOING_QUEUE", 20)

    async def main() -> None:
        async with (
            serve(chat, database="chat") as server,
            peer(server) as slow,
            peer(server) as one,
        ):
            await slow.take()
            await slow.send(v2.Subscribe(1, 1, ("SELECT * FROM message",)))
            await slow.take()
            await one.take()
            text = os.urandom(150_000).hex().encode()
            call = v2.CallReducer(2, "send_message", len(text).to_bytes(4, "little") + text)
            while server.connections == 2:
                await one.send(call)
                await one.take()

    run(backend, main)


def test_verbose_reports_connections_and_panics_are_shown(
    backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = Module()

    @module.client_connected
    def hello(ctx: Context) -> None:
        raise ZeroDivisionError("oops")

    async def main() -> None:
        async with serve(module, database="chat", verbose=True) as server, peer(server) as client:
            assert not await client.read()

    run(backend, main)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "connected" in captured.err
    assert "gone" in captured.err
    assert "ZeroDivisionError: oops" in captured.err


def test_a_server_in_a_thread(backend: str) -> None:
    with serve_in_thread(chat, database="chat", backend=backend) as server:
        assert server.call(lambda: server.server.connections) == 0
        assert server.faults is server.server.faults

        async def main() -> None:
            async with peer(server.server) as client:
                await client.take()
                await anyio.to_thread.run_sync(server.drop_connections)
                assert not await client.read()

        run(backend, main)


class Interrupt(BaseException):
    """What KeyboardInterrupt and the outcomes of pytest are: no Exception."""


def test_what_the_block_raises_is_not_wrapped(backend: str) -> None:
    for kind in (ValueError, Interrupt):
        with pytest.raises(kind), serve_in_thread(chat, backend=backend):
            raise kind

        async def main(kind: type[BaseException] = kind) -> None:
            with pytest.raises(kind):
                async with serve(chat, port=0):
                    raise kind

        run(backend, main)


def test_a_server_can_be_cancelled(backend: str) -> None:
    async def main() -> None:
        with anyio.move_on_after(0.05) as scope:
            async with serve(chat, port=0):
                await anyio.sleep_forever()
        assert scope.cancelled_caught

    run(backend, main)


PROGRAM = """
import sys
import anyio
from spacetime_transports.server.chat_module import module
from spacetime_transports.server import serve_forever

async def main():
    await serve_forever(module, port=0, database="chat")

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_server_soon(backend: str, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with ended(process):
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        out, err = process.communicate(timeout=14)  # less than any of the server's own deadlines
    assert (process.returncode, out, err) == (0, "", "")
