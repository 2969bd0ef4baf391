"""Statements of the HTTP route: queries with projections, COUNT and LIMIT, and DML for the owner."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import EncodeError, QueryError
from ...sats.algebraic import Element, Primitive, ProductType
from ...types import Timestamp
from ..engine.derived import DerivedError
from ..engine.outcomes import Caller
from ..engine.store import TableStore
from .analyze import ResolvedOutput, Source, find_source, resolve, resolve_filter
from .ast import DeleteStatement, InsertStatement, Select, UpdateStatement
from .constants import column_value
from .parse import parse
from .plan import rows_of

if TYPE_CHECKING:
    from ..engine.database import Database
    from .ast import Statement


class StatementResult(msgspec.Struct, frozen=True):
    """The result of a statement. Rows are module values, in the order of the schema's elements."""

    schema: ProductType = ProductType()
    rows: tuple[tuple[Any, ...], ...] = ()
    sources: tuple[tuple[TableStore, int] | None, ...] = ()
    """Per element the column that it comes from; None for a count."""
    inserted: int = 0
    deleted: int = 0
    updated: int = 0


def run_sql(database: Database, text: str, caller: Caller, now: Timestamp) -> StatementResult:
    """Run one statement.

    Raises:
        QueryError: with the text that the server answers 400 with.
    """
    statement = parse(text)
    try:
        if isinstance(statement, Select):
            return _select(database, statement, caller)
        if not caller.is_owner:
            raise QueryError(
                f"Caller {caller.identity} is not authorized to run SQL DML statements"
            )
        with database.write(caller, now, "sql"):
            return _write(database, statement, caller)
    except (DerivedError, EncodeError, ValueError) as error:
        raise QueryError(str(error), query=text) from error


def _select(database: Database, select: Select, caller: Caller) -> StatementResult:
    query = resolve(select, database.queries.catalog(caller), caller.identity)
    stores = database.queries.fresh_stores(query, caller)
    output = query.output
    limit = query.limit
    if output.kind == "count":
        count = sum(1 for _ in rows_of(query, stores))
        element = Element(output.names[0], Primitive("U64"))
        shown = ((count,),) if limit is None or limit > 0 else ()
        return StatementResult(ProductType((element,)), shown, (None,))
    columns, names = _columns(output, stores)
    rows: list[tuple[Any, ...]] = []
    for combination in rows_of(query, stores):
        if limit is not None and len(rows) >= limit:
            break
        rows.append(
            tuple(
                getattr(combination[relation][1], attribute) for relation, _, attribute in columns
            )
        )
    elements = [
        Element(name, stores[relation].definition.columns[column].type)
        for name, (relation, column, _) in zip(names, columns, strict=True)
    ]
    sources = tuple((stores[relation], column) for relation, column, _ in columns)
    return StatementResult(ProductType(tuple(elements)), tuple(rows), sources)


def _columns(
    output: ResolvedOutput, stores: tuple[TableStore, ...]
) -> tuple[list[tuple[int, int, str]], list[str]]:
    """Return (relation, column, attribute) of each column of the result, and their names."""
    if output.kind == "columns":
        return [(f.relation, f.column, f.attribute) for f in output.fields], list(output.names)
    store = stores[output.relation]
    columns = [(output.relation, at, name) for at, name in enumerate(store.attributes)]
    return columns, [column.name for column in store.definition.columns]


def _write(database: Database, statement: Statement, caller: Caller) -> StatementResult:
    if isinstance(statement, InsertStatement):
        return _insert(database, statement, caller)
    if not isinstance(
        statement, UpdateStatement | DeleteStatement
    ):  # pragma: no cover - queries do not get here
        raise AssertionError(statement)
    catalog = database.queries.catalog(caller)
    source, where = resolve_filter(statement.table, statement.where, catalog, caller.identity)
    store = _store(database, source)
    matching = [(data, row) for data, row in store.rows.items() if where is None or where((row,))]
    if isinstance(statement, DeleteStatement):
        for data, _ in matching:
            store.delete(data)
        return StatementResult(deleted=len(matching))
    values = {}
    for assignment in statement.assignments:
        at = _column(store, assignment.column)
        ty = store.definition.columns[at].type
        values[store.attributes[at]] = column_value(assignment.value, ty, caller.identity)
    for data, row in matching:
        store.replace(data, dataclasses.replace(row, **values))
    return StatementResult(updated=len(matching))


def _insert(database: Database, statement: InsertStatement, caller: Caller) -> StatementResult:
    store = _store(database, find_source(statement.table, database.queries.catalog(caller)))
    count = len(store.attributes)
    if len(statement.columns) != count:
        raise QueryError(
            f"The number of fields ({len(statement.columns)}) in the INSERT does not match the"
            f" number of columns ({count}) of the table `{store.name}`"
        )
    before = len(store.rows)
    for row in statement.rows:
        if len(row) != count:
            raise QueryError(
                f"Inserting a row with {len(row)} values into `{store.name}`"
                f" which has {count} fields"
            )
        # Values are positional in table order; the server ignores the names (section 10.5).
        values = {
            name: column_value(literal, column.type, caller.identity)
            for name, column, literal in zip(
                store.attributes, store.definition.columns, row, strict=True
            )
        }
        store.insert(store.row_class(**values))
    return StatementResult(inserted=len(store.rows) - before)


def _store(database: Database, source: Source) -> TableStore:
    """Return the table that a statement writes to.

    Raises:
        QueryError: it is a view, or one that nobody writes to by SQL (docs/protocol.md section 10.5).
    """
    if source.definition.is_view:
        raise QueryError(f"`{source.definition.name}` is a view; views cannot be written to")
    if source.definition.is_system:
        raise QueryError("Database environment variables can only be changed by publishing")
    if source.definition.schedule is not None:
        raise QueryError("SQL writes to scheduled tables are not supported")
    return database.stores[source.definition.name]


def _column(store: TableStore, name: str) -> int:
    for at, column in enumerate(store.definition.columns):
        if name in (column.name, store.attributes[at]):
            return at
    raise QueryError(f"`{name}` is not in scope")
