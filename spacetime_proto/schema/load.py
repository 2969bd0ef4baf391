"""`load_schema`: a module description from JSON of any version; `to_v10_json`: the way back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import SchemaError
from ..sats.algebraic import ArrayType, Primitive, RefType
from .assemble import resolve
from .reader import Reader, type_to_json
from .v9 import read_v9
from .v10 import (
    HTTP_VERBS,
    INDEX_ALGORITHMS,
    LIFECYCLES,
    read_v10,
    signature_hash_json,
)

if TYPE_CHECKING:
    from .model import (
        EnvironmentDef,
        HttpRouteDef,
        IndexDef,
        ModuleDef,
        OutboxDef,
        ProcedureDef,
        ReducerDef,
        SequenceDef,
        TableDef,
    )

_ALGORITHMS = {ours: theirs for theirs, ours in INDEX_ALGORITHMS.items()}
_LIFECYCLES = {ours: theirs for theirs, ours in LIFECYCLES.items()}


def load_schema(schema: str | bytes | bytearray | dict[str, Any]) -> ModuleDef:
    """Read a module description.

    Args:
        schema: JSON text or parsed JSON: version 10, version 9, or either wrapped as
            ``{"V10": ...}`` as ``extract-schema`` prints it.

    What only a newer server knows is left out, with one `NewerSchemaWarning` that names it.

    Raises:
        SchemaError: it is none of these, or not valid; the error names the path.
    """
    parsed: Any = schema
    if isinstance(schema, str | bytes | bytearray):
        try:
            parsed = json.loads(schema)
        except (ValueError, RecursionError) as error:
            raise SchemaError(f"schema: not JSON: {error}") from error
    if isinstance(parsed, dict):
        wrapped = len(parsed) == 1
        for label, key, read in (("V10", "sections", read_v10), ("V9", "typespace", read_v9)):
            found = parsed.get(label) if wrapped else None
            if found is not None or key in parsed:
                top = Reader(parsed if found is None else found)
                module = resolve(read(top))
                top.warn()
                return module
    raise SchemaError("schema: neither version 9 nor version 10 of a module description")


def to_v10_json(module: ModuleDef) -> str:
    """Return a module as version 10 JSON text, ASCII only; `load_schema` gives the same back."""
    # As a server writes it: no name in it is to be converted again (docs/protocol.md section 8.1).
    sections: list[dict[str, Any]] = [{"CaseConversionPolicy": {"None": []}}]
    if module.environment:
        sections.append({"Environment": [_variable(item) for item in module.environment]})
    sections += [
        {"Typespace": {"types": [type_to_json(ty) for ty in module.typespace.types]}},
        {
            "Types": [
                {
                    "source_name": {"scope": [], "source_name": named.name},
                    "ty": named.ref,
                    "custom_ordering": True,
                }
                for named in module.types
            ]
        },
    ]
    tables = [table for table in module.tables if not table.is_view]
    views = [table for table in module.tables if table.is_view]
    optional: list[tuple[str, list[dict[str, Any]]]] = [
        ("Tables", [_table(table) for table in tables]),
        ("Reducers", [_reducer(reducer) for reducer in module.reducers]),
        ("Procedures", [_procedure(procedure) for procedure in module.procedures]),
        ("Views", [_view(view, index) for index, view in enumerate(views)]),
        (
            "ViewPrimaryKeys",
            [
                {
                    "view_source_name": view.accessor,
                    "columns": [view.columns[view.primary_key].name],
                }
                for view in views
                if view.primary_key is not None
            ],
        ),
        (
            "Schedules",
            [
                {
                    "source_name": _option(table.schedule.name),
                    "table_name": table.schedule.table,
                    "schedule_at_col": table.schedule.at_column,
                    "function_name": table.schedule.function,
                }
                for table in tables
                if table.schedule is not None
            ],
        ),
        (
            "LifeCycleReducers",
            [
                {
                    "lifecycle_spec": {_LIFECYCLES[reducer.lifecycle]: []},
                    "function_name": reducer.name,
                }
                for reducer in module.reducers
                if reducer.lifecycle is not None
            ],
        ),
        ("RowLevelSecurity", [{"sql": sql} for sql in module.row_level_security]),
        ("HttpRoutes", [_route(route) for route in module.http_routes]),
        ("Outboxes", [_outbox(outbox) for outbox in module.outboxes]),
    ]
    sections += [{name: payload} for name, payload in optional if payload]
    entries = [_names("Table", table) for table in tables]
    entries += [_names("Function", function) for function in module.reducers]
    entries += [_names("Function", function) for function in module.procedures]
    entries += [_names("Function", view) for view in views]
    sections.append({"ExplicitNames": {"entries": entries}})
    return json.dumps({"sections": sections}, separators=(",", ":"))


def _option(value: object) -> dict[str, Any]:
    return {"none": []} if value is None else {"some": value}


def _names(kind: str, item: TableDef | ReducerDef | ProcedureDef) -> dict[str, Any]:
    return {kind: {"source_name": item.accessor, "canonical_name": item.name}}


def _variable(declaration: EnvironmentDef) -> dict[str, Any]:
    ty: dict[str, Any] = {"String": []}
    if declaration.type == "literal":
        ty = {"StringLiteral": declaration.values[0]}
    elif declaration.type == "union":
        ty = {"Union": list(declaration.values)}
    return {"name": declaration.name, "ty": ty, "optional": declaration.optional}


def _table(table: TableDef) -> dict[str, Any]:
    return {
        "source_name": table.accessor,
        "product_type_ref": table.row_ref,
        "primary_key": [] if table.primary_key is None else [table.primary_key],
        "indexes": [_index(index) for index in table.indexes],
        "constraints": [
            {"source_name": _option(None), "data": {"Unique": {"columns": list(columns)}}}
            for columns in table.unique_constraints
        ],
        "sequences": [_sequence(sequence) for sequence in table.sequences],
        "table_type": {"System" if table.is_system else "User": []},
        "table_access": {"Public" if table.is_public else "Private": []},
        "default_values": [
            {"col_id": column, "value": value.hex()} for column, value in table.default_values
        ],
        "is_event": table.is_event,
    }


def _index(index: IndexDef) -> dict[str, Any]:
    columns: Any = index.columns[0] if index.algorithm == "direct" else list(index.columns)
    return {
        "source_name": _option(index.name),
        "accessor_name": _option(index.accessor),
        "algorithm": {_ALGORITHMS[index.algorithm]: columns},
    }


def _sequence(sequence: SequenceDef) -> dict[str, Any]:
    return {
        "source_name": _option(sequence.name),
        "column": sequence.column,
        "start": _option(sequence.start),
        "min_value": _option(sequence.min_value),
        "max_value": _option(sequence.max_value),
        "increment": sequence.increment,
    }


def _function(function: ReducerDef | ProcedureDef) -> dict[str, Any]:
    return {
        "source_name": function.accessor,
        "params": type_to_json(function.params)["Product"],
        "visibility": {"Private" if function.is_private else "ClientCallable": []},
    }


def _reducer(reducer: ReducerDef) -> dict[str, Any]:
    return _function(reducer) | {
        "ok_return_type": type_to_json(reducer.ok_type),
        "err_return_type": type_to_json(reducer.err_type or Primitive("String")),
    }


def _procedure(procedure: ProcedureDef) -> dict[str, Any]:
    return _function(procedure) | {"return_type": type_to_json(procedure.return_type)}


def _view(view: TableDef, index: int) -> dict[str, Any]:
    return {
        "source_name": view.accessor,
        "index": index,
        "is_public": view.is_public,
        "is_anonymous": view.is_anonymous,
        "params": type_to_json(view.params)["Product"],
        "return_type": type_to_json(ArrayType(RefType(view.row_ref))),
    }


def _outbox(outbox: OutboxDef) -> dict[str, Any]:
    return {
        "table_name": outbox.table,
        "remote_reducer": outbox.remote_reducer,
        "target_column": outbox.target_column,
        "arg_columns": list(outbox.arg_columns),
        "on_result_reducer": _option(outbox.on_result_reducer),
        "signature_hash": signature_hash_json(outbox.signature_hash),
    }


def _route(route: HttpRouteDef) -> dict[str, Any]:
    verb = route.method.capitalize()
    is_known = verb in HTTP_VERBS and route.method == verb.upper()
    method: dict[str, Any] = {verb: []} if is_known else {"Extension": route.method}
    return {
        "handler_function": route.handler,
        "method": {"Any": []} if route.method == "Any" else {"Method": method},
        "path": route.path,
    }
