"""TLS, proxies, connections that are cut anywhere, slow readers, and threads."""

from __future__ import annotations

import contextlib
import datetime
import signal
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trustme

from spacetime_proto.errors import ConnectError, Disconnected, SpacetimeError
from spacetime_transports import InsecureTokenWarning, ReconnectPolicy, blocking
from spacetime_transports.server import serve_in_thread
from spacetime_transports.token_sources import warn_if_exposed
from tests.scenarios.relay import Relay
from tests.scenarios.world import make_module
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scenarios.kit import Kit


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextlib.contextmanager
def tls_server(certificate: trustme.LeafCert) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    with serve_in_thread(make_module(), database="world", ssl_context=context) as server:
        yield server.url.replace("127.0.0.1", "localhost")


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_tls(kit: Kit, authority: trustme.CA) -> None:
    with tls_server(authority.issue_cert("localhost")) as url:
        async with kit.connect(url=url, ssl_context=trusting(authority)) as client:
            await client.subscribe("SELECT * FROM item")
            await client.call(client.reducers.add_items(count=2000))
            assert client.db.item.count() == 2000


async def test_a_certificate_of_nobody_we_trust(kit: Kit, authority: trustme.CA) -> None:
    said = pytest.raises(ConnectError, match=r"(?i)certificate")
    with tls_server(authority.issue_cert("localhost")) as url, said:
        async with kit.connect(url=url):
            pass


async def test_a_certificate_of_another_host(kit: Kit, authority: trustme.CA) -> None:
    said = pytest.raises(ConnectError, match=r"(?i)certificate|hostname")
    with tls_server(authority.issue_cert("example.org")) as url, said:
        async with kit.connect(url=url, ssl_context=trusting(authority)):
            pass


async def test_a_certificate_that_has_expired(kit: Kit, authority: trustme.CA) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = authority.issue_cert("localhost", not_after=past)
    said = pytest.raises(ConnectError, match=r"(?i)certificate.*expired|expired")
    with tls_server(certificate) as url, said:
        async with kit.connect(url=url, ssl_context=trusting(authority)):
            pass


async def test_plain_http_where_tls_is_spoken(kit: Kit, authority: trustme.CA) -> None:
    with tls_server(authority.issue_cert("localhost")) as url, pytest.raises(ConnectError):
        async with kit.connect(url=url.replace("https", "http"), connect_timeout=3):
            pass


async def test_tls_where_plain_http_is_spoken(kit: Kit) -> None:
    url = kit.server.url.replace("http", "https")
    with pytest.raises(ConnectError):
        async with kit.connect(url=url, connect_timeout=3):
            pass


def test_a_token_in_the_clear_to_another_machine_is_warned_about() -> None:
    with pytest.warns(InsecureTokenWarning, match=r"example\.com"):
        warn_if_exposed("example.com", secure=False, token="t")


# --- proxies ----------------------------------------------------------------------------------------


@pytest.fixture
def relay(kit: Kit) -> Iterator[Relay]:
    with Relay(kit.server.url) as relay:
        yield relay


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_through_a_proxy(kit: Kit, relay: Relay, scheme: str) -> None:
    relay.speaks = scheme
    proxy = f"{scheme}://user:secret@127.0.0.1:{relay.port}"
    async with kit.connect(proxy=proxy) as client:
        assert "secret" not in repr(client.raw)
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=10))
        assert client.db.item.count() == 10
    assert relay.connections >= 1


async def test_a_proxy_that_refuses(kit: Kit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(ConnectError, match="407"):
            async with kit.connect(proxy=f"http://127.0.0.1:{listener.getsockname()[1]}"):
                pass
        thread.join()


# --- cuts ---------------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.slow)])
async def test_a_connection_that_is_cut_after_any_number_of_bytes(
    kit: Kit, relay: Relay, step: int
) -> None:
    """Whatever is missing, waiting ends with a typed error, and nothing is half applied."""
    from spacetime_proto.bindings import dynamic_module
    from spacetime_transports import HttpClient

    module = dynamic_module(HttpClient(kit.server.url).schema("world"))
    async with kit.connect() as client:
        await client.call(client.reducers.add_items(count=5))
    for cut in range(0, 1200, step):
        relay.cut_after = cut
        applied: list[int] = []
        try:
            async with kit.connect(module, url=relay.url, compression="none") as client:
                client.db.item.on_insert(lambda ctx, row: applied.append(row.id))  # noqa: B023
                await client.subscribe("SELECT * FROM item")
                await client.call(client.procedures.add(lhs=cut, rhs=1))
                await client.call(client.reducers.nothing())
        except SpacetimeError as error:
            assert isinstance(error, (ConnectError, Disconnected)), error
        assert len(applied) in (0, 5)


async def test_a_stream_in_small_pieces(kit: Kit, relay: Relay) -> None:
    relay.piece = 7
    async with kit.connect(url=relay.url) as client:
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=20))
        assert client.db.item.count() == 20


async def test_coming_back_through_many_cuts(kit: Kit, relay: Relay) -> None:
    policy = ReconnectPolicy(first_delay=0.001, max_delay=0.01)
    async with kit.connect(url=relay.url, reconnect=policy, offline="wait") as client:
        await client.subscribe("SELECT * FROM item")
        done = 0
        for number in range(30):
            relay.cut_after = 700 + 150 * (number % 7)
            try:
                await client.call(client.reducers.add_item(name=f"n{number}", amount=number))
                done += 1
            except Disconnected:
                pass  # its outcome is unknown, so it may be there or not
        relay.cut_after = None
        await client.until(lambda: client.raw.is_connected)
        await client.call(client.reducers.nothing())
        there = await client.query("SELECT * FROM item")
        assert sorted(row.id for row in there) == sorted(row.id for row in client.db.item)
        assert len(there) >= done


# --- slowness -------------------------------------------------------------------------------------------


@pytest.mark.only("async")
async def test_while_a_callback_runs_nothing_is_read(kit: Kit, relay: Relay) -> None:
    """Back-pressure is TCP's: what the client does not read stays outside of it."""
    entered, gate = anyio.Event(), anyio.Event()

    async def wait(ctx: Any, row: Any) -> None:
        entered.set()
        await gate.wait()

    async with kit.connect(url=relay.url, compression="none") as client, kit.connect() as other:
        handle = client.db.item.on_insert(wait)
        await client.subscribe("SELECT * FROM item")
        await other.call(other.reducers.add_item(name="x", amount=0))
        await entered.wait()
        read_before = relay.forwarded
        for _ in range(150):
            await other.call(other.reducers.add_item(name="x" * 100_000, amount=0))
        await anyio.sleep(0.2)
        # 150 x 100,000 bytes wait; no more than the socket buffers hold has been taken.
        assert client.db.item.count() == 1
        held = relay.forwarded - read_before
        handle.cancel()
        gate.set()
        await client.until(lambda: client.db.item.count() == 151)
        assert held < relay.forwarded - read_before


@pytest.mark.only("blocking")
async def test_a_frame_has_a_budget(kit: Kit) -> None:
    async with kit.connect(protocols="v2") as client, kit.connect() as other:
        client.db.item.on_insert(lambda ctx, row: time.sleep(0.005))
        await client.subscribe("SELECT * FROM item")
        for _ in range(20):
            await other.call(other.reducers.add_item(name="x", amount=0))
        while not client.raw.frame_tick(budget=0.02):
            pass  # nothing has arrived yet
        # One more may begin at the last moment; each takes 5 ms or more.
        assert 0 < client.db.item.count() <= 5
        await client.until(lambda: client.db.item.count() == 20)
        assert client.db.item.count() == 20
        assert not client.raw.frame_tick()
        assert not client.raw.advance_one_message(0.01)


@pytest.mark.only("blocking")
async def test_a_frame_sends_once_whatever_it_handles(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kit.connect(protocols="v2", compression="none") as client, kit.connect() as other:
        client.db.item.on_insert(
            lambda ctx, row: ctx.submit(client.reducers.write_note(text=row.name))
        )
        await client.subscribe("SELECT * FROM item")
        await other.subscribe("SELECT * FROM note")
        for number in range(5):
            await other.call(other.reducers.add_item(name=f"n{number}", amount=0))
        time.sleep(0.1)  # noqa: ASYNC251  # no event loop here
        session = client.raw._driver.session
        taken: list[bytes] = []
        take = session.data_to_send
        monkeypatch.setattr(
            session, "data_to_send", lambda **now: taken.append(take(**now)) or taken[-1]
        )
        assert client.raw.frame_tick()
        assert len(taken) == 1 and taken[0]
        monkeypatch.undo()
        await other.until(lambda: other.db.note.count() == 5)


# --- threads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_thread", [False, True])
@pytest.mark.only("blocking")
async def test_four_threads_on_one_client(kit: Kit, has_thread: bool) -> None:
    problems: list[BaseException] = []
    async with kit.connect() as client, kit.connect() as other:
        raw = client.raw
        await client.subscribe("SELECT * FROM item")
        if has_thread:
            raw.run_threaded()
            with pytest.raises(SpacetimeError, match="called before"):
                raw.run_threaded()

        def work(number: int) -> None:
            try:
                for step in range(60):
                    assert raw.call(client.procedures.add(lhs=number, rhs=step)) == number + step
                    raw.submit(client.reducers.add_item(name=f"{number}", amount=step))
                    if step % 20 == 0:
                        assert isinstance(raw.query("SELECT * FROM note"), list)
                        raw.subscribe("SELECT * FROM note").unsubscribe()
                    with raw.lock:
                        list(client.db.item)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for number in range(100):
            other.raw.call(other.reducers.write_note(text=str(number)))
        for thread in threads:
            thread.join()
        assert problems == []
        await client.call(client.reducers.nothing())
        with raw.lock:
            assert client.db.item.count() == 240


@pytest.mark.only("blocking")
async def test_run_ends_when_another_thread_closes(kit: Kit) -> None:
    async with kit.connect() as client:
        timer = threading.Timer(0.1, client.raw.close)
        timer.start()
        client.raw.run()
        timer.join()
        assert not client.raw.is_connected


@pytest.mark.only("blocking")
async def test_run_raises_the_loss(kit: Kit) -> None:
    async with kit.connect() as client:
        timer = threading.Timer(0.1, kit.server.drop_connections)
        timer.start()
        with pytest.raises(Disconnected):
            client.raw.run()
        timer.join()
        with pytest.raises(Disconnected, match="over"):
            client.raw.frame_tick()


@pytest.mark.only("blocking")
async def test_ctrl_c_while_waiting_leaves_a_working_client(
    kit: Kit, waiting: threading.Event
) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        if waiting.wait(PATIENCE):
            signal.pthread_kill(main, signal.SIGINT)

    # A shell that runs tests in the background has them ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    async with kit.connect() as client:
        thread = threading.Thread(target=press)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            client.raw.call(client.procedures.wait(micros=1_000_000_000))
        thread.join()
        assert client.raw.call(client.procedures.add(lhs=1, rhs=2), timeout=PATIENCE) == 3
    signal.signal(signal.SIGINT, before)


@pytest.mark.only("blocking")
async def test_ctrl_c_between_row_callbacks_leaves_the_others_to_run(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        seen: list[int] = []

        def on_insert(ctx: object, row: Any) -> None:
            seen.append(row.id)
            if len(seen) == 2:
                raise KeyboardInterrupt

        client.db.item.on_insert(on_insert)
        with pytest.raises(KeyboardInterrupt):
            client.raw.call(client.reducers.add_items(count=5))
        assert len(seen) == 2
        assert client.raw.call(client.procedures.add(lhs=1, rhs=2), timeout=PATIENCE) == 3
        assert len(seen) == len(set(seen)) == 5


@pytest.mark.only("blocking")
async def test_an_idle_client_uses_no_cpu(kit: Kit) -> None:
    async with kit.connect() as client:
        thread = client.raw.run_threaded()
        before = time.process_time()
        time.sleep(0.5)  # noqa: ASYNC251  # no event loop here
        assert time.process_time() - before < 0.2
        client.raw.close()
        assert not thread.is_alive()


def test_blocking_connect_needs_no_with(server: Any) -> None:
    client = blocking.connect(server.url, "world")
    assert client.is_connected
    client.close()
    client.close()
