"""The server's HTTP interface as values: a request, and how to read its answer (docs/protocol.md section 7).

Nothing here touches the network, so both HTTP clients are a few lines per operation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar
from urllib.parse import quote, unquote, urlencode

import msgspec

from spacetime_proto.errors import (
    PANIC_WORDS,
    AuthError,
    DatabaseNotFound,
    DecodeError,
    EncodeError,
    HttpError,
    InternalError,
    LocalProtocolError,
    QueryError,
    ReducerError,
    SchemaError,
)
from spacetime_proto.sats.sats_json import loads
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.reader import Reader
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp, Uuid
from spacetime_proto.wire.handshake import gateway_words
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse

from .results import IssuedIdentity, LogEntry, SqlResult, SqlStats

if TYPE_CHECKING:
    from spacetime_proto.schema.bound import BoundModule
    from spacetime_proto.schema.model import ModuleDef

R = TypeVar("R")

JSON_CONTENT = Headers({"Content-Type": "application/json"})
_DATABASE = "/v1/database/"
ENVIRONMENT_ROUTE = "/environment"
"""Below a database. A 404 without words means here that the server is too old to know it."""
_TEXT = Headers({"Content-Type": "text/plain; charset=utf-8"})


class Operation(msgspec.Struct, Generic[R], frozen=True):
    """A request without the client's own headers, and how to read its answer."""

    request: HttpRequest
    parse: Callable[[HttpResponse], R]
    """Returns the result, or raises the typed error of the answer."""
    otherwise: Callable[[HttpResponse], Operation[R] | None] = lambda response: None
    """Returns the operation to try instead if the server answers like this."""

    def result(self, response: HttpResponse) -> R:
        """Return what `response` says.

        Raises:
            HttpError: the server refused. Where the reason is known: AuthError, DatabaseNotFound,
                QueryError, ReducerError, InternalError.
            DecodeError: the answer does not belong to this request.
        """
        path = self.request.path
        no_words = response.status == 404 and not response.body.strip()
        if no_words and path.startswith(_DATABASE) and not path.endswith(ENVIRONMENT_ROUTE):
            # The answer of SpacetimeDB 1.x for a database that it does not have.
            name = unquote(path.removeprefix(_DATABASE).partition("?")[0].partition("/")[0])
            raise DatabaseNotFound(f"the server has no database {name!r} (404)", status=404)
        try:
            return self.parse(response)
        except SchemaError as error:
            if self.request.path.endswith("/schema"):
                raise
            text = str(error).removeprefix("schema: ")
            raise DecodeError(text, what=f"the answer to {self.request.path}") from error


# --- the server -------------------------------------------------------------------------------


def ping() -> Operation[None]:
    """Ask whether a server is there."""
    return Operation(HttpRequest("GET", "/v1/ping"), _nothing("ping"))


def identity() -> Operation[IssuedIdentity]:
    """Ask for a new identity and its token."""

    def parse(response: HttpResponse) -> IssuedIdentity:
        body = json_answer(response, "a new identity")
        return IssuedIdentity(identity_in(body["identity"]), body["token"].text())

    return Operation(HttpRequest("POST", "/v1/identity"), parse)


def websocket_token() -> Operation[str]:
    """Ask for a token that is valid for 60 seconds and may stand in a URL."""

    def parse(response: HttpResponse) -> str:
        return json_answer(response, "a WebSocket token")["token"].text()

    return Operation(HttpRequest("POST", "/v1/identity/websocket-token"), parse)


# --- databases --------------------------------------------------------------------------------


def database_identity(database: str) -> Operation[Identity]:
    """Ask for the identity behind a name."""

    def parse(response: HttpResponse) -> Identity:
        text = successful(response, f"the identity of {database}").text.strip()
        return identity_in(Reader(text, "body"))

    return Operation(HttpRequest("GET", database_path(database, "identity")), parse)


def names(database: str) -> Operation[tuple[str, ...]]:
    """Ask for all names of a database."""

    def parse(response: HttpResponse) -> tuple[str, ...]:
        body = json_answer(response, f"the names of {database}")
        return tuple(item.text() for item in body["names"].items())

    return Operation(HttpRequest("GET", database_path(database, "names")), parse)


def schema(database: str, *, version: int | None = None) -> Operation[ModuleDef]:
    """Ask for a module description.

    Args:
        database: name or identity.
        version: 9 or 10; None asks for 10, and for 9 where a 1.x server knows no other.

    Raises:
        LocalProtocolError: `version` is none of them.
    """
    if version not in (None, 9, 10):
        raise LocalProtocolError(f"version must be 9 or 10, not {version!r}")

    def parse(response: HttpResponse) -> ModuleDef:
        return load_schema(successful(response, f"the schema of {database}").body)

    def ask_for_9(response: HttpResponse) -> Operation[ModuleDef] | None:
        if version is None and response.status == 400 and "`10`" in response.text:
            return schema(database, version=9)
        return None

    request = HttpRequest("GET", database_path(database, "schema", version=version or 10))
    return Operation(request, parse, ask_for_9)


def sql(database: str, query: str, *, confirmed: bool | None = None) -> Operation[SqlResult]:
    """Run one SQL statement."""

    def parse(response: HttpResponse) -> SqlResult:
        if response.status == 400:
            _raise_auth(response, f"SQL on {database}")
            raise QueryError(f"{database} refused the SQL: {response.text.strip()}", query=query)
        results = list(json_answer(response, f"SQL on {database}").items())
        if len(results) != 1:
            raise DecodeError(f"{len(results)} results for one SQL statement")
        return _sql_result(results[0])

    target = database_path(database, "sql", confirmed=confirmed)
    return Operation(HttpRequest("POST", target, _TEXT, query.encode()), parse)


def _sql_result(result: Reader) -> SqlResult:
    stats = result.get("stats", {})
    return SqlResult(
        result["schema"].product(),
        [
            row.value if isinstance(row.value, list) else [row.value]
            for row in result["rows"].items()
        ],
        duration_micros=result.get("total_duration_micros", 0).number(),
        stats=SqlStats(*(stats.get(name, 0).number() for name in SqlStats.__struct_fields__)),
    )


def call(
    database: str,
    function: str,
    args: Sequence[Any] | Mapping[str, Any] = (),
    *,
    module: BoundModule | None = None,
) -> Operation[Any]:
    """Call a reducer or procedure.

    With `module` the arguments and the returned value are typed; without it they are JSON, in which
    value types and bytes may stand. A mapping names the parameters; if the bindings know all its
    names, the arguments are sent in order, which servers of every version take.
    """
    bound = None
    if module is not None:
        bound = module.reducers.get(function) or module.procedures.get(function)
        if bound is None:
            raise LocalProtocolError(f"the bindings know no reducer or procedure {function!r}")
    if bound is not None and isinstance(args, Mapping):
        names = [element.name or "" for element in bound.definition.params.elements]
        if args.keys() == set(names):
            args = [args[name] for name in names]
    if bound is not None and not isinstance(args, Mapping):
        body = bound.args_to_json(args)
    else:
        body = _dumps(args if isinstance(args, Mapping) else list(args))

    def parse(response: HttpResponse) -> Any:
        if not 200 <= response.status < 300:
            _raise_call(response, database, function)
        if not response.body:
            return None
        return loads(response.body) if bound is None else bound.return_from_json(response.text)

    return Operation(
        HttpRequest(
            "POST",
            database_path(database, f"call/{quote(function, safe='')}"),
            JSON_CONTENT,
            body.encode(),
        ),
        parse,
    )


def _raise_call(response: HttpResponse, database: str, function: str) -> NoReturn:
    text = response.text.strip()
    if response.status == 530 and PANIC_WORDS in text:
        raise InternalError(text, name=function)
    if response.status == 530:
        raise ReducerError(text, name=function)
    _raise_auth(response, f"the call of {function}")
    not_there = response.status == 404 and text.startswith("No such procedure")
    if not_there or response.status in (400, 500):
        raise InternalError(f"{database} could not run {function}: {text}", name=function)
    raise_for(response, f"the call of {function} on {database}")


def logs(database: str, *, num_lines: int | None = None, follow: bool = False) -> Operation[None]:
    """Ask for a database's log; its lines come in the body, see `LogLines`.

    Raises:
        LocalProtocolError: `num_lines` is not a count.
    """
    if num_lines is not None and (
        isinstance(num_lines, bool) or not isinstance(num_lines, int) or num_lines < 0
    ):
        raise LocalProtocolError(f"num_lines must be 0 or more, or None, not {num_lines!r}")
    target = database_path(database, "logs", num_lines=num_lines, follow=follow or None)
    return Operation(HttpRequest("GET", target), _nothing(f"the log of {database}"))


class LogLines:
    """Cuts the streamed answer to `logs` into entries."""

    def __init__(self, operation: Operation[None]) -> None:
        self._operation = operation
        self._rest = b""

    def feed(
        self,
        piece: HttpResponse | bytes,
        result: Callable[[Operation[None], HttpResponse], object] = Operation.result,
    ) -> Iterator[LogEntry]:
        """Yield the entries that `piece` completes.

        Args:
            piece: the response, or a part of its body.
            result: `Operation.result`, or what does more.

        Raises:
            HttpError: `piece` is the response, and an error; other types as in `Operation.result`.
            DecodeError: a line is not a JSON object.
        """
        if isinstance(piece, HttpResponse):
            result(self._operation, piece)
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                entry = loads(line)
                if not isinstance(entry, dict):
                    raise DecodeError("no JSON object", what="a line of the log")
                yield LogEntry(**entry)  # type: ignore[typeddict-item]


def delete(database: str) -> Operation[None]:
    """Delete a database."""
    return Operation(
        HttpRequest("DELETE", database_path(database)), _nothing(f"deleting {database}")
    )


# --- requests ---------------------------------------------------------------------------------


def database_path(database: str, tail: str = "", **query: object) -> str:
    """Return the path below a database, with the parameters that are not None."""
    if not database:
        raise LocalProtocolError("the name of the database is empty")
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }
    path = f"{_DATABASE}{quote(database, safe='')}" + (f"/{tail}" if tail else "")
    return f"{path}?{urlencode(given)}" if given else path


def _dumps(value: object) -> str:
    try:
        return json.dumps(value, default=_to_json, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"not expressible as JSON: {error}", what="the arguments") from error


def _to_json(value: object) -> object:
    """Return the SATS-JSON input form of a value that `json` cannot encode."""
    match value:
        case Identity():
            return {"__identity__": f"0x{value.to_hex()}"}
        case ConnectionId():
            return {"__connection_id__": int(value)}
        case Uuid():
            return {"__uuid__": int(value)}
        case Timestamp():
            return {"__timestamp_micros_since_unix_epoch__": value.micros_since_unix_epoch}
        case TimeDuration():
            return {"__time_duration_micros__": value.micros}
        case bytes():
            return value.hex()
    raise TypeError(f"{type(value).__name__} needs the bindings (module=) to be encoded")


# --- answers ----------------------------------------------------------------------------------


def _nothing(what: str) -> Callable[[HttpResponse], None]:
    def parse(response: HttpResponse) -> None:
        successful(response, what)

    return parse


def json_answer(response: HttpResponse, what: str) -> Reader:
    return Reader(loads(successful(response, what).body), "body")


def identity_in(found: Reader) -> Identity:
    try:
        return Identity.from_hex(found.text())
    except ValueError as error:
        raise SchemaError(f"{found.path} is no identity: {error}") from error


def successful(response: HttpResponse, what: str) -> HttpResponse:
    """Return `response` if its status is 2xx, else raise its error."""
    if 200 <= response.status < 300:
        return response
    raise_for(response, what)


def raise_for(response: HttpResponse, what: str, hint: str = "") -> NoReturn:
    """Raise the error of a response that is none of success; `hint` ends its message.

    Raises:
        AuthError: it is about the token, or what the caller may do.
        DatabaseNotFound: there is no such database.
        HttpError: everything else.
    """
    _raise_auth(response, what)
    status, text = response.status, response.text.strip()
    if status == 404 and ("not found" in text or "No such database" in text):
        raise DatabaseNotFound(f"{what}: {text}", status=status, body=text)
    words = text.partition("\n")[0][:300]  # the first line, because a proxy may send a whole page
    said = gateway_words(status, response.headers, words) or words
    said = f": {said}" if said else ""
    hint = f"; {hint}" if hint else ""
    message = f"{what} failed with HTTP status {status}{said}{hint}"
    raise HttpError(message, status=status, body=text)


def _raise_auth(response: HttpResponse, what: str) -> None:
    """Raise AuthError if the answer is about the token or what it may do (docs/protocol.md 3.2, 7.1)."""
    text = response.text.strip()
    about_token = response.status == 400 and "Authorization" in text and "token" in text
    if response.status in (401, 403) or about_token:
        said = f": {text}" if text else ""
        message = f"{what} was refused ({response.status}){said}"
        raise AuthError(message, status=response.status, body=text)
