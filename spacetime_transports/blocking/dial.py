"""Getting the credentials and a connected socket for one attempt of a blocking client."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from spacetime_proto.client.life import Credentials
from spacetime_proto.errors import ConnectError, SpacetimeError

from ..dialling import DialPlan
from ..net.address import is_literal, parse_proxy
from ..net.blocking_stream import open_socket
from ..token_sources import checked_token, refuse_awaitable

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.schema.model import ModuleDef

    from ..http.clients import HttpClient


class Errand:
    """Something slow, such as dialling, done in a thread of its own.

    So `frame_tick` and Ctrl-C need not wait for it. If it is abandoned, its result is closed, if
    it has ``close``: by `abandon` when the result is there, by the thread when it comes later.

    Args:
        function: what to do.
        when_done: called at the end, in the same thread.
    """

    def __init__(self, function: Callable[[], Any], when_done: Callable[[], None]) -> None:
        self.value: Any = None
        self.error: Exception | None = None
        self.is_done = False
        self._is_abandoned = False
        self._lock = threading.Lock()
        self._function = function
        self._when_done = when_done
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in another thread."""
        import contextvars  # only here: those who need no thread need not pay for it

        run = (
            contextvars.copy_context().run
        )  # for a token callable that looks at a context variable
        self._thread = threading.Thread(
            target=run, args=(self.run,), name="spacetime-dial", daemon=True
        )
        self._thread.start()

    def run(self) -> None:
        """Do it now, in this thread."""
        try:
            self.value = self._function()
        except Exception as error:
            self.error = error
        with self._lock:
            self.is_done = True
            self._discard()
        self._when_done()

    def join(self) -> None:
        """Wait for the thread of an errand that is done to be gone."""
        if self._thread is not None:
            self._thread.join()

    def abandon(self) -> None:
        """Give up the result."""
        with self._lock:
            self._is_abandoned = True
            self._discard()

    def _discard(self) -> None:
        if self.is_done and self._is_abandoned and hasattr(self.value, "close"):
            self.value.close()


class Dialer(DialPlan):
    """Makes attempts for one client; deadlines are points on `time.monotonic`, or None."""

    @property
    def knows_token(self) -> bool:
        """Whether finding the credentials takes no time."""
        return not callable(self._options.token) and self._options.token_via == "header"

    @property
    def looks_up_no_name(self) -> bool:
        """Whether dialling ends in time and at Ctrl-C in any thread: only a look-up does not."""
        proxy = self._options.proxy
        return is_literal((self._address if proxy is None else parse_proxy(proxy)).host)

    def dial(self, deadline: float | None) -> socket.socket:
        """Connect."""
        return open_socket(
            self._address,
            ssl_context=self._options.ssl_context,
            proxy=self._options.proxy,
            timeout=_seconds_until(deadline),
            limit=self._options.connect_timeout,
        )

    def credentials(self, issued: str | None, deadline: float | None) -> Credentials:
        """Find the credentials for one attempt; `issued` is the token the server gave earlier.

        The deadline limits the exchange of the token; nothing can limit a token callable.
        """
        token = self._choose_token(self._token(), issued)
        if not self._is_exchanged(token):
            return Credentials(token)
        with self._as_connect_error():
            client = self._client(token, _seconds_until(deadline))
            return Credentials(token, client.websocket_token())

    def _token(self) -> Any:
        found = self._ask_for_token()
        refuse_awaitable(found, self._options.token)
        return found

    def fetch_module(self, database: str, deadline: float | None) -> Module[Any]:
        """Make bindings from the server's description of `database`."""
        from spacetime_proto.bindings.client_module import dynamic_module

        token = checked_token(self._token())
        with self._as_connect_error():
            return dynamic_module(self._client(token, _seconds_until(deadline)).schema(database))

    def schema_is_late(self, database: str) -> ConnectError:
        """Return the error for a schema that does not come in time."""
        return ConnectError(
            f"{self._address.url} did not send the schema of {database!r} within"
            f" {self._options.connect_timeout or 0:g} s (option connect_timeout)"
        )

    def describe(self, database: str, *, timeout: float) -> ModuleDef | None:
        """Return the public description of `database`; None if it does not come in `timeout` s."""
        done = threading.Event()
        errand = Errand(lambda: self._client(None, timeout).schema(database), done.set)
        errand.start()
        if not done.wait(timeout) or isinstance(errand.error, SpacetimeError):
            return None
        errand.join()
        if errand.error is not None:
            raise errand.error
        found: ModuleDef = errand.value
        return found

    def _client(self, token: str | None, timeout: float | None = None) -> HttpClient:
        from ..http.clients import HttpClient

        return HttpClient(**self._http(token, timeout))


def _seconds_until(deadline: float | None) -> float | None:
    """Return the seconds left.

    Raises:
        ConnectError: none are.
    """
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise ConnectError("no time is left to connect", is_transient=True)
    return left
