"""Publishing as values: modules, and the environment variables that are published with them.

Like `operations`: a request, and how to read its answer (docs/protocol.md sections 7.3 and 8.8). Values
of variables are secrets; they stand in headers and bodies, which no repr, log or error shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from spacetime_proto.errors import (
    EnvironmentConflict,
    HttpError,
    LocalProtocolError,
    MissingEnvironment,
)
from spacetime_proto.schema.model import EnvironmentDef
from spacetime_proto.wire.environment_headers import (
    Removals,
    check_key,
    check_value,
    encode_environment,
    encode_removals,
)
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse

from .operations import (
    ENVIRONMENT_ROUTE,
    JSON_CONTENT,
    Operation,
    database_path,
    identity_in,
    json_answer,
    raise_for,
)
from .results import EnvironmentMetadata, Published

if TYPE_CHECKING:
    from spacetime_proto.schema.reader import Reader

_ROUTE = ENVIRONMENT_ROUTE.removeprefix("/")
#: What a server says of a module that was built with tools newer than itself (docs/protocol.md section 15).
_TOO_NEW = re.compile(
    r"unknown tag 0x[0-9a-f]+ for sum type (?:RawModuleDef|ExplicitName)|abi version \S+ is not supported"
)


def publish(
    database: str | None,
    program: bytes,
    *,
    clear: bool = False,
    environment: Mapping[str, str] | None = None,
    remove_environment: Removals = (),
) -> Operation[Published]:
    """Publish or update a module; None makes a database without a name.

    Raises:
        LocalProtocolError: a variable cannot have its name or value, or is set and removed at once.
    """
    what = f"publishing {database or 'a module'}"
    values = _checked(environment or {}, remove_environment)

    def parse(response: HttpResponse) -> Published:
        _raise_environment(response, what, "EnvironmentError")
        if response.status >= 300 and _TOO_NEW.search(response.text):
            raise_for(
                response,
                what,
                "the module was built for a newer SpacetimeDB than this server: update the server,"
                " or build with the version of the server's bindings",
            )
        done = json_answer(response, what)["Success"]
        return Published(
            identity=identity_in(done["database_identity"]),
            op=done["op"].text(),
            domain=_domain(done.get("domain", None)),
        )

    query = urlencode({"clear": "true"}) if clear else ""
    if database is None:
        method, target = "POST", "/v1/database"
    else:
        method, target = "PUT", database_path(database)
    headers = Headers(
        [
            ("Content-Type", "application/wasm"),
            *encode_environment(values),
            *encode_removals(remove_environment),
        ]
    )
    return Operation(HttpRequest(method, f"{target}?{query}".rstrip("?"), headers, program), parse)


def _domain(found: Reader) -> str | None:
    return None if found.value is None else found.text()


# --- the environment without a module ---------------------------------------------------------


def environment(database: str) -> Operation[EnvironmentMetadata]:
    """Ask which variables the module declares, and of which there are values."""
    what = f"the environment of {database}"

    def parse(response: HttpResponse) -> EnvironmentMetadata:
        _raise_too_old(response, what)
        body = json_answer(response, what)
        return EnvironmentMetadata(
            body["module_hash"].text(),
            tuple(_declaration(item) for item in body["declarations"].items()),
            tuple(key.text() for key in body["stored_keys"].items()),
        )

    return Operation(HttpRequest("GET", database_path(database, _ROUTE)), parse)


def _declaration(item: Reader) -> EnvironmentDef:
    name, optional, ty = item["name"].text(), item["optional"].flag(), item["ty"]
    if ty.has("StringLiteral"):
        return EnvironmentDef(name, "literal", (ty["StringLiteral"].text(),), optional)
    if ty.has("Union"):
        texts = tuple(text.text() for text in ty["Union"].items())
        return EnvironmentDef(name, "union", texts, optional)
    return EnvironmentDef(name, "string", optional=optional)  # or what newer servers may add


def update_environment(
    database: str,
    values: Mapping[str, str],
    *,
    remove: Removals = (),
    expected_module_hash: str | None = None,
) -> Operation[None]:
    """Set some variables and remove others; ``"all"`` replaces those that are stored.

    Without the hash of the module, that of the one that is there is asked for first.

    Raises:
        LocalProtocolError: a variable cannot have its name or value, or is set and removed at once.
    """
    values = _checked(values, remove)
    # PATCH takes keys to remove, but not all of them: that is PUT, with only the values that shall be.
    method, removals = ("PUT", []) if remove == "all" else ("PATCH", encode_removals(remove))
    if expected_module_hash is None:
        asked = environment(database)

        def failed(response: HttpResponse) -> None:
            asked.result(response)

        def go_on(response: HttpResponse) -> Operation[None] | None:
            if not 200 <= response.status < 300:
                return None
            found = asked.result(response).module_hash
            return update_environment(database, values, remove=remove, expected_module_hash=found)

        return Operation(asked.request, failed, go_on)
    what = f"changing the environment of {database}"

    def parse(response: HttpResponse) -> None:
        _raise_too_old(response, what)
        _raise_environment(response, what, "Err")
        json_answer(response, what)

    target = database_path(database, _ROUTE, expected_module_hash=expected_module_hash)
    headers = Headers([*JSON_CONTENT, *removals])
    return Operation(HttpRequest(method, target, headers, json.dumps(values).encode()), parse)


def _checked(values: Mapping[str, str], remove: Removals) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise LocalProtocolError(
            f"environment variables are a mapping of str to str, not {type(values).__name__}"
        )
    checked = {check_key(key): check_value(key, value) for key, value in values.items()}
    both = sorted(checked.keys() & set(() if remove == "all" else remove))
    if both:
        raise LocalProtocolError(f"set and removed at once: {', '.join(both)}")
    return checked


# --- refusals ---------------------------------------------------------------------------------


def _raise_environment(response: HttpResponse, what: str, key: str) -> None:
    """Raise the error of an answer that refuses variables; `key` is where publishing and the route have it."""
    try:
        body: Any = json.loads(response.body)
    except (ValueError, RecursionError):
        body = None
    error: Any = body.get(key) if isinstance(body, dict) else None
    status, text = response.status, response.text
    if isinstance(error, str | dict) and "VersionConflict" in error:
        status = 409
    if status == 409 and (error is not None or key == "Err"):
        message = f"{what}: another module was published meanwhile; ask for the metadata again"
        raise EnvironmentConflict(message, status=status, body=text)
    try:
        keys = [str(name) for name in error["MissingRequiredEnvironment"]["keys"]]
    except (TypeError, KeyError):
        return
    message = f"{what}: the module requires a value for {', '.join(map(repr, keys))}"
    raise MissingEnvironment(message, keys=keys, status=status, body=text)


def _raise_too_old(response: HttpResponse, what: str) -> None:
    if response.status == 404 and not response.body.strip():
        raise HttpError(
            f"{what}: this server has none; environment variables came with SpacetimeDB 2.11 (404)",
            status=404,
        )
