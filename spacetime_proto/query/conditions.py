"""Conditions on rows as data, and the SQL that they become (docs/protocol.md section 10).

A condition is a tree of three node kinds over columns and literals: exactly what the server
accepts. There is no node for NOT, which the server's parser does not know: `negated` reverses each
comparison instead. IN becomes a chain of OR. Trees are kept flat: a chain of AND or OR is one node,
however long, so that neither the server's parser nor the recursive functions here go deep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from ..errors import QueryError
from ..sats.algebraic import AlgebraicType, SumType, Typespace, special_name
from ..sats.names import python_names
from .literals import argument_kind, kind_of, literal_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..schema.model import TableDef

__all__ = [
    "MAX_COMPARISONS",
    "MAX_NESTING",
    "MAX_QUERY_BYTES",
    "AllOf",
    "AnyOf",
    "ColumnRef",
    "Comparison",
    "Condition",
    "Constant",
    "Operator",
    "Relation",
    "RelationColumn",
    "RelationParameter",
    "Term",
    "all_of",
    "any_of",
    "check_for_server",
    "check_size",
    "column_refs",
    "condition_sql",
    "negated",
    "quote",
    "relation_of",
]

#: Longest query the server reads (docs/protocol.md section 10.1).
MAX_QUERY_BYTES: Final = 50_000
#: Comparisons in one query; the server's guard against recursion gives up at about 1,600.
MAX_COMPARISONS: Final = 1_500
#: Parentheses inside parentheses; the server's SQL parser gives up at 50.
MAX_NESTING: Final = 40

Operator = Literal["=", "<>", "<", "<=", ">", ">="]

_OPPOSITE: Final[dict[Operator, Operator]] = {
    "=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
}  # fmt: skip


# --- tables and columns as queries see them -----------------------------------------------------


class RelationColumn(msgspec.Struct, frozen=True):
    """One column of a table that can be queried."""

    name: str
    """Canonical name, as in SQL."""
    attribute: str
    """Name of the row's attribute."""
    type: AlgebraicType
    """Its type; a reference at the top is followed."""
    kind: str | None
    """The kind of its literals: a primitive's name, ``bytes``, ``Identity`` ...; None if SQL cannot
    compare columns of this type (docs/protocol.md section 10.2)."""

    def refusal(self, expected: str, given: str) -> str:
        """Return the text for a value that does not fit."""
        return f"column {self.name!r} is compared with {expected}, not with {given}"


class RelationParameter(RelationColumn, frozen=True):
    """One parameter of a view: a literal is read by its type as by a column's."""

    view: str = ""
    """Canonical name of the view."""

    def refusal(self, expected: str, given: str) -> str:
        """Return the text for a value that does not fit."""
        return f"parameter {self.name!r} of view {self.view!r} takes {expected}, not {given}"


class Relation(msgspec.Struct, frozen=True):
    """A table or view that can be queried."""

    name: str
    """Canonical name."""
    columns: tuple[RelationColumn, ...]
    typespace: Typespace = Typespace()
    """The typespace for references in the types of the columns."""
    indexed: frozenset[int] = frozenset()
    """Columns that have an index of their own, so that a join may look them up."""
    is_event: bool = False
    is_view: bool = False
    parameters: tuple[RelationParameter, ...] = ()
    """Of a view: what each query for it has to give."""


def relation_of(
    table: TableDef, typespace: Typespace, attributes: Iterable[str] | None = None
) -> Relation:
    """Describe a table of a module for queries.

    Args:
        table: the table.
        typespace: of its module.
        attributes: the attribute names of its row class; the canonical names if not given.
    """
    names = tuple(attributes) if attributes is not None else tuple(c.name for c in table.columns)
    indexed = {index.columns[0] for index in table.indexes if len(index.columns) == 1}
    indexed.update(table.unique_columns)
    if table.primary_key is not None:
        indexed.add(table.primary_key)
    columns = []
    for column, attribute in zip(table.columns, names, strict=True):
        resolved = typespace.resolve(column.type)
        columns.append(RelationColumn(column.name, attribute, resolved, kind_of(resolved)))
    return Relation(
        name=table.name,
        columns=tuple(columns),
        typespace=typespace,
        indexed=frozenset(indexed),
        is_event=table.is_event,
        is_view=table.is_view,
        parameters=_parameters(table, typespace),
    )


def _parameters(table: TableDef, typespace: Typespace) -> tuple[RelationParameter, ...]:
    elements = table.params.elements
    attributes = python_names((element.name for element in elements), prefix="arg_")
    made = []
    for element, attribute in zip(elements, attributes, strict=True):
        resolved = typespace.resolve(element.type)
        kind = argument_kind(resolved)
        name = attribute if element.name is None else element.name
        made.append(RelationParameter(name, attribute, resolved, kind, table.name))
    return tuple(made)


# --- the tree -----------------------------------------------------------------------------------


class ColumnRef(msgspec.Struct, frozen=True):
    """A column of a relation."""

    relation: Relation
    index: int

    @property
    def column(self) -> RelationColumn:
        """The column that this refers to."""
        return self.relation.columns[self.index]

    def __str__(self) -> str:
        return f"{self.relation.name}.{self.column.name}"


class Comparison(msgspec.Struct, frozen=True):
    """A column compared with a value or with another column."""

    operator: Operator
    left: ColumnRef
    right: Any
    """A `ColumnRef`, or a value that `normalise` returned."""


class AllOf(msgspec.Struct, frozen=True):
    """True where every term is; at least two terms, none of them an `AllOf`."""

    terms: tuple[Term, ...]


class AnyOf(msgspec.Struct, frozen=True):
    """True where some term is; at least two terms, none of them an `AnyOf`."""

    terms: tuple[Term, ...]


class Constant(msgspec.Struct, frozen=True):
    """True or false everywhere; only ever a whole condition, never a term."""

    value: bool


Term: TypeAlias = Comparison | AllOf | AnyOf
Condition: TypeAlias = Term | Constant


def all_of(conditions: Iterable[Condition]) -> Condition:
    """Join with AND; no conditions are true."""
    return _joined(conditions, AllOf, when_empty=True)


def any_of(conditions: Iterable[Condition]) -> Condition:
    """Join with OR; no conditions are false."""
    return _joined(conditions, AnyOf, when_empty=False)


def _joined(
    conditions: Iterable[Condition], kind: type[AllOf | AnyOf], *, when_empty: bool
) -> Condition:
    terms: list[Term] = []
    for condition in conditions:
        if isinstance(condition, Constant):
            if condition.value != when_empty:
                return condition
        elif isinstance(condition, kind):
            terms.extend(condition.terms)
        else:
            terms.append(condition)
    if not terms:
        return Constant(when_empty)
    return terms[0] if len(terms) == 1 else kind(tuple(terms))


def negated(condition: Condition) -> Condition:
    """Return the opposite condition, without a NOT.

    Exact for every type: SATS orders floats totally (NaN equals itself and comes last), and a
    column that can be compared is never null.
    """
    match condition:
        case Comparison(operator, left, right):
            return Comparison(_OPPOSITE[operator], left, right)
        case AllOf(terms):
            return any_of(negated(term) for term in terms)
        case AnyOf(terms):
            return all_of(negated(term) for term in terms)
        case _:
            return Constant(not condition.value)


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Iterate over the comparisons of a condition, left to right."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, (AllOf, AnyOf)):
        for term in condition.terms:
            yield from comparisons(term)


def column_refs(condition: Condition) -> Iterator[ColumnRef]:
    """Iterate over the columns that a condition looks at, left to right."""
    for comparison in comparisons(condition):
        yield comparison.left
        if isinstance(comparison.right, ColumnRef):
            yield comparison.right


# --- SQL ----------------------------------------------------------------------------------------


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def check_size(condition: Condition) -> None:
    """Refuse a condition too large for the server, or for walking it recursively.

    Raises:
        QueryError: too many comparisons, too deep a nesting.
    """
    nodes: list[Condition] = [condition]
    count = level = 0
    while nodes:
        level += 1
        if level > MAX_NESTING:
            raise QueryError(f"the server takes at most {MAX_NESTING} levels of AND inside OR")
        count += sum(isinstance(node, Comparison) for node in nodes)
        if count > MAX_COMPARISONS:
            raise QueryError(f"the server takes at most {MAX_COMPARISONS:,} comparisons in a query")
        nodes = [term for node in nodes if isinstance(node, (AllOf, AnyOf)) for term in node.terms]


def check_for_server(condition: Condition) -> None:
    """Refuse what the server would refuse in a condition that `check_size` has let through.

    Raises:
        QueryError: a column that SQL cannot compare.
    """
    for ref in column_refs(condition):
        if ref.column.kind is None:
            raise QueryError(
                f"SQL cannot compare {_type_words(ref.column.type)} column {str(ref)!r};"
                f" filter the cache instead: client.db.{ref.relation.name}.where(...)"
            )


def _type_words(ty: AlgebraicType) -> str:
    special = special_name(ty)
    if special is not None:
        return special
    return "enum or option" if isinstance(ty, SumType) else "array or struct"


def condition_sql(condition: Condition, column_sql: Callable[[ColumnRef], str]) -> str:
    """Write a condition.

    Args:
        condition: one that `check_for_server` has let through.
        column_sql: writes a column, qualified as the query needs it.
    """
    match condition:
        case Comparison(operator, left, right):
            if isinstance(right, ColumnRef):
                written = column_sql(right)
            else:
                written = literal_sql(left.column.kind or "", right)
            return f"{column_sql(left)} {operator} {written}"
        case AllOf(terms) | AnyOf(terms):
            word = " AND " if isinstance(condition, AllOf) else " OR "
            return word.join(
                condition_sql(term, column_sql)
                if isinstance(term, Comparison)
                else f"({condition_sql(term, column_sql)})"
                for term in terms
            )
        case _:
            return "TRUE" if condition.value else "FALSE"
