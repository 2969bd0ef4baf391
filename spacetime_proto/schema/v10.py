"""Schema version 10, as ``GET .../schema?version=10`` answers (docs/protocol.md section 8.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import SchemaError
from ..sats.algebraic import Primitive, Typespace
from .attributes import MAX_SUBMODULE_DEPTH
from .model import (
    EnvironmentDef,
    HttpRouteDef,
    IndexDef,
    Lifecycle,
    OutboxDef,
    ScheduleDef,
    SequenceDef,
)
from .raw import RawFunction, RawModule, RawTable, RawType, RawView
from .reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import EnvironmentType, IndexAlgorithm

#: The names that schemas have for the kinds of index and of lifecycle reducer.
INDEX_ALGORITHMS: dict[str, IndexAlgorithm] = {"BTree": "btree", "Hash": "hash", "Direct": "direct"}
LIFECYCLES: dict[str, Lifecycle] = {
    "Init": "init",
    "OnConnect": "on_connect",
    "OnDisconnect": "on_disconnect",
}
#: The names that schemas have for what an environment variable may hold.
ENVIRONMENT_TYPES: dict[str, EnvironmentType] = {
    "String": "string",
    "StringLiteral": "literal",
    "Union": "union",
}
#: The HTTP methods that schemas know by name.
HTTP_VERBS = ("Get", "Head", "Post", "Put", "Delete", "Connect", "Options", "Trace", "Patch")
_HASH = re.compile("[0-9a-f]{64}")


def read_v10(top: Reader, depth: int = 0) -> RawModule:
    """Read a version 10 schema; what only newer servers know is left out and noted in `top`.

    Raises:
        SchemaError: something in it is not as expected.
    """
    if depth > MAX_SUBMODULE_DEPTH:
        raise SchemaError(f"schema: submodules nest too deep at {top.path[:80]}")
    raw = RawModule()
    for section in top["sections"].items():
        name, payload = section.variant()
        read = _SECTIONS.get(name)
        if read is not None:
            read(raw, payload)
        elif name == "Submodules":
            for item in payload.items():
                inner = read_v10(item["module"], depth + 1)
                raw.submodules.append((item["namespace"].text(), inner))
        else:
            section.leave_out(f"section {name!r}")
    return raw


# --- parts that version 9 has too; only the key for names differs (`label`)


def read_type(item: Reader, label: str) -> RawType:
    """Read a name for a typespace entry."""
    name = item[label]
    scope = [segment.text() for segment in name["scope"].items()]
    return RawType((*scope, name[label].text()), item["ty"].number())


def read_table(item: Reader, label: str) -> RawTable:
    """Read a table."""
    return RawTable(
        item[label].text(),
        item["product_type_ref"].number(),
        item.path,
        item["primary_key"].numbers(),
        tuple(index for one in item["indexes"].items() if (index := _index(one, label))),
        tuple(columns for one in item["constraints"].items() if (columns := _constraint(one))),
        tuple(_sequence(one, label) for one in item["sequences"].items()),
        item["table_access"].variant()[0] == "Public",
        item["table_type"].variant()[0] == "System",
        item.get("is_event", False).flag(),
    )


def _index(item: Reader, label: str) -> IndexDef | None:
    kind, columns = item["algorithm"].variant()
    algorithm = INDEX_ALGORITHMS.get(kind)
    if algorithm is None:
        item.leave_out(f"index algorithm {kind!r}")
        return None
    return IndexDef(
        item[label].optional_text(),
        item["accessor_name"].optional_text(),
        algorithm,
        (columns.number(),) if algorithm == "direct" else columns.numbers(),
    )


def _constraint(item: Reader) -> tuple[int, ...] | None:
    kind, data = item["data"].variant()
    if kind != "Unique":
        item.leave_out(f"constraint {kind!r}")
        return None
    return data["columns"].numbers()


def _sequence(item: Reader, label: str) -> SequenceDef:
    return SequenceDef(
        item[label].optional_text(),
        item["column"].number(),
        item["start"].optional_number(),
        item["min_value"].optional_number(),
        item["max_value"].optional_number(),
        item["increment"].number(),
    )


def read_view(item: Reader, label: str) -> RawView:
    """Read a view."""
    return RawView(
        item[label].text(),
        item["return_type"].type(),
        item.path,
        item["is_public"].flag(),
        item.get("params", {"elements": []}).product(),
        item.get("is_anonymous", False).flag(),
    )


def read_lifecycle(item: Reader) -> Lifecycle | None:
    """Read the event that a lifecycle reducer is called for; None for one that is not known."""
    kind, _ = item.variant()
    if kind not in LIFECYCLES:
        item.leave_out(f"lifecycle {kind!r}")
    return LIFECYCLES.get(kind)


# --- the sections


def _typespace(raw: RawModule, payload: Reader) -> None:
    raw.typespace = Typespace(tuple(item.type() for item in payload["types"].items()))


def _types(raw: RawModule, payload: Reader) -> None:
    raw.types += [read_type(item, "source_name") for item in payload.items()]


def _tables(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.tables.append(read_table(item, "source_name"))
        raw.default_values[item["source_name"].text()] = [
            (one["col_id"].number(), one["value"].hex())
            for one in item.get("default_values", []).items()
        ]


def _is_private(item: Reader) -> bool:
    return item["visibility"].variant()[0] == "Private"


def _reducers(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        err = item["err_return_type"].type()
        raw.reducers.append(
            RawFunction(
                item["source_name"].text(),
                item["params"].product(),
                _is_private(item),
                ok_type=item["ok_return_type"].type(),
                err_type=None if err == Primitive("String") else err,
            )
        )


def _procedures(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.procedures.append(
            RawFunction(
                item["source_name"].text(),
                item["params"].product(),
                _is_private(item),
                item["return_type"].type(),
            )
        )


def _views(raw: RawModule, payload: Reader) -> None:
    raw.views += [read_view(item, "source_name") for item in payload.items()]


def _schedules(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.schedules.append(
            ScheduleDef(
                item["source_name"].optional_text(),
                item["table_name"].text(),
                item["schedule_at_col"].number(),
                item["function_name"].text(),
            )
        )


def _lifecycles(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.lifecycles[item["function_name"].text()] = read_lifecycle(item["lifecycle_spec"])


def _row_level_security(raw: RawModule, payload: Reader) -> None:
    raw.row_level_security += [item["sql"].text() for item in payload.items()]


def _explicit_names(raw: RawModule, payload: Reader) -> None:
    maps = {
        "Table": raw.table_names,
        "Function": raw.function_names,
        "Index": raw.index_names,
        "Namespace": raw.namespace_names,
    }
    for entry in payload["entries"].items():
        kind, item = entry.variant()
        names = maps.get(kind)
        if names is None:
            entry.leave_out(f"name of a {kind!r}")
        else:
            names[item["source_name"].text()] = item["canonical_name"].text()


def _view_keys(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        columns = tuple(column.text() for column in item["columns"].items())
        raw.view_keys[item["view_source_name"].text()] = columns


def _case_policy(raw: RawModule, payload: Reader) -> None:
    raw.case_policy, _ = payload.variant()


def _http_handlers(raw: RawModule, payload: Reader) -> None:
    raw.http_handlers += [item["source_name"].text() for item in payload.items()]


def _http_routes(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        method, verb = item["method"].variant()
        if method == "Method":
            method, name = verb.variant()
            method = name.text() if method == "Extension" else method.upper()
        raw.http_routes.append(
            HttpRouteDef(method, item["path"].text(), item["handler_function"].text())
        )


def _environment(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        kind, data = item["ty"].variant()
        ty = ENVIRONMENT_TYPES.get(kind)
        if ty is None:
            item.leave_out(f"environment type {kind!r}")
            continue
        values: set[str] = set()
        if ty == "literal":
            values = {data.text()}
        elif ty == "union":
            values = {value.text() for value in data.items()}
        raw.environment.append(
            EnvironmentDef(item["name"].text(), ty, tuple(sorted(values)), item["optional"].flag())
        )


def _outboxes(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.outboxes.append(
            OutboxDef(
                item["table_name"].text(),
                item["remote_reducer"].text(),
                item["target_column"].number(),
                item["arg_columns"].numbers(),
                item["on_result_reducer"].optional_text(),
                _signature_hash(item["signature_hash"]),
            )
        )


def _signature_hash(value: Reader) -> str:
    """Return the digits of a hash: a U256, which shows them reversed, or a String before 2.14."""
    text = value.text()
    if not text.startswith("0x"):
        return text
    try:
        return bytes.fromhex(text[2:].rjust(64, "0"))[::-1].hex()
    except ValueError as error:
        raise value.fail("hexadecimal digits") from error


def signature_hash_json(digits: str) -> str:
    """Return the digits of a hash as JSON has them."""
    return f"0x{bytes.fromhex(digits)[::-1].hex()}" if _HASH.fullmatch(digits) else digits


_SECTIONS: dict[str, Callable[[RawModule, Reader], None]] = {
    "Typespace": _typespace,
    "Types": _types,
    "Tables": _tables,
    "Reducers": _reducers,
    "Procedures": _procedures,
    "Views": _views,
    "Schedules": _schedules,
    "LifeCycleReducers": _lifecycles,
    "RowLevelSecurity": _row_level_security,
    "ExplicitNames": _explicit_names,
    "ViewPrimaryKeys": _view_keys,
    "CaseConversionPolicy": _case_policy,
    "HttpHandlers": _http_handlers,
    "HttpRoutes": _http_routes,
    "Environment": _environment,
    "Outboxes": _outboxes,
}
