"""Getting a connected socket and a token for one attempt of a blocking client."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

from spacetime_proto.errors import HttpError, LocalProtocolError

from ..driving import as_connect_error, callback_name, stored_token
from ..net.blocking_stream import open_socket
from ..options import checked_token

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.schema.model import ModuleDef

    from ..http.clients import HttpClient
    from ..net.address import Address
    from ..options import ConnectOptions

__all__ = ["Attempt", "Dialer"]


class Attempt:
    """What one attempt came to: a socket and the tokens used, or an error.

    It may be made in another thread than the one that waits for it, and be given up meanwhile; then
    whoever comes last closes the socket.
    """

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.token: str | None = None
        self.query_token: str | None = None
        self.error: Exception | None = None
        self.is_done = False
        self._is_abandoned = False
        self._lock = threading.Lock()

    def finish(self) -> None:
        """Say that it is made, in whichever way."""
        with self._lock:
            self.is_done = True
            if self._is_abandoned and self.socket is not None:
                self.socket.close()

    def abandon(self) -> None:
        """Say that nobody wants it any more."""
        with self._lock:
            self._is_abandoned = True
            if self.is_done and self.socket is not None:
                self.socket.close()


def _describe(http: HttpClient, database: str) -> ModuleDef:
    try:
        return http.schema(database)
    except HttpError as error:
        if error.status != 400:
            raise
        # A server from before version 10 of the schema.
        return http.schema(database, version=9)


class Dialer:
    """Makes attempts for one client."""

    def __init__(self, address: Address, options: ConnectOptions) -> None:
        self._address = address
        self._options = options

    def make(self, attempt: Attempt, issued_token: str | None) -> None:
        """Fill `attempt`; whatever goes wrong becomes its error.

        Args:
            attempt: what to fill.
            issued_token: the token that the server issued earlier, used where the options name
                none. (A callable that gives none asks for a new identity.)
        """
        options = self._options
        try:
            attempt.token = self.resolve_token()
            if attempt.token is None and not options.has_fresh_tokens:
                attempt.token = issued_token
            if options.token_via == "websocket-token" and attempt.token is not None:
                with as_connect_error():
                    attempt.query_token = self.http(attempt.token).websocket_token()
            attempt.socket = open_socket(
                self._address,
                ssl_context=options.ssl_context,
                proxy=options.proxy,
                timeout=options.connect_timeout,
            )
        except Exception as error:
            attempt.error = error
        finally:
            attempt.finish()

    def make_in_thread(
        self, attempt: Attempt, issued_token: str | None, when_done: Callable[[], None]
    ) -> None:
        """Fill `attempt` in a thread of its own, so that neither a frame nor Ctrl-C waits for it."""

        def run() -> None:
            self.make(attempt, issued_token)
            when_done()

        threading.Thread(target=run, name="spacetime-dial", daemon=True).start()

    def resolve_token(self) -> str | None:
        """Return the token of the options for this attempt.

        Raises:
            LocalProtocolError: the token callable is an async one, a file cannot be read, or the
                token is none.
        """
        source = self._options.token
        if not callable(source):
            return stored_token(self._options)
        found = source()
        if not inspect.isawaitable(found):
            return checked_token(found)
        close = getattr(found, "close", None)
        if close is not None:
            close()  # or Python warns that it was never awaited
        raise LocalProtocolError(
            f"the token callable {callback_name(source)} returned an awaitable; a blocking client "
            "needs a plain function"
        )

    def fetch_module(self, database: str) -> Module[Any]:
        """Make bindings from the server's description of `database`.

        Raises:
            ConnectError: no server, or it refuses.
            DatabaseNotFound: it has no such database.
        """
        from spacetime_proto.bindings.client_module import dynamic_module

        with as_connect_error():
            return dynamic_module(_describe(self.http(self.resolve_token()), database))

    def check_module(self, database: str, module: Module[Any], *, timeout: float) -> None:
        """Compare bindings with the server's description of `database`.

        Raises:
            SchemaMismatch: they do not fit.
            SpacetimeError: the server does not say within `timeout` seconds.
        """
        # The description is public, so nobody has to be asked for a token.
        module.check_fits(_describe(self.http(None, timeout=timeout), database))

    def http(self, token: str | None, *, timeout: float | None = None) -> HttpClient:
        """Return an HTTP client for the same server and options, with its own time limit if given."""
        from ..http.clients import HttpClient

        return HttpClient(
            self._address.url,
            token=token,
            headers=self._options.headers,
            ssl_context=self._options.ssl_context,
            proxy=self._options.proxy,
            timeout=self._options.connect_timeout if timeout is None else timeout,
        )
