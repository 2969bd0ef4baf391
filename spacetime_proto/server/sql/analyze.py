"""Names and types: a parsed query -> `ResolvedQuery`, ready to run (docs/protocol.md sections 10.3 to 10.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from ...errors import QueryError
from ...sats.algebraic import AlgebraicType, Primitive, Typespace
from ...sats.order import OPERATORS, sort_key
from ...schema.model import TableDef
from ...types import Identity
from .ast import (
    All,
    And,
    ColumnName,
    Compare,
    Count,
    Expression,
    Or,
    Parameter,
    Select,
    SelectedColumns,
    SqlConstant,
)
from .constants import column_value, is_comparable, literal_value, type_text, unexpected_type
from .view_arguments import view_arguments

#: Says whether a combination of rows, one per relation, is selected.
Predicate: TypeAlias = Callable[[Sequence[Any]], bool]

_BOOL: Final = Primitive("Bool")
_MIRRORED: Final = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Source(Protocol):
    """A table or view as a query sees it."""

    @property
    def definition(self) -> TableDef:
        """Its description."""
        ...

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attribute of the row class for each column: its name in the source code."""
        ...


class Catalog(Protocol):
    """Where table names are looked up, with the caller's rights."""

    typespace: Typespace

    def source(self, name: str) -> Source | None:
        """Return the table or view of this canonical name or accessor that the caller may read."""
        ...


class ResolvedField(msgspec.Struct, frozen=True):
    """A column of one of the query's relations."""

    relation: int
    column: int
    attribute: str
    type: AlgebraicType


class ResolvedJoin(msgspec.Struct, frozen=True):
    """The equality that ties relation number `right.relation` to an earlier one."""

    left: ResolvedField
    right: ResolvedField


class ResolvedOutput(msgspec.Struct, frozen=True):
    """What the query returns: rows of one relation, a list of columns, or a count."""

    kind: Literal["rows", "columns", "count"]
    relation: int = 0
    fields: tuple[ResolvedField, ...] = ()
    names: tuple[str, ...] = ()


class ResolvedQuery(msgspec.Struct, frozen=True):
    """A query with every name resolved.

    Attributes:
        joins: for each relation after the first its equality, or None for a cross product.
        where: None selects everything.
        equal: (column of the first relation, value) that `where` requires, or None.
        sources: canonical names of the relations.
    """

    sources: tuple[str, ...]
    joins: tuple[ResolvedJoin | None, ...]
    output: ResolvedOutput
    where: Predicate | None
    equal: tuple[int, Any] | None
    limit: int | None
    arguments: tuple[Any, ...] = ()
    """What its one relation, a view with parameters, is called with."""


def uses_sender(expression: Expression | None) -> bool:
    """Say whether an expression depends on the caller."""
    match expression:
        case Parameter():
            return True
        case Compare(_, left, right):
            return uses_sender(left) or uses_sender(right)
        case And(parts) | Or(parts):
            return any(uses_sender(part) for part in parts)
        case _:
            return False


def resolve(select: Select, catalog: Catalog, sender: Identity) -> ResolvedQuery:
    """Resolve a parsed query for one caller.

    Raises:
        QueryError: with the server's text.
    """
    _refuse_joined_calls(select)
    sources: dict[str, Source] = {}
    arguments: tuple[Any, ...] = ()
    joins: list[ResolvedJoin | None] = []
    for relation in select.relations:
        source = find_source(relation.table, catalog)
        arguments = view_arguments(relation, source.definition, catalog.typespace)
        if relation.alias in sources:
            raise QueryError(f"Duplicate name `{relation.alias}`")
        sources[relation.alias] = source
        scope = _Scope(sources, catalog.typespace, sender)
        if relation.on is not None:
            joins.append(scope.join(*relation.on))
        elif len(sources) > 1:
            joins.append(None)
    if arguments and not _is_bare(select):
        (source,) = sources.values()
        name = source.definition.name
        raise QueryError(
            f"View `{name}` takes arguments, so it can only be queried as"
            f" `SELECT * FROM {name}(...)`"
        )
    scope = _Scope(sources, catalog.typespace, sender)
    where = None if select.where is None else scope.predicate(select.where)
    return ResolvedQuery(
        sources=tuple(source.definition.name for source in sources.values()),
        joins=tuple(joins),
        output=scope.output(select),
        where=where,
        equal=None if select.where is None else scope.equality(select.where),
        limit=None if select.limit is None else _limit(select.limit),
        arguments=arguments,
    )


def _refuse_joined_calls(select: Select) -> None:
    if len(select.relations) > 1:
        for relation in select.relations:
            if relation.arguments:
                raise QueryError(
                    f"Unsupported view call in a JOIN: `{relation.table}`. A view that takes"
                    " arguments can only be queried by itself"
                )


def _is_bare(select: Select) -> bool:
    return isinstance(select.projection, All) and select.where is None and select.limit is None


def resolve_filter(
    table: str, where: Expression | None, catalog: Catalog, sender: Identity
) -> tuple[Source, Predicate | None]:
    """Resolve the table and WHERE of an UPDATE or DELETE.

    Raises:
        QueryError: with the server's text.
    """
    source = find_source(table, catalog)
    scope = _Scope({table: source}, catalog.typespace, sender)
    return source, None if where is None else scope.predicate(where)


def find_source(name: str, catalog: Catalog) -> Source:
    """Return the table or view of this name that the caller may read.

    Raises:
        QueryError: there is none.
    """
    source = catalog.source(name)
    if source is None:
        raise QueryError(f"no such table: `{name}`. If the table exists, it may be marked private.")
    return source


def _limit(text: str) -> int:
    number: int = literal_value(SqlConstant("number", text), Primitive("U64"))
    return number


class _Scope:
    """The relations that names are looked up in."""

    def __init__(
        self, sources: Mapping[str, Source], typespace: Typespace, sender: Identity
    ) -> None:
        self._sources = dict(sources)
        self._typespace = typespace
        self._sender = sender

    # --- names --------------------------------------------------------------------------------

    def field(self, name: ColumnName) -> ResolvedField:
        if name.table is None and len(self._sources) > 1:
            raise QueryError("Names must be qualified when using joins")
        for position, (alias, source) in enumerate(self._sources.items()):
            if name.table is not None and name.table != alias:
                continue
            columns = source.definition.columns
            # The name in the module's source wins over the canonical one.
            if name.name in source.attributes:
                at = source.attributes.index(name.name)
            else:
                at = next((c.index for c in columns if c.name == name.name), -1)
            if at < 0:
                raise QueryError(f"`{name.name}` is not in scope")
            return ResolvedField(position, at, source.attributes[at], columns[at].type)
        raise QueryError(f"`{name.table}` is not in scope")

    def join(self, one: ColumnName, other: ColumnName) -> ResolvedJoin:
        left, right = self.field(one), self.field(other)
        if left.type != right.type:
            raise unexpected_type(left.type, right.type)
        self._check_operator("=", left.type)
        newest = len(self._sources) - 1
        if left.relation == newest:
            left, right = right, left
        if right.relation != newest or left.relation == newest:
            raise QueryError("Non-inner joins are not supported")
        return ResolvedJoin(left, right)

    def output(self, select: Select) -> ResolvedOutput:
        aliases = list(self._sources)
        match select.projection:
            case All(None):
                if len(aliases) > 1:
                    raise QueryError("SELECT * is not supported for joins")
                return ResolvedOutput("rows")
            case All(str(alias)):
                if alias not in aliases:
                    raise QueryError(f"`{alias}` is not in scope")
                return ResolvedOutput("rows", aliases.index(alias))
            case Count(alias):
                return ResolvedOutput("count", names=(alias,))
            case SelectedColumns(items):
                names = [item.alias or item.column.name for item in items]
                for at, name in enumerate(names):
                    if name in names[:at]:
                        raise QueryError(f"Duplicate name `{name}`")
                fields = tuple(self.field(item.column) for item in items)
                return ResolvedOutput("columns", fields=fields, names=tuple(names))
            case _:  # pragma: no cover
                raise AssertionError(select.projection)

    # --- predicates ---------------------------------------------------------------------------

    def predicate(self, expression: Expression) -> Predicate:
        match expression:
            case And(parts):
                predicates = [self.predicate(part) for part in parts]
                return lambda rows: all(holds(rows) for holds in predicates)
            case Or(parts):
                predicates = [self.predicate(part) for part in parts]
                return lambda rows: any(holds(rows) for holds in predicates)
            case SqlConstant("bool", text):
                answer = text == "true"
                return lambda rows: answer
            case Compare(op, left, right):
                return self._comparison(op, left, right)
            case ColumnName():
                field = self.field(expression)
                if field.type != _BOOL:
                    raise unexpected_type(_BOOL, field.type)
                return self._getter(field)
            case _:
                raise QueryError("Cannot resolve type for literal expression")

    def equality(self, expression: Expression) -> tuple[int, Any] | None:
        """Return a (column, value) of the first relation that every selected row has."""
        parts = expression.parts if isinstance(expression, And) else (expression,)
        for part in parts:
            if not isinstance(part, Compare) or part.op != "=":
                continue
            for name, literal in ((part.left, part.right), (part.right, part.left)):
                if isinstance(name, ColumnName) and isinstance(literal, SqlConstant | Parameter):
                    field = self.field(name)
                    if field.relation == 0:
                        return field.column, column_value(literal, field.type, self._sender)
        return None

    def _comparison(self, op: str, left: Expression, right: Expression) -> Predicate:
        if not isinstance(left, ColumnName):
            left, right, op = right, left, _MIRRORED[op]
        if not isinstance(left, ColumnName):
            raise QueryError("Cannot resolve type for literal expression")
        field = self.field(left)
        compare = OPERATORS[op]
        get = self._getter(field)
        if isinstance(right, ColumnName):
            other = self.field(right)
            if other.type != field.type:
                raise unexpected_type(field.type, other.type)
            self._check_operator(op, field.type)
            get_other = self._getter(other)
            return lambda rows: compare(get(rows), get_other(rows))
        if not isinstance(right, SqlConstant | Parameter):
            raise unexpected_type(field.type, _BOOL)
        self._check_operator(op, field.type)
        value = column_value(right, field.type, self._sender)
        key = sort_key(field.type, self._typespace)
        wanted = value if key is None else key(value)
        return lambda rows: compare(get(rows), wanted)

    def _getter(self, field: ResolvedField) -> Callable[[Sequence[Any]], Any]:
        get = attrgetter(field.attribute)
        key = sort_key(field.type, self._typespace)
        at = field.relation
        if key is None:
            return lambda rows: get(rows[at])
        return lambda rows: key(get(rows[at]))

    def _check_operator(self, op: str, ty: AlgebraicType) -> None:
        if not is_comparable(ty):
            raise QueryError(f"Invalid binary operator `{op}` for type `{type_text(ty)}`")
