"""Getting a connected stream and a token for one attempt of an async client."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from spacetime_proto.errors import HttpError

from ..driving import as_connect_error, stored_token
from ..net.async_stream import open_stream
from ..options import checked_token

if TYPE_CHECKING:
    from anyio.abc import ByteStream

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.schema.model import ModuleDef

    from ..http.clients import AsyncHttpClient
    from ..net.address import Address
    from ..options import ConnectOptions

__all__ = ["AsyncDialer", "Dialed"]


class Dialed(msgspec.Struct):
    """A stream to the server, and the tokens to introduce oneself with on it."""

    stream: ByteStream
    token: str | None
    query_token: str | None

    def __repr__(self) -> str:
        return "Dialed(...)"


async def _describe(http: AsyncHttpClient, database: str) -> ModuleDef:
    try:
        return await http.schema(database)
    except HttpError as error:
        if error.status != 400:
            raise
        # A server from before version 10 of the schema.
        return await http.schema(database, version=9)


class AsyncDialer:
    """Makes attempts for one client; the caller sets the time limit."""

    def __init__(self, address: Address, options: ConnectOptions) -> None:
        self._address = address
        self._options = options

    async def dial(self, issued_token: str | None) -> Dialed:
        """Ask for the token and connect.

        Args:
            issued_token: the token that the server issued earlier, used where the options name
                none. (A callable that gives none asks for a new identity.)

        Raises:
            ConnectError: what stood in the way.
            Exception: whatever a token callable raised.
        """
        options = self._options
        token = await self.resolve_token()
        if token is None and not options.has_fresh_tokens:
            token = issued_token
        query_token = None
        if options.token_via == "websocket-token" and token is not None:
            with as_connect_error():
                query_token = await self.http(token).websocket_token()
        stream = await open_stream(
            self._address, ssl_context=options.ssl_context, proxy=options.proxy
        )
        return Dialed(stream, token, query_token)

    async def resolve_token(self) -> str | None:
        """Return the token of the options for this attempt.

        Raises:
            LocalProtocolError: a file cannot be read, or the token is none.
        """
        source = self._options.token
        if not callable(source):
            return stored_token(self._options)
        found = source()
        return checked_token(await found if inspect.isawaitable(found) else found)

    async def fetch_module(self, database: str) -> Module[Any]:
        """Make bindings from the server's description of `database`.

        Raises:
            ConnectError: no server, or it refuses.
            DatabaseNotFound: it has no such database.
        """
        from spacetime_proto.bindings.client_module import dynamic_module

        with as_connect_error():
            return dynamic_module(await _describe(self.http(await self.resolve_token()), database))

    async def check_module(self, database: str, module: Module[Any]) -> None:
        """Compare bindings with the server's description of `database`.

        Raises:
            SchemaMismatch: they do not fit.
            SpacetimeError: the server does not say.
        """
        # The description is public, so nobody has to be asked for a token.
        module.check_fits(await _describe(self.http(None), database))

    def http(self, token: str | None) -> AsyncHttpClient:
        """Return an HTTP client for the same server and options."""
        from ..http.clients import AsyncHttpClient

        return AsyncHttpClient(
            self._address.url,
            token=token,
            headers=self._options.headers,
            ssl_context=self._options.ssl_context,
            proxy=self._options.proxy,
            timeout=self._options.connect_timeout,
        )
