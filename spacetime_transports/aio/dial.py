"""Getting the credentials and a connected stream for one attempt of an async client."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from spacetime_proto.client.life import Credentials

from ..dialling import DialPlan
from ..net.async_stream import open_stream
from ..token_sources import checked_token

if TYPE_CHECKING:
    from anyio.abc import ByteStream

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.schema.model import ModuleDef

    from ..http.clients import AsyncHttpClient


class AsyncDialer(DialPlan):
    """Makes attempts for one client; the caller sets the time limit."""

    async def dial(self) -> ByteStream:
        """Connect."""
        options = self._options
        return await open_stream(
            self._address, ssl_context=options.ssl_context, proxy=options.proxy
        )

    async def credentials(self, issued: str | None) -> Credentials:
        """Find the credentials for one attempt; `issued` is the token the server gave earlier."""
        token = self._choose_token(await self._token(), issued)
        if not self._is_exchanged(token):
            return Credentials(token)
        with self._as_connect_error():
            return Credentials(token, await self._client(token).websocket_token())

    async def _token(self) -> Any:
        found = self._ask_for_token()
        return await found if inspect.isawaitable(found) else found

    async def fetch_module(self, database: str) -> Module[Any]:
        """Make bindings from the server's description of `database`."""
        from spacetime_proto.bindings.client_module import dynamic_module

        token = checked_token(await self._token())
        with self._as_connect_error():
            return dynamic_module(await self._client(token).schema(database))

    async def describe(self, database: str, *, timeout: float) -> ModuleDef:  # noqa: ASYNC109
        """Ask for the public description of `database`, for `timeout` seconds at most."""
        return await self._client(None, timeout).schema(database)

    def _client(self, token: str | None, timeout: float | None = None) -> AsyncHttpClient:
        from ..http.clients import AsyncHttpClient

        return AsyncHttpClient(**self._http(token, timeout))
