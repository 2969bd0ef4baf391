"""The embedded development server on real sockets, under asyncio and trio.

Not for production: everything is in memory, and module code runs in the event loop's thread. For
production there is SpacetimeDB itself (https://spacetimedb.com).
"""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import anyio
import anyio.abc
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.streams.tls import TLSListener

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.server import Authority, Database, Faults, Host, Module, ServerSession
from spacetime_proto.types import Timestamp

from ..logs import logger, shown
from ..net.async_stream import close_at_once
from .fetching import BackgroundFetcher

T = TypeVar("T")

_READ_SIZE = 262_144
#: How long clients have to take the closing frame when the server ends, in seconds.
_FAREWELL = 0.5

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError, ssl.SSLError)


class Server:
    """A running server.

    Attributes:
        url: ``http://HOST:PORT`` (https with TLS).
        port: the TCP port.
        host: its core: databases, tokens, time.
        database: the database that it was started with.
        owner_token: the token of the database's owner, who may read private tables and write by SQL.
    """

    def __init__(self, host: Host, database: Database, owner_token: str, *, verbose: bool) -> None:
        self.host = host
        self.database = database
        self.owner_token = owner_token
        self.url = ""
        self.port = 0
        self._verbose = verbose
        self._schedule_changed = anyio.Event()
        self._all_gone = anyio.Event()

    @property
    def faults(self) -> Faults:
        """The faults that the database produces on purpose; may be changed at any time."""
        return self.database.faults

    @property
    def connections(self) -> int:
        """How many TCP connections are open."""
        return len(self.host.sessions)

    async def drop_connections(self) -> None:
        """End every TCP connection at once, without a close frame."""
        for session in list(self.host.sessions):
            session.abort()
        await self._until_gone()

    # --- one connection -----------------------------------------------------------------------

    async def _handle(self, stream: anyio.abc.ByteStream) -> None:
        peer = stream.extra(anyio.abc.SocketAttribute.remote_address, "a client")
        self._report(f"{peer} connected")
        session = ServerSession(self.host)
        connection = _Connection(session, stream, self._reschedule)
        try:
            await connection.run()
        finally:
            session.connection_lost(time.monotonic())
            self._reschedule()
            if not self.host.sessions:
                self._all_gone.set()
            why = "" if session.failure is None else f": {session.failure}"
            self._report(f"{peer} gone{why}")
            await close_at_once(stream)

    def _report(self, text: str) -> None:
        log = logger("server")
        if log is not None:
            log.info("%s", shown(text))
        if self._verbose:
            print(shown(text), file=sys.stderr, flush=True)

    async def _until_gone(self) -> None:
        if self.host.sessions:
            self._all_gone = anyio.Event()
            await self._all_gone.wait()

    # --- schedules ----------------------------------------------------------------------------

    def _reschedule(self) -> None:
        self._schedule_changed.set()

    async def _run_schedules(self) -> None:
        while True:
            deadline = self.host.deadline
            delay = None if deadline is None else deadline - time.monotonic()
            if delay is not None and delay <= 0:
                self.host.tick(time.monotonic())
                await anyio.lowlevel.checkpoint()
                continue
            with anyio.move_on_after(delay):
                await self._schedule_changed.wait()
            self._schedule_changed = anyio.Event()


class _Connection:
    """The tasks of one TCP connection: one reads, one writes."""

    def __init__(
        self, session: ServerSession, stream: anyio.abc.ByteStream, after: Callable[[], None]
    ) -> None:
        self._session = session
        self._stream = stream
        self._after = after
        self._to_send = anyio.Event()
        self._scope = anyio.CancelScope()
        session.wake = self._on_wake

    def _on_wake(self) -> None:
        self._to_send.set()
        if self._session.is_aborted:
            self._scope.cancel()

    async def run(self) -> None:
        """Serve the connection until it is over."""
        with self._scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.write)
                await self.read()

    async def read(self) -> None:
        """Pass received bytes to the session until the client is gone or the session is over."""
        session = self._session
        while not session.is_closed:
            deadline = session.deadline
            data: bytes | None = None
            is_timeout = True
            with anyio.move_on_after(None if deadline is None else deadline - time.monotonic()):
                data = await self._receive()
                is_timeout = False
            now = time.monotonic()
            if is_timeout:
                session.tick(now)
            elif data is None:
                session.receive_eof(now)
                self._to_send.set()
                return
            else:
                session.receive_data(data, now)
                self._after()
            self._to_send.set()

    async def _receive(self) -> bytes | None:
        try:
            return await self._stream.receive(_READ_SIZE)
        except (anyio.EndOfStream, *_BROKEN):
            return None

    async def write(self) -> None:
        """Send the bytes of the session; end the connection when it is over."""
        session = self._session
        while True:
            data = session.data_to_send(time.monotonic())
            if data:
                try:
                    await self._stream.send(data)
                except _BROKEN:
                    break
            elif session.is_closed:
                break
            else:
                await self._to_send.wait()
                self._to_send = anyio.Event()
        self._scope.cancel()


@asynccontextmanager
async def serve(
    module: Module | Database,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    database: str = "module",
    ssl_context: ssl.SSLContext | None = None,
    authority: Authority | None = None,
    faults: Faults | None = None,
    verbose: bool = False,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """Serve a module while the block runs.

    ::

        async with serve(module, database="chat") as server:
            async with connect(server.url, "chat") as client: ...

    Args:
        module: the module; or the database of a server that has ended, to go on with its rows.
        host: address to listen on.
        port: TCP port; 0 picks a free one.
        database: name to serve the module under; a database that goes on keeps the name it has.
        ssl_context: serve https and wss with this.
        authority: signs and checks tokens; by default a new ES256 key, so that tokens are good as
            long as the server runs.
        faults: what to do wrong on purpose, for tests of clients.
        verbose: report connections on stderr.
        environment: values of the environment variables that the module reads; a database that goes
            on keeps those that it has besides.

    Raises:
        LocalProtocolError: `port` is not a TCP port, or `database` not a name; `environment` does not
            fit what the module declares; or no `authority` is
            given, and the package that signs tokens by default is not installed (the extra
            ``server``).
        SchemaError: the module has no valid schema.
        ReducerError: its ``init`` failed.
        OSError: the port cannot be listened on.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise LocalProtocolError(f"port must be a TCP port, 0 to 65535, not {port!r}")
    if not isinstance(database, str) or not database:
        raise LocalProtocolError(f"database must be a name, not {database!r}")
    if authority is None:
        from .authority import Es256Authority

        authority = Es256Authority()
    fetcher = BackgroundFetcher(lambda: server._reschedule())
    core = Host(
        authority=authority,
        entropy=os.urandom,
        epoch=Timestamp(time.time_ns() // 1000 - round(time.monotonic() * 1_000_000)),
        on_panic=_print_traceback,
        fetcher=fetcher,
    )
    now = time.monotonic()
    claims, owner_token = core.mint(core.time(now))
    if isinstance(module, Database):
        published = module
        if faults is not None:
            published.faults = faults
        published.owner = claims.identity
        core.adopt(published)
        published.change_environment(environment or {}, now=core.time(now))
    else:
        published = core.add(
            module,
            database,
            now=now,
            owner=claims.identity,
            faults=faults,
            environment=environment,
        )
    server = Server(core, published, owner_token, verbose=verbose)
    listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    failure: BaseException | None = None
    async with listener, anyio.create_task_group() as tasks:
        server.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        literal = f"[{host}]" if ":" in host else host
        server.url = f"{'https' if ssl_context else 'http'}://{literal}:{server.port}"
        log = logger("server")
        if log is not None:
            log.info("serving %s at %s", shown(database), server.url)
        fetcher.tasks = tasks
        tasks.start_soon(server._run_schedules)
        tasks.start_soon(_accept, listener, ssl_context, server._handle)
        try:
            yield server
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            # An exception of the block, Ctrl-C and pytest's own included. It is raised below,
            # because the task group would wrap it in an ExceptionGroup.
            failure = error
        finally:
            fetcher.tasks = None
            with anyio.move_on_after(_FAREWELL, shield=True):
                core.shutdown()
                await server._until_gone()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _accept(
    listener: anyio.abc.Listener[Any],
    ssl_context: ssl.SSLContext | None,
    handle: Callable[[anyio.abc.ByteStream], Awaitable[None]],
) -> None:
    if ssl_context is not None:
        listener = _TLSListener(listener, ssl_context, standard_compatible=False)
    await listener.serve(handle)


class _TLSListener(TLSListener):
    """Ignores failed handshakes, for example with clients that do not trust the certificate."""

    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: anyio.abc.AnyByteStream) -> None:
        await close_at_once(stream)
        if not isinstance(exc, Exception):
            raise exc


async def serve_forever(
    module: Module,
    *,
    host: str = "127.0.0.1",
    port: int = 3000,
    database: str = "module",
    verbose: bool = False,
    environment: Mapping[str, str] | None = None,
    announce: Callable[[str], None] = lambda url: print(url, flush=True),
) -> None:
    """Serve a module until SIGINT or SIGTERM; what ``spacetime-py serve`` does.

    Args:
        module: the module.
        host: address to listen on.
        port: TCP port; 0 picks a free one.
        database: name to serve the module under.
        verbose: report connections on stderr.
        environment: values of the environment variables that the module reads.
        announce: gets the URL as soon as connections are accepted and signals are heeded.
    """
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with serve(
            module,
            host=host,
            port=port,
            database=database,
            verbose=verbose,
            environment=environment,
        ) as server:
            announce(server.url)
            async for _ in signals:
                break


class ThreadServer:
    """A server in a thread of its own, for blocking programs and tests.

    Attributes:
        server: the server; to be used from its own thread only, through `call`.
        url: ``http://HOST:PORT``.
        faults: what it does wrong on purpose.
    """

    def __init__(self, server: Server, portal: BlockingPortal) -> None:
        self.server = server
        self.url = server.url
        self.faults = server.faults
        self._portal = portal

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function (sync or async) in the server's thread and return its result."""
        return self._portal.call(function, *args)

    def drop_connections(self) -> None:
        """End every TCP connection at once, without a close frame."""
        self._portal.call(self.server.drop_connections)


@contextmanager
def serve_in_thread(
    module: Module | Database, *, backend: str = "asyncio", **options: Any
) -> Iterator[ThreadServer]:
    """Serve a module from another thread while the block runs; further arguments as `serve`."""
    with (
        start_blocking_portal(backend) as portal,
        portal.wrap_async_context_manager(serve(module, **options)) as server,
    ):
        yield ThreadServer(server, portal)


def _print_traceback(text: str) -> None:
    log = logger("server")
    if log is not None:  # in one line; the whole of it is printed
        log.error("module code raised %s", shown(text.strip().rpartition("\n")[2]))
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
