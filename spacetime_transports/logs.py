"""What is written to the log: the loggers ``spacetimedb.client``, ``.http`` and ``.server``.

As long as a program has not imported `logging`, it cannot have asked for any output, and nothing is
done; the blocking client does not import it by itself. What comes from outside, such as the words of
a server, is escaped and cut, so that it cannot forge a line of the log. No record has a token, a
query of a URL, or the contents of a message.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from spacetime_proto.client.callbacks import SlowCallback
from spacetime_proto.client.causes import DisconnectedEvent
from spacetime_proto.errors import Disconnected, ProtocolError, SpacetimeError, redact

from .options import callback_name

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from spacetime_proto.client.context import Context
    from spacetime_proto.client.life_status import LifeStatus
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.tap import Tap
    from spacetime_proto.types import Identity
    from spacetime_proto.wire.http_exchange import HttpRequest

    from .net.route import Route

Area = Literal["client", "http", "server"]

_DEBUG: Final = 10
_LONGEST: Final = 500
#: Callbacks that a record names; a batch of rows may have run more.
_MAX_NAMES: Final = 3


def logger(area: Area) -> logging.Logger | None:
    """Return the logger of an area; None if the program does not use `logging`."""
    library: Any = sys.modules.get("logging")
    if library is None:
        return None
    root = library.getLogger("spacetimedb")
    if not root.handlers:
        # Without a handler of the program nothing is printed, warnings included.
        root.addHandler(library.NullHandler())
    found: logging.Logger = library.getLogger(f"spacetimedb.{area}")
    return found


def shown(value: object) -> str:
    """Return text for a record: one line of printable characters, not too long, without tokens."""
    text = redact(str(value))
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "..."
    if text.isprintable():
        return text
    # Control characters, line breaks, and those that change the direction of text or cannot be seen.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _named(error: BaseException | None) -> str:
    return shown(f"{type(error).__name__}: {error}")


class ClientLog:
    """Writes what becomes of one client.

    Args:
        status: the client.
        url: the server.
        database: the database.
        slow: from how many seconds on a callback is slow; None: none is.
    """

    def __init__(
        self, status: LifeStatus[Any], url: str, database: str, slow: float | None
    ) -> None:
        self._status = status
        self._where = shown(f"{database} at {url}")
        self._is_told = False
        """Whether the reason of the end is in the log."""
        self._tap: Tap | None = None
        for kind, callback in (
            ("connect", self._connected),
            ("connect_error", self._failed),
            ("disconnect", self._lost),
        ):
            status.callbacks.add_own(kind, callback)
        if slow is not None:
            status.callbacks.slow = SlowCallback(slow, self._slow)

    def watch(self, session: ClientSession[Any]) -> None:
        """Show the messages of a new session to the log, if it wants them, besides to its tap."""
        self._tap = session.tap
        self._choose_tap()

    def _choose_tap(self) -> None:
        # Asked once per connection: a session without a tap does nothing per message.
        log, session = logger("client"), self._status.session
        if session is not None:
            wants = log is not None and log.isEnabledFor(_DEBUG)
            session.tap = LogTap(log, self._tap) if wants else self._tap  # type: ignore[arg-type]

    def _connected(self, ctx: object, identity: Identity, token: str) -> None:
        log, session = logger("client"), self._status.session
        if log is not None and session is not None:
            again = "" if session.counters.connections == 1 else " again"
            log.info(
                "connected%s to %s as %s..., %s",
                again, self._where, str(identity)[:8], session.protocol,
            )  # fmt: skip

    def _failed(self, ctx: Context[Any], error: BaseException) -> None:
        self._ended(ctx, "cannot connect to", error)

    def _lost(self, ctx: Context[Any], error: BaseException | None) -> None:
        log = logger("client")
        if log is not None and isinstance(error, ProtocolError):
            log.warning("refused a message of %s: %s", self._where, _named(error))
        self._ended(ctx, "lost the connection to", error)

    def _ended(self, ctx: Context[Any], what: str, error: BaseException | None) -> None:
        self._choose_tap()  # the level may have changed
        log, why = logger("client"), ctx.event
        if log is None or not isinstance(error, (SpacetimeError, OSError)):
            return  # of what a callback raised, `over` tells
        if isinstance(why, DisconnectedEvent) and why.retry_in is not None:
            log.warning(
                "%s %s: %s; next attempt in %.1f s", what, self._where, _named(error), why.retry_in
            )
            return
        self._is_told = True
        # Whoever waits for the first connection is raised the error; later, perhaps nobody waits.
        level = log.error if self._status.is_up else log.warning
        level("%s %s: %s; no further attempt", what, self._where, _named(error))

    def over(self) -> None:
        """Write that the client is over."""
        log, error = logger("client"), self._status.error
        if log is None or self._is_told:
            return
        if not isinstance(error, Exception) or isinstance(error, Disconnected):
            # It was closed, or cancelled.
            log.info("closed the client of %s", self._where)
        else:
            log.error("the client of %s has failed: %s", self._where, _named(error))

    def _slow(
        self, calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]], seconds: float
    ) -> None:
        """Write that callbacks took long; as `SlowCallback.tell`."""
        log = logger("client")
        if log is None:
            return
        # The runner of the 0.7 API gets the callback as its first argument.
        functions = [args[0] if args and callable(args[0]) else found for found, args in calls]
        names = list(dict.fromkeys(map(callback_name, functions)))
        more = "" if len(names) <= _MAX_NAMES else " and others"
        number = "" if len(calls) == 1 else f" ({len(calls)} calls)"
        log.warning(
            "slow callback of %s: %s%s%s took %.3f s",
            self._where, shown(", ".join(names[:_MAX_NAMES])), more, number, seconds,
        )  # fmt: skip


class LogTap:
    """A `spacetime_proto.client.tap.Tap` that writes direction, size and kind of each message.

    Args:
        log: where to.
        tap: the tap that the session would have without it.
    """

    def __init__(self, log: logging.Logger, tap: Tap | None) -> None:
        self._log = log
        self._tap = tap
        self._protocol = ""

    def started(self, protocol: str, headers: Iterable[tuple[str, str]]) -> None:
        """Note the protocol, which says how to read the kind of a message."""
        self._protocol = protocol
        self._log.debug("the server speaks %s", protocol)
        if self._tap is not None:
            self._tap.started(protocol, headers)

    def message(self, direction: Literal["client", "server"], payload: bytes | str) -> None:
        """Write one line for a message."""
        from spacetime_proto.messages.kinds import kind_of

        self._log.debug(
            "%s %d %s: %s",
            "sent" if direction == "client" else "received",
            len(payload),
            "bytes" if isinstance(payload, bytes) else "characters",
            kind_of(self._protocol, direction, payload),
        )
        if self._tap is not None:
            self._tap.message(direction, payload)

    def closed(self, direction: Literal["client", "server"], code: int | None, reason: str) -> None:
        """Write how the WebSocket was closed."""
        self._log.debug("closed by the %s, code %s: %s", direction, code, shown(reason))
        if self._tap is not None:
            self._tap.closed(direction, code, reason)


class HttpLog:
    """Writes what becomes of one HTTP request.

    Args:
        request: of it, method and path are written.
        route: to which server.
    """

    def __init__(self, request: HttpRequest, route: Route) -> None:
        self._what = f"{request.method} {request.path} of {route.address.authority}"
        self._begun = time.perf_counter()

    def answered(self, status: int) -> None:
        """Write the status of an answer."""
        log = logger("http")
        if log is not None:
            log.debug(
                "%s: %d in %.3f s", shown(self._what), status, time.perf_counter() - self._begun
            )

    def failed(self, error: BaseException) -> None:
        """Write why there is no answer. Not as a warning, because the caller is raised the error."""
        log = logger("http")
        if log is not None:
            seconds = time.perf_counter() - self._begun
            what = shown(self._what)
            log.info("%s: no answer after %.3f s: %s", what, seconds, _named(error))

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Write the error that leaves the block, if one does."""
        try:
            yield
        except Exception as error:
            self.failed(error)
            raise
