"""How to connect: which token to use, whether it is exchanged, and the settings of HTTP requests.

`aio.dial` and `blocking.dial` add what waits.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from spacetime_proto.errors import (
    AuthError,
    CallTimeout,
    ConnectError,
    Disconnected,
    HandshakeError,
    HttpError,
)

from .token_sources import ask, checked_token, refused_hint, warn_if_exposed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .net.address import Address
    from .options import ConnectOptions


class DialPlan:
    """What has to be known to dial for one client; `AsyncDialer` and `Dialer` do it.

    Their methods raise ConnectError for whatever stood in the way on the network. `credentials`
    also raises LocalProtocolError (a token file cannot be read, the token is none, or a blocking
    client has an async token callable) and what a token callable raised. `fetch_module` also raises
    DatabaseNotFound; `describe` raises any SpacetimeError.
    """

    def __init__(self, address: Address, options: ConnectOptions) -> None:
        self._address = address
        self._options = options

    def _ask_for_token(self) -> Any:
        """Return the token of the options, or what a callable returned, which may be awaitable."""
        return ask(self._options.token)

    def _choose_token(self, found: object, issued: str | None) -> str | None:
        """Return the token for an attempt; warns if it would travel in the clear.

        Args:
            found: the token from the options, unchecked.
            issued: the token that the server gave earlier, used if the options have none. (A callable
                that returns None asks for a new identity.)

        Raises:
            LocalProtocolError: what was found is not a token.
        """
        token = checked_token(found)
        if token is None and not self._options.has_fresh_tokens:
            token = issued
        secure, host = self._address.secure, self._address.host
        warn_if_exposed(host, secure=secure, token=token, stacklevel=4)
        return token

    def _is_exchanged(self, token: str | None) -> bool:
        """Whether the token is exchanged for a short-lived one, for the URL."""
        return token is not None and self._options.token_via == "websocket-token"

    def _http(self, token: str | None, timeout: float | None) -> dict[str, Any]:
        """Return the arguments of an HTTP client for the same server and options."""
        options = self._options
        return {
            "host": self._address.url,
            "token": token,
            "headers": options.headers,
            "ssl_context": options.ssl_context,
            "proxy": options.proxy,
            "timeout": options.connect_timeout if timeout is None else timeout,
        }

    @contextlib.contextmanager
    def _as_connect_error(self) -> Iterator[None]:
        """Turn the errors of an HTTP request made in order to connect into ConnectError."""
        try:
            yield
        except AuthError as error:
            raise error.with_hint(refused_hint(self._options.token)) from error.__cause__
        except (CallTimeout, Disconnected) as error:
            raise ConnectError(str(error), is_transient=True) from error
        except HttpError as error:
            raise HandshakeError(str(error), status=error.status, body=error.body) from error
