"""The one family of errors that this project raises.

The class says whose fault it is: ``LocalProtocolError`` is the caller's, ``ProtocolError`` the
server's, ``ReducerError`` the module's. Every message says what was being done and to what. A token
never appears in one: the code that builds messages has no access to it, and text that came over the
wire is passed through `redact` first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AuthError",
    "CallTimeout",
    "ConnectError",
    "DatabaseNotFound",
    "DecodeError",
    "Disconnected",
    "EncodeError",
    "EnvironmentConflict",
    "HandshakeError",
    "HttpError",
    "InternalError",
    "LimitExceeded",
    "LocalProtocolError",
    "MissingEnvironment",
    "ProtocolError",
    "QueryError",
    "ReducerError",
    "SchemaError",
    "SchemaMismatch",
    "SpacetimeError",
    "SubscriptionError",
    "redact",
]

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?")


def redact(text: str) -> str:
    """Return `text` with everything that looks like a JSON web token replaced by ``<token>``."""
    return _JWT.sub("<token>", text)


def said(error: BaseException) -> str:
    """Return what `error` says, for the text of another one: errors of this library need no name."""
    text, name = str(error), type(error).__name__
    if not text:
        return name
    return text if isinstance(error, SpacetimeError) else f"{name}: {text}"


class SpacetimeError(Exception):
    """Base of all errors raised by `spacetime_proto` and `spacetime_transports`."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))

    @property
    def message(self) -> str:
        """The sentence that says what went wrong."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors want more than the text, so the parts are put back instead.
        return _restore, (type(self), self.args, vars(self))


def _restore(
    cls: type[SpacetimeError], args: tuple[Any, ...], parts: dict[str, Any]
) -> SpacetimeError:
    """Return an error that was pickled or copied."""
    error = cls.__new__(cls, *args)
    error.args = args  # which an `OSError` leaves to its constructor
    vars(error).update(parts)
    return error


# --- getting a connection ---------------------------------------------------------------------


#: HTTP statuses with which a gateway says that the server is not there, or not now.
_NOT_NOW = frozenset({429, 502, 503, 504})


class ConnectError(SpacetimeError):
    """No connection could be made: name resolution, TCP, TLS, proxy or handshake failed.

    Attributes:
        is_transient: whether the server was not there, or not yet: the same attempt may succeed
            later. False for a refusal, and for an answer of something that is no SpacetimeDB.
        retry_after: the seconds that the server asks to wait before the next attempt, if it does.
        retry_soon: whether the server has asked for another attempt in a moment, as it does while
            it ends an earlier connection of this client.
    """

    retry_after: float | None = None
    retry_soon = False

    def __init__(self, message: str, *, is_transient: bool = False) -> None:
        super().__init__(message)
        self.is_transient = is_transient


class HandshakeError(ConnectError):
    """The server answered the WebSocket upgrade with something other than 101.

    Attributes:
        status: the HTTP status code, or None if the answer was no HTTP response.
        body: the body of the answer as text, at most a few KiB.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        body: str = "",
        is_transient: bool = False,
    ) -> None:
        super().__init__(message, is_transient=is_transient or status in _NOT_NOW)
        self.status = status
        self.body = redact(body)


class AuthError(HandshakeError):
    """The server refused the token or the caller (401, 403, or 400 for a malformed token)."""

    def with_hint(self, hint: str) -> AuthError:
        """Return this error with a hint about its token; itself if the token was not the reason."""
        if not hint or self.status == 403:
            return self
        return AuthError(f"{self}; {hint}", status=self.status, body=self.body)


class DatabaseNotFound(HandshakeError):
    """No database of that name or identity on this server (404)."""


class HttpError(SpacetimeError):
    """An HTTP request to the server was answered with an error status.

    Attributes:
        status: the HTTP status code.
        body: the body of the answer as text.
    """

    def __init__(self, message: str, *, status: int, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = redact(body)


class MissingEnvironment(HttpError):
    """Variables that the module requires would have no value; nothing was published or changed (400).

    Attributes:
        keys: their names.
    """

    def __init__(self, message: str, *, keys: Iterable[str], status: int, body: str = "") -> None:
        super().__init__(message, status=status, body=body)
        self.keys = tuple(keys)


class EnvironmentConflict(HttpError):
    """Another module was published meanwhile, which may declare other variables (409).

    Nothing was changed. Ask for the metadata again, and send the values with its hash.
    """


# --- losing it --------------------------------------------------------------------------------


class Disconnected(SpacetimeError):
    """The connection is over, or was lost while something was waiting on it.

    Attributes:
        code: WebSocket close code, or None when no close frame came.
        reason: the peer's reason text.
        outcome_unknown: True on a call that had been sent: the server may or may not have run it.
        is_final: whether the client is over. False while it is about to connect again, and for an
            HTTP request: the same request may succeed later.
        retry_soon: whether the next connection can be made at once: the server did not know a
            message, and the client goes on without it.
    """

    retry_soon = False

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        reason: str = "",
        outcome_unknown: bool = False,
        is_final: bool = True,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = redact(reason)
        self.outcome_unknown = outcome_unknown
        self.is_final = is_final

    @classmethod
    def because(
        cls,
        what: str,
        cause: BaseException | None,
        closed: str = "this client closed the connection",
        *,
        outcome_unknown: bool = False,
        is_final: bool = True,
    ) -> Disconnected:
        """Make the error for `what`, which failed because of `cause`; if None, because `closed`."""
        code, reason = getattr(cause, "code", None), getattr(cause, "reason", "")
        error = cls(
            f"{what}: {closed if cause is None else said(cause)}",
            code=code if isinstance(code, int) else None,
            reason=reason if isinstance(reason, str) else "",
            outcome_unknown=outcome_unknown,
            is_final=is_final,
        )
        error.__cause__ = cause
        return error


# --- the server's fault -----------------------------------------------------------------------


class ProtocolError(SpacetimeError):
    """The peer sent something that the protocol does not allow."""


class DecodeError(ProtocolError):
    """Bytes or JSON that cannot be decoded.

    Attributes:
        what: the message, table, type or file that was being decoded.
        offset: byte offset of the damage within `what`, when known.
    """

    def __init__(self, message: str, *, what: str = "", offset: int | None = None) -> None:
        where = f" in {what}" if what else ""
        at = f" at byte {offset}" if offset is not None else ""
        super().__init__(f"{message}{where}{at}")
        self.detail = message
        self.what = what
        self.offset = offset

    def within(self, what: str) -> DecodeError:
        """Return the same error placed inside `what` (outer context comes last)."""
        path = f"{self.what} of {what}" if self.what else what
        error = DecodeError(self.detail, what=path, offset=self.offset)
        error.__cause__ = self.__cause__
        return error


class LimitExceeded(ProtocolError):
    """A named limit was exceeded; raise the option of that name if the data is legitimate.

    Attributes:
        limit: the name of the limit, as in `Limits`.
        maximum: its value.
        what: the message, table or type that was being decoded, when known.
    """

    def __init__(self, message: str, *, limit: str, maximum: int | float, what: str = "") -> None:
        where = f" in {what}" if what else ""
        super().__init__(f"{message}{where} (limit {limit} = {maximum})")
        self._found = message
        self.limit = limit
        self.maximum = maximum
        self.what = what

    def within(self, what: str) -> LimitExceeded:
        """Return the same error placed inside `what` (outer context comes last)."""
        path = f"{self.what} of {what}" if self.what else what
        return LimitExceeded(self._found, limit=self.limit, maximum=self.maximum, what=path)


# --- the caller's fault -----------------------------------------------------------------------


class LocalProtocolError(SpacetimeError):
    """The program that uses this library did something that is not allowed now or at all."""


class EncodeError(LocalProtocolError):
    """A value does not fit the type it was to be encoded as."""

    def __init__(self, message: str, *, what: str = "") -> None:
        super().__init__(f"{message} in {what}" if what else message)
        self.detail = message
        self.what = what

    def within(self, what: str) -> EncodeError:
        """Return the same error placed inside `what` (outer context comes last)."""
        error = EncodeError(self.detail, what=f"{self.what} of {what}" if self.what else what)
        error.__cause__ = self.__cause__
        return error


class QueryError(SpacetimeError):
    """A query that the builder refuses to write, or that the server refused to run.

    Attributes:
        query: the SQL text, when there is one.
    """

    def __init__(self, message: str, *, query: str | None = None) -> None:
        super().__init__(message)
        self.query = query


# --- the module and its host ------------------------------------------------------------------


class SubscriptionError(SpacetimeError):
    """The server refused a subscription, or gave up a live one.

    Attributes:
        queries: the SQL texts of the query set.
    """

    def __init__(self, message: str, *, queries: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.queries = tuple(queries)


class ReducerError(SpacetimeError):
    """A reducer returned an error, and its transaction was rolled back.

    Attributes:
        name: the reducer.
        value: the decoded error value (so far a str in every module).
    """

    def __init__(self, message: str, *, name: str = "", value: object = None) -> None:
        super().__init__(message)
        self.name = name
        self.value = message if value is None else value


#: How the host ends what it says of a reducer that panicked, where nothing else tells it from a
#: module's own error: on v1 and over HTTP (docs/protocol.md section 4.4).
PANIC_WORDS: Final = "instance encountered a fatal error."


class InternalError(SpacetimeError):
    """The module panicked or the host could not run the function: unknown name, bad arguments.

    Attributes:
        name: the reducer or procedure.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class CallTimeout(SpacetimeError, TimeoutError):
    """No answer within the time given; the call may still be executed by the server."""

    @classmethod
    def after(cls, what: str, seconds: float | None) -> CallTimeout:
        """Make the error that `what`, such as "x was not answered", for a time limit in seconds."""
        return cls(f"{what} within {seconds:g} s" if seconds else f"{what} yet, and timeout is 0")


class SchemaError(SpacetimeError):
    """A schema (JSON, BSATN or Python module) is not a valid module description."""


class SchemaMismatch(SpacetimeError):
    """The database's schema does not fit the bindings.

    Attributes:
        differences: one sentence per difference.
    """

    def __init__(self, message: str, *, differences: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.differences = tuple(differences)
