"""Schema version 10, as ``GET .../schema?version=10`` answers (docs/protocol.md section 8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SchemaError
from ..sats.algebraic import Primitive, Typespace
from .model import IndexDef, Lifecycle, ScheduleDef, SequenceDef
from .raw import RawFunction, RawModule, RawTable, RawType, RawView
from .reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import IndexAlgorithm

#: The names that schemas have for the kinds of index and of lifecycle reducer.
INDEX_ALGORITHMS: dict[str, IndexAlgorithm] = {"BTree": "btree", "Hash": "hash", "Direct": "direct"}
LIFECYCLES: dict[str, Lifecycle] = {
    "Init": "init",
    "OnConnect": "on_connect",
    "OnDisconnect": "on_disconnect",
}
_MAX_SUBMODULE_DEPTH = 16


def read_v10(top: Reader, depth: int = 0) -> RawModule:
    """Read a version 10 schema; unknown sections are ignored.

    Raises:
        SchemaError: something in it is not as expected.
    """
    if depth > _MAX_SUBMODULE_DEPTH:
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
        tuple(_index(one, label) for one in item["indexes"].items()),
        tuple(_constraint(one) for one in item["constraints"].items()),
        tuple(_sequence(one, label) for one in item["sequences"].items()),
        item["table_access"].variant()[0] == "Public",
        item["table_type"].variant()[0] == "System",
        item.get("is_event", False).flag(),
    )


def _index(item: Reader, label: str) -> IndexDef:
    kind, columns = item["algorithm"].variant()
    algorithm = INDEX_ALGORITHMS.get(kind)
    if algorithm is None:
        raise SchemaError(f"schema: unknown index algorithm {kind!r} at {item.path}")
    return IndexDef(
        item[label].optional_text(),
        item["accessor_name"].optional_text(),
        algorithm,
        (columns.number(),) if algorithm == "direct" else columns.numbers(),
    )


def _constraint(item: Reader) -> tuple[int, ...]:
    kind, data = item["data"].variant()
    if kind != "Unique":
        raise SchemaError(f"schema: unknown constraint {kind!r} at {item.path}")
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


def read_lifecycle(item: Reader) -> Lifecycle:
    """Read the event that a lifecycle reducer is called for."""
    kind, _ = item.variant()
    if kind not in LIFECYCLES:
        raise SchemaError(f"schema: unknown lifecycle {kind!r} at {item.path}")
    return LIFECYCLES[kind]


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
    maps = {"Table": raw.table_names, "Function": raw.function_names, "Index": raw.index_names}
    for entry in payload["entries"].items():
        kind, item = entry.variant()
        names = maps.get(kind)
        if names is not None:
            names[item["source_name"].text()] = item["canonical_name"].text()


def _view_keys(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        columns = tuple(column.text() for column in item["columns"].items())
        raw.view_keys[item["view_source_name"].text()] = columns


def _case_policy(raw: RawModule, payload: Reader) -> None:
    raw.case_policy, _ = payload.variant()


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
}
