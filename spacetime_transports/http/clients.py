"""HTTP clients for everything that needs no subscription: SQL, calls, schemas, logs, publishing.

Both clients have the same methods, `AsyncHttpClient` with ``await``. Each request has a connection
of its own, so a client holds no sockets and may be shared by threads or tasks::

    with HttpClient("http://localhost:3000", token=token) as client:
        for row in client.sql("chat", "SELECT * FROM user").rows:
            print(row.name)

Errors are those of the WebSocket client: ConnectError, AuthError, DatabaseNotFound, QueryError,
ReducerError, InternalError, HttpError for any other status, CallTimeout, Disconnected. Publishing has
two more of the family HttpError: MissingEnvironment and EnvironmentConflict.
"""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from spacetime_proto.client.session_options import check_seconds
from spacetime_proto.errors import AuthError, CallTimeout
from spacetime_proto.wire.headers import HeaderFields, Headers
from spacetime_proto.wire.http_exchange import HttpRequest

from ..net.address import parse_host, parse_proxy
from ..net.route import Route
from ..token_sources import (
    TokenSource,
    ask,
    checked_source,
    checked_token,
    refuse_awaitable,
    refused_hint,
    warn_if_exposed,
)
from . import operations, publishing
from .results import (
    EnvironmentMetadata,
    IssuedIdentity,
    LogEntry,
    Published,
    SqlResult,
    SqlStats,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping, Sequence
    from typing import Self

    from spacetime_proto.schema.bound import BoundModule
    from spacetime_proto.schema.model import ModuleDef
    from spacetime_proto.types import Identity
    from spacetime_proto.wire.environment_headers import Removals
    from spacetime_proto.wire.http_exchange import HttpResponse

    from .operations import Operation

__all__ = [
    "AsyncHttpClient",
    "EnvironmentMetadata",
    "HttpClient",
    "IssuedIdentity",
    "LogEntry",
    "Published",
    "SqlResult",
    "SqlStats",
]

R = TypeVar("R")


class _Client:
    """The options that both clients share."""

    def __init__(
        self,
        host: str,
        *,
        token: TokenSource = None,
        headers: HeaderFields = (),
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        timeout: float | None = 30.0,
    ) -> None:
        """Check the options; nothing is sent yet.

        Args:
            host: URL of the server; a path in it is kept as a prefix.
            token: a JSON web token, a `TokenFile`, a callable that returns a token (the async client
                takes async ones too), or None for a new identity with every request.
            headers: further headers of every request.
            ssl_context: for https; default verifies against the system's authorities.
            proxy: ``http://[user:password@]host:port`` or ``socks5://…``.
            timeout: seconds for everything that one method does, from an async token callable to the
                last byte of the answer; None sets no limit.

        Raises:
            LocalProtocolError: one of them is invalid.
        """
        if timeout is not None:
            timeout = check_seconds("timeout", timeout)
        if proxy is not None:
            parse_proxy(proxy)
        self._route = Route(parse_host(host), ssl_context, proxy, timeout)
        self._token = checked_source(token)
        self._headers = Headers(headers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._route.address.url!r})"

    def _result(self, operation: Operation[R], response: HttpResponse) -> R:
        """Return what `response` says; raise its error, which names a token file that was refused."""
        try:
            return operation.result(response)
        except AuthError as error:
            raise error.with_hint(refused_hint(self._token)) from error.__cause__

    def _request(self, request: HttpRequest, found: object) -> HttpRequest:
        """Return `request` as it is sent: with the path prefix, the token and the headers.

        Raises:
            LocalProtocolError: what was found is not a token.
        """
        token = checked_token(found)
        address = self._route.address
        warn_if_exposed(address.host, secure=address.secure, token=token, stacklevel=5)
        fields = [*request.headers, *self._headers]
        if token is not None:
            fields.append(("Authorization", f"Bearer {token}"))
        target = address.path_prefix + request.target
        return HttpRequest(request.method, target, Headers(fields), request.body)


class HttpClient(_Client):
    """The blocking client. It holds nothing open: ``with`` is a convenience."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def ping(self) -> None:
        """Return if a server answers, else raise."""
        self._run(operations.ping())

    def identity(self) -> IssuedIdentity:
        """Return a new identity and the token that proves it."""
        return self._run(operations.identity())

    def websocket_token(self) -> str:
        """Return a token that is valid for 60 seconds and may stand in a URL."""
        return self._run(operations.websocket_token())

    def database_identity(self, database: str) -> Identity:
        """Return the identity behind the name of a database."""
        return self._run(operations.database_identity(database))

    def names(self, database: str) -> tuple[str, ...]:
        """Return all names of a database."""
        return self._run(operations.names(database))

    def schema(self, database: str, *, version: int | None = None) -> ModuleDef:
        """Return the description of a database's module.

        Args:
            database: name or identity.
            version: 9 or 10; None asks for 10, and for 9 where a 1.x server knows no other.
        """
        return self._run(operations.schema(database, version=version))

    def sql(self, database: str, query: str, *, confirmed: bool | None = None) -> SqlResult:
        """Run one SQL statement.

        Args:
            database: name or identity.
            query: the statement.
            confirmed: whether to wait until all that it reads or writes is durable; None leaves it
                to the server.

        Raises:
            QueryError: the server refused the statement, with its words.
        """
        return self._run(operations.sql(database, query, confirmed=confirmed))

    def call(
        self,
        database: str,
        function: str,
        args: Sequence[Any] | Mapping[str, Any] = (),
        *,
        module: BoundModule | None = None,
    ) -> Any:
        """Call a reducer or procedure and return what a procedure returned.

        Args:
            database: name or identity.
            function: canonical name.
            args: the arguments in order, which every server takes; or by name: as in the module's
                source, and from 2.14 on also as in the schema.
            module: types for the arguments and the result (``MODULE.bound``); without it both are
                JSON, in which value types and bytes may stand among the arguments.

        Raises:
            ReducerError: the reducer failed, with its words.
            InternalError: there is no such function, the arguments do not fit, or it panicked.
        """
        return self._run(operations.call(database, function, args, module=module))

    def publish(
        self,
        database: str | None,
        program: bytes,
        *,
        clear: bool = False,
        environment: Mapping[str, str] | None = None,
        remove_environment: Removals = (),
    ) -> Published:
        """Publish a compiled module (wasm), or update the database that has the name.

        Args:
            database: name or identity; None makes a database without a name.
            program: the wasm file.
            clear: delete all data first, stored variables too.
            environment: values of environment variables, which are stored with the module; others
                that are stored stay. A server before 2.11 ignores both this and the next.
            remove_environment: names of variables to remove, or ``"all"``, so that `environment`
                replaces what is stored.

        Raises:
            MissingEnvironment: the module requires variables that would have no value.
            EnvironmentConflict: somebody else published meanwhile.
            HttpError: the server refused; among the reasons are values that do not fit what the
                module declares, and a module that was built for a newer server.
            LocalProtocolError: a variable cannot have its name or value.
        """
        return self._run(
            publishing.publish(
                database,
                program,
                clear=clear,
                environment=environment,
                remove_environment=remove_environment,
            )
        )

    def environment(self, database: str) -> EnvironmentMetadata:
        """Return which environment variables a module declares and which have a value.

        Values are never told; the owner can read them with ``SELECT key, value FROM st_env``.

        Raises:
            HttpError: among others, status 404: the server is older than SpacetimeDB 2.11.
        """
        return self._run(publishing.environment(database))

    def update_environment(
        self,
        database: str,
        values: Mapping[str, str],
        *,
        remove: Removals = (),
        expected_module_hash: str | None = None,
    ) -> None:
        """Set and remove environment variables, without publishing a module; the others stay.

        Args:
            database: name or identity.
            values: what to set.
            remove: names of variables to remove, or ``"all"``, so that `values` replace what is stored.
            expected_module_hash: as in the metadata; the change is refused if the database has
                another module by then. None takes the module that is there.

        Raises:
            MissingEnvironment: the module requires variables that would have no value.
            EnvironmentConflict: the module is another one than expected.
            HttpError: the server refused, or is older than SpacetimeDB 2.11 (404).
            LocalProtocolError: a variable cannot have its name or value.
        """
        self._run(
            publishing.update_environment(
                database, values, remove=remove, expected_module_hash=expected_module_hash
            )
        )

    def delete(self, database: str) -> None:
        """Delete a database."""
        self._run(operations.delete(database))

    def logs(
        self, database: str, *, num_lines: int | None = None, follow: bool = False
    ) -> Generator[LogEntry, None, None]:
        """Yield the lines of a database's log; with `follow`, also new ones, without end."""
        from ..net.blocking_exchange import deadline_after, exchange_stream

        deadline = deadline_after(self._route.timeout)
        operation = operations.logs(database, num_lines=num_lines, follow=follow)
        lines = operations.LogLines(operation)
        request = self._prepare(operation)
        with contextlib.closing(exchange_stream(self._route, request, deadline)) as stream:
            for piece in stream:
                yield from lines.feed(piece, self._result)

    def _run(self, operation: Operation[R]) -> R:
        from ..net.blocking_exchange import deadline_after, exchange

        deadline = deadline_after(self._route.timeout)
        while True:
            response = exchange(self._route, self._prepare(operation), deadline)
            other = operation.otherwise(response)
            if other is None:
                return self._result(operation, response)
            operation = other

    def _prepare(self, operation: Operation[Any]) -> HttpRequest:
        found = ask(self._token)
        refuse_awaitable(found, self._token)
        return self._request(operation.request, found)


class AsyncHttpClient(_Client):
    """The client for asyncio and trio. It holds nothing open: ``async with`` is a convenience."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        pass

    async def ping(self) -> None:
        """As `HttpClient.ping`."""
        await self._run(operations.ping())

    async def identity(self) -> IssuedIdentity:
        """As `HttpClient.identity`."""
        return await self._run(operations.identity())

    async def websocket_token(self) -> str:
        """As `HttpClient.websocket_token`."""
        return await self._run(operations.websocket_token())

    async def database_identity(self, database: str) -> Identity:
        """As `HttpClient.database_identity`."""
        return await self._run(operations.database_identity(database))

    async def names(self, database: str) -> tuple[str, ...]:
        """As `HttpClient.names`."""
        return await self._run(operations.names(database))

    async def schema(self, database: str, *, version: int | None = None) -> ModuleDef:
        """As `HttpClient.schema`."""
        return await self._run(operations.schema(database, version=version))

    async def sql(self, database: str, query: str, *, confirmed: bool | None = None) -> SqlResult:
        """As `HttpClient.sql`."""
        return await self._run(operations.sql(database, query, confirmed=confirmed))

    async def call(
        self,
        database: str,
        function: str,
        args: Sequence[Any] | Mapping[str, Any] = (),
        *,
        module: BoundModule | None = None,
    ) -> Any:
        """As `HttpClient.call`."""
        return await self._run(operations.call(database, function, args, module=module))

    async def publish(
        self,
        database: str | None,
        program: bytes,
        *,
        clear: bool = False,
        environment: Mapping[str, str] | None = None,
        remove_environment: Removals = (),
    ) -> Published:
        """As `HttpClient.publish`."""
        return await self._run(
            publishing.publish(
                database,
                program,
                clear=clear,
                environment=environment,
                remove_environment=remove_environment,
            )
        )

    async def environment(self, database: str) -> EnvironmentMetadata:
        """As `HttpClient.environment`."""
        return await self._run(publishing.environment(database))

    async def update_environment(
        self,
        database: str,
        values: Mapping[str, str],
        *,
        remove: Removals = (),
        expected_module_hash: str | None = None,
    ) -> None:
        """As `HttpClient.update_environment`."""
        await self._run(
            publishing.update_environment(
                database, values, remove=remove, expected_module_hash=expected_module_hash
            )
        )

    async def delete(self, database: str) -> None:
        """As `HttpClient.delete`."""
        await self._run(operations.delete(database))

    async def logs(
        self, database: str, *, num_lines: int | None = None, follow: bool = False
    ) -> AsyncGenerator[LogEntry, None]:
        """As `HttpClient.logs`; close the iterator (``contextlib.aclosing``) to leave it early."""
        from ..net.async_exchange import deadline_after, exchange_stream

        deadline = deadline_after(self._route.timeout)
        operation = operations.logs(database, num_lines=num_lines, follow=follow)
        request = await self._prepare(operation, deadline)
        lines = operations.LogLines(operation)
        async with contextlib.aclosing(exchange_stream(self._route, request, deadline)) as stream:
            async for piece in stream:
                for entry in lines.feed(piece, self._result):
                    yield entry

    async def _run(self, operation: Operation[R]) -> R:
        from ..net.async_exchange import deadline_after, exchange

        deadline = deadline_after(self._route.timeout)
        while True:
            request = await self._prepare(operation, deadline)
            response = await exchange(self._route, request, deadline)
            other = operation.otherwise(response)
            if other is None:
                return self._result(operation, response)
            operation = other

    async def _prepare(self, operation: Operation[Any], deadline: float) -> HttpRequest:
        found = ask(self._token)
        if inspect.isawaitable(found):
            found = await self._in_time(found, deadline)
        return self._request(operation.request, found)

    async def _in_time(self, found: Awaitable[Any], deadline: float) -> Any:
        """Wait for an async token callable.

        Raises:
            CallTimeout: it did not return in time.
        """
        import anyio

        with anyio.CancelScope(deadline=deadline):
            return await found
        name = getattr(self._token, "__qualname__", None) or repr(self._token)
        raise CallTimeout(
            f"the token callable {name} did not return within {self._route.timeout:g} s"
        )
