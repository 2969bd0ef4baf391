"""The answers of ``/v1/database/NAME/environment`` (docs/protocol.md section 8.8)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import DecodeError, LocalProtocolError
from ...schema.load import to_v10_json
from ...wire.environment_headers import ENVIRONMENT_REMOVE, decode_removals
from ..engine.environment import EnvironmentRefused

if TYPE_CHECKING:
    from ...schema.model import EnvironmentDef
    from ...types import Timestamp
    from ...wire.http_exchange import HttpRequest
    from ..engine.database import Database

_CONFLICT = "database program changed before publication; reload environment metadata and retry"


def environment_json(database: Database) -> str:
    """Return the metadata: what the module declares and which keys are stored, never a value."""
    return json.dumps(
        {
            "module_hash": module_hash(database),
            "declarations": [
                {"name": item.name, "ty": _type_json(item), "optional": item.optional}
                for item in database.environment.declarations
            ],
            "stored_keys": database.environment.stored_keys,
        }
    )


def _type_json(item: EnvironmentDef) -> Any:
    if item.type == "string":
        return "String"
    return {"StringLiteral": item.values[0]} if item.type == "literal" else {"Union": item.values}


def module_hash(database: Database) -> str:
    """Return a text that is another one for a module with another description."""
    text = to_v10_json(database.definition).encode()
    return f"0x{hashlib.sha3_256(text).hexdigest()}"


def change_environment(
    database: Database, request: HttpRequest, query: Mapping[str, str], now: Timestamp
) -> tuple[int, dict[str, Any] | str]:
    """Set (PATCH) or replace (PUT) variables; return the status, and JSON or the text of an error."""
    if "expected_module_hash" not in query:
        return 400, "Failed to deserialize query string: missing field `expected_module_hash`"
    try:
        values = _values(request.body)
        remove = "all" if request.method == "PUT" else _removals(request)
        if query["expected_module_hash"] != module_hash(database):
            return 409, {"Err": {"VersionConflict": _CONFLICT}}
        database.change_environment(values, remove, now=now)
    except (DecodeError, LocalProtocolError) as error:
        missing = error.missing if isinstance(error, EnvironmentRefused) else ()
        if missing:
            return 400, {"Err": {"MissingRequiredEnvironment": {"keys": list(missing)}}}
        return 400, str(error)
    return 200, {"Ok": None}


def _values(body: bytes) -> dict[str, str]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise DecodeError("the body is no JSON object of strings")
    return values


def _removals(request: HttpRequest) -> tuple[str, ...]:
    remove = decode_removals(request.headers.get_all(ENVIRONMENT_REMOVE))
    if isinstance(remove, str):
        raise DecodeError("* removes all variables, which PUT does")
    return tuple(remove)
