"""From declarations to a `Blueprint`: the module's schema with the Python side of every part."""

from __future__ import annotations

import dataclasses
import inspect
import types as pytypes
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, Union

import msgspec

from ...errors import SchemaError
from ...sats.algebraic import SCHEDULE_AT, UNIT, Element, Primitive, ProductType, RefType
from ...schema.case import snake_case
from ...schema.model import (
    ColumnDef,
    IndexDef,
    ModuleDef,
    ProcedureDef,
    ReducerDef,
    ScheduleDef,
    SequenceDef,
    TableDef,
)
from .annotations import TypeRegistry, fields_of
from .columns import options_of
from .declarations import FunctionDecl, TableDecl
from .environment_declarations import declare
from .view_query import ViewQuery

__all__ = ["Blueprint", "FunctionPlan", "TableBlueprint", "ViewPlan", "build", "table_blueprint"]

#: The form in which a view returns its rows.
ViewResult: TypeAlias = Literal["list", "option", "query"]

_KEYABLE = frozenset(f"{sign}{bits}" for sign in "IU" for bits in (8, 16, 32, 64, 128, 256))
_FLOATS = (Primitive("F32"), Primitive("F64"))


class TableBlueprint(msgspec.Struct, frozen=True):
    """One table: its definition, its class and the class's attribute of each column."""

    definition: TableDef
    row_class: type
    attributes: tuple[str, ...]


class FunctionPlan(msgspec.Struct, frozen=True):
    """One reducer or procedure."""

    definition: ReducerDef | ProcedureDef
    call: Callable[..., Any]
    annotations: tuple[Any, ...]
    """Resolved annotation of each parameter after the context."""
    returns: Any
    """Resolved annotation of the result of a procedure; None for a reducer."""
    source_params: tuple[str, ...] = ()
    """The parameters' names in the module's source; those of the definition are canonical."""


class ViewPlan(msgspec.Struct, frozen=True):
    """One view."""

    table: TableBlueprint
    call: Callable[..., Any]
    result: ViewResult
    is_anonymous: bool


class Blueprint(msgspec.Struct, frozen=True):
    """A resolved module."""

    definition: ModuleDef
    registry: TypeRegistry
    tables: tuple[TableBlueprint, ...]
    """Sorted by name; views not included."""
    views: tuple[ViewPlan, ...]
    reducers: tuple[FunctionPlan, ...]
    procedures: tuple[FunctionPlan, ...]


def build(
    tables: Sequence[TableDecl],
    functions: Sequence[FunctionDecl],
    filters: Sequence[str],
    scope: dict[str, Any],
    environment: type | None = None,
) -> Blueprint:
    """Resolve the declarations of one module.

    Raises:
        SchemaError: for clashing names and for anything that a schema cannot express.
    """
    registry = TypeRegistry(scope)
    _check_names("table", [decl.name for decl in tables])
    _check_names("reducer", [decl.name for decl in functions if decl.kind == "reducer"])
    _check_names("procedure", [decl.name for decl in functions if decl.kind == "procedure"])
    view_decls = [decl for decl in functions if decl.kind == "view"]
    _check_names(
        "table or view",
        [decl.name for decl in tables] + [decl.name for decl in view_decls],
    )

    table_plans = [
        table_blueprint(decl, registry) for decl in sorted(tables, key=lambda decl: decl.name)
    ]
    scheduled = {decl.scheduled for decl in tables if decl.scheduled is not None}
    reducers = [
        _function(decl, registry, scheduled) for decl in functions if decl.kind == "reducer"
    ]
    procedures = [
        _function(decl, registry, scheduled) for decl in functions if decl.kind == "procedure"
    ]
    views = [_view(decl, registry, table_plans) for decl in view_decls]
    known = {decl.name for decl in functions if decl.kind != "view"}
    for name in sorted(scheduled - known):
        raise SchemaError(f"a table schedules {name!r}, which is no reducer or procedure here")

    views.sort(key=lambda view: view.table.definition.name)
    procedures.sort(key=lambda plan: plan.definition.name)
    definition = ModuleDef(
        typespace=registry.typespace,
        types=registry.type_defs(),
        tables=tuple(
            sorted(
                [plan.definition for plan in table_plans]
                + [view.table.definition for view in views],
                key=lambda table: table.name,
            )
        ),
        reducers=tuple(
            plan.definition for plan in reducers if isinstance(plan.definition, ReducerDef)
        ),
        procedures=tuple(
            plan.definition for plan in procedures if isinstance(plan.definition, ProcedureDef)
        ),
        row_level_security=tuple(filters),
        environment=() if environment is None else declare(environment, registry),
    )
    return Blueprint(
        definition=definition,
        registry=registry,
        tables=tuple(table_plans),
        views=tuple(views),
        reducers=tuple(reducers),
        procedures=tuple(procedures),
    )


# --- tables -----------------------------------------------------------------------------------


def table_blueprint(decl: TableDecl, registry: TypeRegistry) -> TableBlueprint:
    """Resolve one table.

    Raises:
        SchemaError: something in it has no place in a schema.
    """
    cls = decl.row_class
    ref = registry.ref(cls)
    fields = fields_of(cls, registry)
    columns = _columns(registry, ref)
    position = {field.attribute: at for at, field in enumerate(fields)}
    options = [options_of(field) for field in dataclasses.fields(cls)]

    keys = [at for at, option in enumerate(options) if option.primary_key]
    if len(keys) > 1:
        raise SchemaError(f"table {decl.name} has more than one primary key column")
    unique: list[tuple[int, ...]] = [(at,) for at, option in enumerate(options) if option.unique]
    indexes = [
        _index(decl.name, columns, (at,), option.index or "btree", fields[at].attribute)
        for at, option in enumerate(options)
        if option.unique or option.index
    ]
    for index in decl.indexes:
        try:
            places = tuple(position[name] for name in index.columns)
        except KeyError as error:
            raise SchemaError(
                f"index over {error.args[0]!r}: no such column in {decl.name}"
            ) from None
        indexes.append(_index(decl.name, columns, places, index.algorithm, index.name))
        if index.unique:
            unique.append(places)
    definition = TableDef(
        name=decl.name,
        accessor=decl.accessor,
        row_ref=ref,
        columns=columns,
        primary_key=keys[0] if keys else None,
        unique_columns=tuple(sorted(places[0] for places in unique if len(places) == 1)),
        unique_constraints=tuple(unique),
        indexes=tuple(indexes),
        sequences=tuple(
            _sequence(decl.name, columns[at])
            for at, option in enumerate(options)
            if option.auto_increment
        ),
        schedule=_schedule(decl, columns, keys),
        is_public=decl.is_public,
        is_event=decl.is_event,
    )
    return TableBlueprint(definition, cls, tuple(field.attribute for field in fields))


def _columns(registry: TypeRegistry, ref: int) -> tuple[ColumnDef, ...]:
    product = registry.typespace.types[ref]
    if not isinstance(product, ProductType):  # pragma: no cover - only products get this far
        raise AssertionError(product)
    return tuple(
        ColumnDef(element.name or "", element.type, at)
        for at, element in enumerate(product.elements)
    )


def _index(
    table: str,
    columns: Sequence[ColumnDef],
    places: tuple[int, ...],
    algorithm: Literal["btree", "hash", "direct"],
    accessor: str,
) -> IndexDef:
    joined = "_".join(columns[at].name for at in places)
    return IndexDef(f"{table}_{joined}_idx_{algorithm}", accessor, algorithm, places)


def _sequence(table: str, column: ColumnDef) -> SequenceDef:
    if not isinstance(column.type, Primitive) or column.type.name not in _KEYABLE:
        raise SchemaError(f"{table}.{column.name}: auto_increment needs an integer column")
    return SequenceDef(f"{table}_{column.name}_seq", column.index, None, None, None, 1)


def _schedule(
    decl: TableDecl, columns: Sequence[ColumnDef], keys: Sequence[int]
) -> ScheduleDef | None:
    if decl.scheduled is None:
        return None
    at = [column.index for column in columns if column.type == SCHEDULE_AT]
    if len(at) != 1:
        raise SchemaError(f"scheduled table {decl.name} needs exactly one ScheduleAt column")
    if not keys or columns[keys[0]].type != Primitive("U64"):
        raise SchemaError(f"scheduled table {decl.name} needs a primary key of type U64")
    return ScheduleDef(f"{decl.name}_sched", decl.name, at[0], decl.scheduled)


# --- functions --------------------------------------------------------------------------------


def _function(decl: FunctionDecl, registry: TypeRegistry, scheduled: set[str]) -> FunctionPlan:
    hints = registry.hints(decl.call)
    params, annotations, sources = _parameters(decl, registry, hints)
    private = decl.is_private or decl.name in scheduled
    returns = hints.get("return", type(None))
    if decl.kind == "procedure":
        definition: ReducerDef | ProcedureDef = ProcedureDef(
            name=decl.name,
            accessor=decl.call.__name__,
            params=params,
            return_type=registry.convert(returns, f"result of {decl.name}"),
            is_private=private,
        )
        return FunctionPlan(definition, decl.call, annotations, returns, sources)
    if returns is not type(None):
        raise SchemaError(f"reducer {decl.name} must return None; procedures return values")
    if decl.lifecycle is not None and annotations:
        raise SchemaError(f"{decl.name} takes only the context: it is called by the server")
    definition = ReducerDef(
        name=decl.name,
        accessor=decl.call.__name__,
        params=params,
        lifecycle=decl.lifecycle,
        is_private=private,
        ok_type=UNIT,
        err_type=None,
    )
    return FunctionPlan(definition, decl.call, annotations, None, sources)


def _parameters(
    decl: FunctionDecl, registry: TypeRegistry, hints: Mapping[str, Any]
) -> tuple[ProductType, tuple[Any, ...], tuple[str, ...]]:
    """Return the parameters after the context: their types, annotations and names in the source."""
    names = list(inspect.signature(decl.call).parameters)
    if not names:
        raise SchemaError(f"{decl.kind} {decl.name} needs a first parameter for the context")
    elements = []
    annotations = []
    for name in names[1:]:
        if name not in hints:
            raise SchemaError(f"{decl.kind} {decl.name}: parameter {name} has no annotation")
        annotations.append(hints[name])
        ty = registry.convert(hints[name], f"{decl.name}({name})")
        elements.append(Element(snake_case(name), ty))
    return ProductType(tuple(elements)), tuple(annotations), tuple(names[1:])


def _view(decl: FunctionDecl, registry: TypeRegistry, tables: Sequence[TableBlueprint]) -> ViewPlan:
    hints = registry.hints(decl.call)
    params, _, _ = _parameters(decl, registry, hints)
    for parameter in params.elements:
        if parameter.type in _FLOATS:
            raise SchemaError(
                f"View {decl.name} has a float parameter `{parameter.name}`,"
                " which views can't take yet"
            )
    if params.elements and decl.primary_key is not None:
        raise SchemaError(f"View {decl.name} has parameters and cannot have a primary key")
    returns = hints.get("return")
    result, row_class = _view_result(decl.name, returns)
    row_type = registry.convert(row_class, f"result of {decl.name}")
    if not isinstance(row_type, RefType) or not hasattr(row_class, "__dataclass_fields__"):
        raise SchemaError(f"view {decl.name} must return rows of a table or `module.type` class")
    fields = fields_of(row_class, registry)
    attributes = tuple(field.attribute for field in fields)
    key: int | None = None
    if decl.primary_key is not None:
        if result == "query" or decl.primary_key not in attributes:
            raise SchemaError(f"view {decl.name} cannot have the primary key {decl.primary_key!r}")
        key = attributes.index(decl.primary_key)
    elif result == "query" and not params.elements:
        table_keys = {
            plan.definition.primary_key for plan in tables if plan.row_class is row_class
        } - {None}
        key = table_keys.pop() if len(table_keys) == 1 else None
    definition = TableDef(
        name=decl.name,
        accessor=decl.call.__name__,
        row_ref=row_type.index,
        columns=_columns(registry, row_type.index),
        primary_key=key,
        unique_columns=() if key is None else (key,),
        is_view=True,
        params=params,
        is_anonymous=decl.is_anonymous,
    )
    return ViewPlan(
        TableBlueprint(definition, row_class, attributes), decl.call, result, decl.is_anonymous
    )


def _view_result(name: str, returns: Any) -> tuple[ViewResult, Any]:
    origin = typing.get_origin(returns)
    args = typing.get_args(returns)
    if origin is list:
        return "list", args[0]
    if origin is ViewQuery:
        return "query", args[0]
    if origin in (Union, pytypes.UnionType) and len(args) == 2 and type(None) in args:
        return "option", args[0] if args[1] is type(None) else args[1]
    raise SchemaError(
        f"view {name} must be annotated `-> list[Row]`, `Row | None` or `ViewQuery[Row]`"
    )


def _check_names(kind: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(f"this module has two of {kind} {name!r}")
        if not name.isidentifier() or name.startswith("st_"):
            raise SchemaError(f"{name!r} is no valid name of a {kind}")
        seen.add(name)
