"""The HTTP routes of the server: a pure function from request to response (docs/protocol.md section 7)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import parse_qs, unquote

import msgspec

from ...errors import QueryError
from ...sats import sats_json
from ...schema.load import to_v10_json
from ...schema.reader import type_to_json
from ...types import Identity, Timestamp
from ...wire.headers import Headers
from ...wire.http_exchange import HttpRequest, HttpResponse
from ..engine.database import Database, LogLine
from ..engine.outcomes import ProcedureOutcome
from ..sql.run import StatementResult, run_sql
from .environment_routes import change_environment, environment_json
from .host import Host
from .schema_v9 import v9_json
from .tokens import Claims, TokenRefused

__all__ = ["BadRequest", "database_of", "respond"]

_VERSION = "2.14.0"
"""Of SpacetimeDB, whose answers these are."""


class BadRequest(Exception):
    """An error answer: a status and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class RoutedRequest(msgspec.Struct):
    """One request on its way through the routes.

    Attributes:
        claims: those of the caller; of a new identity if the request carries no token.
        token: the token presented, or minted.
        is_anonymous: no token was presented.
    """

    host: Host
    request: HttpRequest
    now: float
    time: Timestamp
    query: dict[str, str]
    path: tuple[str, ...]
    claims: Claims
    token: str
    is_anonymous: bool


Handler: TypeAlias = Callable[[RoutedRequest], HttpResponse]


def respond(host: Host, request: HttpRequest, now: float) -> HttpResponse:
    """Answer a request. A bad one gets an error response; none raises."""
    path = tuple(unquote(part) for part in request.path.strip("/").split("/"))
    if request.method == "OPTIONS":
        return HttpResponse(200, Headers(_CORS))
    handler = _find(request.method, path)
    if isinstance(handler, int):
        return HttpResponse(handler, Headers(_CORS))
    try:
        call = _call(host, request, now, path)
    except TokenRefused as error:
        return _text(str(error), error.status)
    try:
        response = handler(call)
    except (BadRequest, TokenRefused) as error:
        response = _text(str(error), error.status)
    if path[:2] != ("v1", "database"):
        return response
    identity = {
        "spacetime-identity": call.claims.hex_identity,
        "spacetime-identity-token": call.token,
    }
    return HttpResponse(
        response.status, Headers([*response.headers, *identity.items()]), response.body
    )


def database_of(host: Host, request: HttpRequest) -> Database:
    """Return the database that ``/v1/database/NAME/...`` names.

    Raises:
        BadRequest: there is none.
    """
    path = request.path.strip("/").split("/")
    if len(path) < 3 or path[:2] != ["v1", "database"]:
        raise BadRequest(404, "")
    name = unquote(path[2])
    database = host.find(name)
    if database is not None:
        return database
    if re.fullmatch("[0-9a-fA-F]{64}", name):
        raise BadRequest(404, "No such database.")
    raise BadRequest(404, f"`{name}` not found")


def _call(host: Host, request: HttpRequest, now: float, path: tuple[str, ...]) -> RoutedRequest:
    time = host.time(now)
    query = {name: values[0] for name, values in parse_qs(request.query).items()}
    presented = host.authenticate(request.headers.get("authorization"), query.get("token"), time)
    claims, token = presented or host.mint(time)
    return RoutedRequest(host, request, now, time, query, path, claims, token, presented is None)


# --- the server -------------------------------------------------------------------------------


def _ping(call: RoutedRequest) -> HttpResponse:
    return HttpResponse(200, Headers(_CORS))


def _health(call: RoutedRequest) -> HttpResponse:
    return _json(
        {
            "nodes": [0],
            "package_name": "spacetimedb-client-api",
            "schedulable": True,
            "version": _VERSION,
        }
    )


def _new_identity(call: RoutedRequest) -> HttpResponse:
    claims, token = call.host.mint(call.time)
    return _json({"identity": claims.hex_identity, "token": token})


def _public_key(call: RoutedRequest) -> HttpResponse:
    return _answer("application/pem-certificate-chain", call.host.authority.public_key)


def _websocket_token(call: RoutedRequest) -> HttpResponse:
    _need_token(call)
    return _json({"token": call.host.websocket_token(call.claims, call.time)})


def _verify(call: RoutedRequest) -> HttpResponse:
    _need_token(call)
    matches = _identity(call.path[2]) == call.claims.identity
    return HttpResponse(204 if matches else 400, Headers(_CORS))


def _owned(call: RoutedRequest) -> HttpResponse:
    owner = _identity(call.path[2])
    owned = [db.identity.to_hex() for db in call.host.databases.values() if db.owner == owner]
    return _json({"identities": owned})


# --- a database -------------------------------------------------------------------------------


def _info(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    owner = database.owner or database.identity
    return _json(
        {
            "database_identity": {"__identity__": f"0x{database.identity}"},
            "owner_identity": {"__identity__": f"0x{owner}"},
            "host_type": {"Wasm": []},
            "initial_program": "0x0",
        }
    )


def _database_identity(call: RoutedRequest) -> HttpResponse:
    return _text(database_of(call.host, call.request).identity.to_hex())


def _names(call: RoutedRequest) -> HttpResponse:
    return _json({"names": [database_of(call.host, call.request).name]})


def _timestamp(call: RoutedRequest) -> HttpResponse:
    database_of(call.host, call.request)
    micros = call.time.micros_since_unix_epoch
    return _json({"__timestamp_micros_since_unix_epoch__": micros})


def _schema(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    version = call.query.get("version")
    if version not in ("9", "10"):
        raise BadRequest(400, "Failed to deserialize query string: version must be 9 or 10")
    text = to_v10_json(database.definition)
    return _json_text(text if version == "10" else v9_json(text, database.source_params))


def _delete(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    _need_owner(call, database, "delete database")
    call.host.remove(database.name)
    return HttpResponse(200, Headers(_CORS))


def _logs(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    _need_owner(call, database, "view module logs")
    lines = list(database.logs)
    if "num_lines" in call.query:
        if not call.query["num_lines"].isdecimal():
            raise BadRequest(400, "Failed to deserialize query string: num_lines is no number")
        count = int(call.query["num_lines"])
        lines = lines[max(0, len(lines) - count) :]
    return _answer("application/x-ndjson", "".join(map(_log_line, lines)))


def _log_line(line: LogLine) -> str:
    micros = line.timestamp.micros_since_unix_epoch
    return json.dumps({"level": line.level, "ts": micros, "message": line.message}) + "\n"


def _call_function(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    content_type = call.request.headers.get("content-type")
    if content_type is None:
        raise BadRequest(400, "Header of type `content-type` was missing")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise BadRequest(415, "")
    try:
        args = call.request.body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"invalid utf-8 in the arguments: {error.reason}") from error
    name = call.path[4]
    caller = database.caller(call.claims.identity, call.host.new_connection_id())
    refusal = database.connect(caller, call.time)
    if refusal is not None:
        raise BadRequest(403, refusal)
    try:
        if name in database.reducers:
            outcome = database.call_reducer(caller, name, args, now=call.time)
            if outcome.text == "no such reducer":
                raise BadRequest(404, "No such procedure")
            statuses = {"committed": 200, "error": 530, "panic": 530, "refused": 400}
            text = outcome.chain or outcome.text
            return _text(text, statuses[outcome.verdict], {"spacetime-energy-used": "0", **_TOOK})
        results: list[ProcedureOutcome] = []
        database.procedures.call(caller, name, args, now=call.time, done=results.append)
    finally:
        database.disconnect(caller, call.time)
    if not results:
        raise BadRequest(501, f"{name} sleeps; this development server runs it over WebSocket only")
    result = results[0]
    function = database.procedures.get(name)
    if result.value is None or function is None:
        status = 500 if result.timestamp.micros_since_unix_epoch else 400
        raise BadRequest(404 if result.text == "No such procedure" else status, result.text)
    return _json_text(function.result_json(result.value), _TOOK)


def _sql(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    caller = database.caller(call.claims.identity)
    try:
        result = run_sql(database, call.request.body.decode(), caller, call.time)
    except QueryError as error:
        raise BadRequest(400, str(error)) from error
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"invalid utf-8 in the query: {error.reason}") from error
    return _json_text(_sql_json(database, result), _TOOK)


def _sql_json(database: Database, result: StatementResult) -> str:
    context = database.types
    to_wire = [
        None if source is None else source[0].column_to_wire(source[1]) for source in result.sources
    ]
    rows = [
        [
            sats_json.to_json(
                element.type,
                context,
                value if convert is None else convert(value),
                style="positional",
            )
            for element, value, convert in zip(result.schema.elements, row, to_wire, strict=True)
        ]
        for row in result.rows
    ]
    elements = [
        {"name": {"some": element.name}, "algebraic_type": type_to_json(element.type)}
        for element in result.schema.elements
    ]
    return sats_json.dumps(
        [
            {
                "schema": {"elements": elements},
                "rows": rows,
                "total_duration_micros": 0,
                "stats": {
                    "rows_inserted": result.inserted,
                    "rows_deleted": result.deleted,
                    "rows_updated": result.updated,
                },
            }
        ]
    )


def _environment(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    _need_owner(call, database, "read environment metadata")
    return _json_text(environment_json(database))


def _change_environment(call: RoutedRequest) -> HttpResponse:
    database = database_of(call.host, call.request)
    _need_owner(call, database, "update environment")
    status, answer = change_environment(database, call.request, call.query, call.time)
    if isinstance(answer, str):
        raise BadRequest(status, answer)
    return _answer("application/json", json.dumps(answer), status)


def _publish(call: RoutedRequest) -> HttpResponse:
    raise BadRequest(501, "this development server runs the Python module that it was started with")


# --- finding and answering --------------------------------------------------------------------

#: (method, path with * for any part) -> handler.
_ROUTES: dict[tuple[str, tuple[str, ...]], Handler] = {
    ("GET", ("v1", "ping")): _ping,
    ("GET", ("v1", "health")): _health,
    ("POST", ("v1", "identity")): _new_identity,
    ("GET", ("v1", "identity", "public-key")): _public_key,
    ("POST", ("v1", "identity", "websocket-token")): _websocket_token,
    ("GET", ("v1", "identity", "*", "verify")): _verify,
    ("GET", ("v1", "identity", "*", "databases")): _owned,
    ("POST", ("v1", "database")): _publish,
    ("PUT", ("v1", "database", "*")): _publish,
    ("GET", ("v1", "database", "*")): _info,
    ("DELETE", ("v1", "database", "*")): _delete,
    ("GET", ("v1", "database", "*", "identity")): _database_identity,
    ("GET", ("v1", "database", "*", "names")): _names,
    ("GET", ("v1", "database", "*", "schema")): _schema,
    ("GET", ("v1", "database", "*", "environment")): _environment,
    ("PUT", ("v1", "database", "*", "environment")): _change_environment,
    ("PATCH", ("v1", "database", "*", "environment")): _change_environment,
    ("GET", ("v1", "database", "*", "logs")): _logs,
    ("POST", ("v1", "database", "*", "sql")): _sql,
    ("POST", ("v1", "database", "*", "call", "*")): _call_function,
    ("GET", ("v1", "database", "*", "unstable", "timestamp")): _timestamp,
}

_CORS = {"access-control-allow-origin": "*"}
_TOOK = {"spacetime-execution-duration-micros": "0"}


def _find(method: str, path: tuple[str, ...]) -> Handler | int:
    """Return the handler of a route, 405 if only the method is wrong, 404 if there is none."""
    status = 404
    for (wanted, pattern), handler in _ROUTES.items():
        if len(pattern) == len(path) and all(
            expected in ("*", part) for expected, part in zip(pattern, path, strict=True)
        ):
            if wanted == method:
                return handler
            status = 405
    if path[:2] == ("v1", "database") and path[3:] == ("subscribe",):
        return (lambda call: _text("", 426)) if method == "GET" else 405
    return status


def _identity(text: str) -> Identity:
    try:
        return Identity.from_hex(text)
    except ValueError as error:
        raise BadRequest(400, str(error)) from error


def _need_token(call: RoutedRequest) -> None:
    if call.is_anonymous:
        raise BadRequest(401, "Authorization required")


def _need_owner(call: RoutedRequest, database: Database, action: str) -> None:
    if call.claims.identity != database.owner:
        raise BadRequest(
            403,
            f"{call.claims.identity} is not authorized to perform action on database"
            f" {database.identity}: {action}",
        )


def _text(text: str, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return _answer("text/plain; charset=utf-8", text, status, headers)


def _json(value: object) -> HttpResponse:
    return _json_text(json.dumps(value))


def _json_text(text: str, headers: dict[str, str] | None = None) -> HttpResponse:
    return _answer("application/json", text, headers=headers)


def _answer(
    content_type: str, text: str, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    fields = {"content-type": content_type, **_CORS, **(headers or {})}
    return HttpResponse(status, Headers(fields), text.encode())
