"""The typed query builder: ``tables.user.where(lambda u: (u.age >= 18) & ~u.banned)``.

Columns overload the comparison operators, so that a lambda over them builds a condition instead of
computing a bool. A query writes only what the server accepts, quotes every name, and refuses at
once what the server would refuse later (`QueryError`). The same conditions filter the client cache
through its indexes: `spacetime_proto.query.local`.

``and``, ``or``, ``not`` and chains like ``18 <= u.age <= 65`` cannot be overloaded in Python; they
raise here. Write ``&``, ``|``, ``~`` and `Column.between`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..errors import QueryError
from ..unknown_names import unknown_attribute
from .conditions import (
    MAX_QUERY_BYTES,
    ColumnRef,
    Comparison,
    Condition,
    Constant,
    Operator,
    Relation,
    all_of,
    any_of,
    check_for_server,
    check_size,
    column_refs,
    condition_sql,
    negated,
    quote,
)
from .literals import SENDER, normalise
from .mistakes import ConditionOnly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..client.db import Db
    from ..types import Identity
    from .local import Selection

__all__ = [
    "SENDER",
    "BoolColumn",
    "Column",
    "Columns",
    "LocalColumn",
    "Predicate",
    "Query",
    "TableQuery",
    "stands_alone",
]

T = TypeVar("T")
Row_co = TypeVar("Row_co", covariant=True)
Row2 = TypeVar("Row2")
C = TypeVar("C", bound="Columns")
C2 = TypeVar("C2", bound="Columns")


# --- conditions ---------------------------------------------------------------------------------


class Predicate(ConditionOnly):
    """A condition on the columns of a row; combine with ``&``, ``|`` and ``~``."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    @property
    def condition(self) -> Condition:
        """The condition as data."""
        return self._condition

    def __and__(self, other: Predicate) -> Predicate:
        if not isinstance(other, Predicate):
            self._refuse_operand(other)
        return Predicate(all_of((self.condition, other.condition)))

    def __or__(self, other: Predicate) -> Predicate:
        if not isinstance(other, Predicate):
            self._refuse_operand(other)
        return Predicate(any_of((self.condition, other.condition)))

    def __invert__(self) -> Predicate:
        return Predicate(negated(self.condition))

    @property
    def _example(self) -> str:
        refs = column_refs(self.condition)
        return next((ref.column.attribute for ref in refs), "column")

    def __repr__(self) -> str:
        return f"<Predicate {condition_sql(self.condition, str)}>"


class LocalColumn(ConditionOnly, Generic[T]):
    """A column of a type that SQL cannot compare: an enum, option, struct or array.

    Its conditions filter the client cache (``client.db.user.where``); a query for the server that
    contains one is refused.
    """

    def __init__(self, ref: ColumnRef) -> None:
        self._ref = ref

    def _compare(self, operator: Operator, other: object) -> Predicate:
        if not isinstance(other, LocalColumn):
            value = normalise(self._ref.column, other)
            return Predicate(Comparison(operator, self._ref, value))
        theirs = other._ref
        if theirs.column.type != self._ref.column.type:
            raise QueryError(
                f"columns {str(self._ref)!r} and {str(theirs)!r} have different types:"
                " the server compares a column only with one of the same type"
            )
        return Predicate(Comparison(operator, self._ref, theirs))

    # Unlike in `object`, these two build a condition.
    def __eq__(self, other: T | LocalColumn[T]) -> Predicate:  # type: ignore[override]  # no bool, on purpose
        return self._compare("=", other)

    def __ne__(self, other: T | LocalColumn[T]) -> Predicate:  # type: ignore[override]  # no bool, on purpose
        return self._compare("<>", other)

    __hash__ = object.__hash__

    def in_(self, values: Iterable[T]) -> Predicate:
        """True where the column equals one of `values`; written as a chain of OR.

        A `range` with step 1 becomes two comparisons, however long it is.
        """
        if isinstance(values, range) and values.step == 1 and self._ref.column.kind is not None:
            if not values:
                return Predicate(Constant(False))
            low, high = self._compare(">=", values[0]), self._compare("<=", values[-1])
            return low & high
        return Predicate(any_of(self._compare("=", value).condition for value in values))

    @property
    def _example(self) -> str:
        return self._ref.column.attribute

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._ref}>"


class Column(LocalColumn[T]):
    """A column that SQL can compare: a bool, number, string, bytes, id or time."""

    def __lt__(self, other: T | Column[T]) -> Predicate:
        return self._compare("<", other)

    def __le__(self, other: T | Column[T]) -> Predicate:
        return self._compare("<=", other)

    def __gt__(self, other: T | Column[T]) -> Predicate:
        return self._compare(">", other)

    def __ge__(self, other: T | Column[T]) -> Predicate:
        return self._compare(">=", other)

    def between(self, low: T, high: T) -> Predicate:
        """True from `low` to `high`, both included."""
        return self._compare(">=", low) & self._compare("<=", high)


class BoolColumn(Column[bool], Predicate):
    """A bool column, which is a condition by itself."""

    @property
    def condition(self) -> Condition:
        """``column = TRUE``."""
        return Comparison("=", self._ref, True)


class Columns:
    """The columns of one table, as attributes; generated bindings annotate a subclass of it."""

    def __init__(self, relation: Relation) -> None:
        for index, column in enumerate(relation.columns):
            ref = ColumnRef(relation, index)
            made: LocalColumn[Any]
            if column.kind is None:
                made = LocalColumn(ref)
            else:
                made = BoolColumn(ref) if column.kind == "Bool" else Column(ref)
            setattr(self, column.attribute, made)

    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> Any:
            raise unknown_attribute(name, lambda: "this table", lambda: vars(self), kind="column")


def build_condition(
    relation: Relation, columns: type[C], build: Callable[[C], Predicate]
) -> Condition:
    """Call the user's lambda and return the condition that it built.

    Raises:
        QueryError: it returned something else, or looked at another table's columns.
    """
    predicate: object = build(columns(relation))
    if not isinstance(predicate, Predicate):
        hint = ""
        if isinstance(predicate, bool):
            hint = ": Python computed it, as it does for `is` and `is None`; write == and == None"
        elif isinstance(predicate, LocalColumn):
            hint = f": compare the column, as in lambda row: row.{predicate._example} == value"
        raise QueryError(
            f"where() takes a function from columns to a condition; it returned"
            f" {type(predicate).__name__}{hint}"
        )
    condition = predicate.condition
    check_size(condition)
    for ref in column_refs(condition):
        if ref.relation is not relation and ref.relation != relation:
            raise QueryError(f"{str(ref)!r} is not a column of {relation.name!r}")
    return condition


# --- queries ------------------------------------------------------------------------------------


class Join(msgspec.Struct, frozen=True):
    """A semijoin: the table whose rows are not kept, the filter on it, the two equal columns."""

    other: Relation
    on: int
    """Column of the table whose rows are kept."""
    other_on: int
    """Column of `other`."""
    condition: Condition


class QueryPlan(msgspec.Struct, frozen=True):
    """A query as data: the rows of `relation` that meet `condition` and have a partner in `join`.

    `keeps_right` affects only the SQL text: it puts the table of `join` first in FROM.
    """

    relation: Relation
    condition: Condition = Constant(True)
    join: Join | None = None
    keeps_right: bool = False
    arguments: tuple[str, ...] = ()
    """The literals of a view call."""

    def sql(self) -> str:
        """Write the query.

        Raises:
            QueryError: it holds what the server would refuse.
        """
        condition = self.condition
        if self.join is not None:
            condition = all_of((condition, self.join.condition))
        check_size(condition)
        check_for_server(condition)
        if len(self.arguments) != len(self.relation.parameters):
            raise QueryError(f"view {self.relation.name!r} has parameters: call it with arguments")
        if self.arguments:
            text = f"SELECT * FROM {_path(self.relation)}({', '.join(self.arguments)})"
        elif self.join is None:
            text = _select(self.relation, None, condition, "")
        else:
            text = self._join_sql(self.join, condition)
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise QueryError("a name in the query cannot be written as UTF-8") from None
        if size > MAX_QUERY_BYTES:
            raise QueryError(
                f"the query has {size:,} bytes; the server reads at most {MAX_QUERY_BYTES:,}"
            )
        return text

    def _join_sql(self, join: Join, condition: Condition) -> str:
        kept, other = ColumnRef(self.relation, join.on), ColumnRef(join.other, join.other_on)
        first, second = (other, kept) if self.keeps_right else (kept, other)
        joined = f" JOIN {_from(second.relation)} ON {_qualified(first)} = {_qualified(second)}"
        return _select(self.relation, first.relation, condition, joined)


def stands_alone(plan: QueryPlan, done: str) -> str:
    """Return what errors say of a condition or join on a view call."""
    return f"a call of view {plan.relation.name!r} stands alone: it cannot be {done}"


def _alias(relation: Relation) -> str:
    # A submodule's table is written namespace.table; a column cannot be qualified by that.
    return relation.name.rpartition(".")[2]


def _from(relation: Relation) -> str:
    if "." not in relation.name:
        return quote(relation.name)
    return f"{_path(relation)} AS {quote(_alias(relation))}"


def _path(relation: Relation) -> str:
    return ".".join(quote(part) for part in relation.name.split("."))


def _qualified(ref: ColumnRef) -> str:
    return f"{quote(_alias(ref.relation))}.{quote(ref.column.name)}"


def _select(relation: Relation, first: Relation | None, condition: Condition, joined: str) -> str:
    what = "*" if first is None else f"{quote(_alias(relation))}.*"
    text = f"SELECT {what} FROM {_from(first or relation)}{joined}"
    if condition == Constant(True):
        return text
    return f"{text} WHERE {condition_sql(condition, _qualified)}"


class Query(Generic[Row_co]):
    """A query for rows of type `Row_co`: pass it to `subscribe`, `query` or `select`."""

    def __init__(self, plan: Callable[[], QueryPlan]) -> None:
        self._make_plan = plan
        self._plan: QueryPlan | None = None
        self._sql: str | None = None

    @property
    def plan(self) -> QueryPlan:
        """The query as data; the schema is loaded on first use."""
        if self._plan is None:
            self._plan = self._make_plan()
        return self._plan

    @property
    def sql(self) -> str:
        """The SQL text."""
        if self._sql is None:
            self._sql = self.plan.sql()
        return self._sql

    @property
    def table(self) -> str:
        """Canonical name of the table whose rows the query gives."""
        return self.plan.relation.name

    def local(self, db: Db, *, sender: Identity | None = None) -> Selection[Row_co]:
        """Return the rows in a client's cache that this query selects, looked up when read.

        Args:
            db: ``client.db``.
            sender: what `SENDER` stands for, usually ``client.identity``.
        """
        from .local import Selection, plan_rows

        return Selection(db[self.table], lambda: plan_rows(self.plan, db.__getitem__, sender))

    def __str__(self) -> str:
        return self.sql

    def __repr__(self) -> str:
        return f"<Query {self.sql}>"


class TableQuery(Query[Row_co], Generic[Row_co, C]):
    """All rows of a table, or those that a condition lets through."""

    def __init__(self, plan: Callable[[], QueryPlan], columns: type[C]) -> None:
        super().__init__(plan)
        self._columns = columns

    @property
    def columns(self) -> type[C]:
        """The class of the columns object that `where` hands to its function."""
        return self._columns

    def where(self, build: Callable[[C], Predicate]) -> TableQuery[Row_co, C]:
        """Keep the rows for which the condition holds; several calls mean AND.

        Args:
            build: from the columns of this table to a condition, usually a lambda.

        Raises:
            QueryError: the server would refuse the condition.
        """
        plan = self.plan
        condition = build_condition(plan.relation, self._columns, build)
        return self._made(
            msgspec.structs.replace(plan, condition=all_of((plan.condition, condition))),
            self._columns,
        )

    def left_semijoin(
        self, other: TableQuery[Row2, C2], on: Callable[[C, C2], Predicate]
    ) -> TableQuery[Row_co, C]:
        """Keep the rows of this table that have a partner in `other`.

        Args:
            other: the table to look into, filtered or not.
            on: from the columns of both tables to one equality between indexed columns.

        Raises:
            QueryError: the server would refuse the join.
        """
        ours, theirs = self._join_columns(other, on)
        plan, others = self.plan, other.plan
        join = Join(others.relation, ours, theirs, others.condition)
        return self._made(msgspec.structs.replace(plan, join=join), self._columns)

    def right_semijoin(
        self, other: TableQuery[Row2, C2], on: Callable[[C, C2], Predicate]
    ) -> TableQuery[Row2, C2]:
        """Keep the rows of `other` that have a partner in this table; see `left_semijoin`."""
        ours, theirs = self._join_columns(other, on)
        plan, others = self.plan, other.plan
        join = Join(plan.relation, theirs, ours, plan.condition)
        kept = msgspec.structs.replace(others, join=join, keeps_right=True)
        return self._made(kept, other._columns)

    def _made(self, plan: QueryPlan, columns: type[C2]) -> TableQuery[Any, C2]:
        query: TableQuery[Any, C2] = TableQuery(lambda: plan, columns)
        query.sql  # noqa: B018  # raises QueryError here, in the call that made the mistake
        return query

    def _join_columns(
        self, other: TableQuery[Row2, C2], on: Callable[[C, C2], Predicate]
    ) -> tuple[int, int]:
        ours, theirs = self.plan, other.plan
        if ours.join is not None or theirs.join is not None:
            raise QueryError("the server joins at most two tables in a subscription")
        left, right = ours.relation, theirs.relation
        if theirs.arguments:
            raise QueryError(stands_alone(theirs, "joined"))
        if left == right:
            raise QueryError(f"table {left.name!r} cannot be joined with itself")
        if _alias(left) == _alias(right):
            raise QueryError(f"tables {left.name!r} and {right.name!r} would share a name in SQL")
        if right.is_event:
            raise QueryError(f"event table {right.name!r} keeps no rows to look partners up in")
        predicate = on(self._columns(left), other._columns(right))
        condition = predicate.condition if isinstance(predicate, Predicate) else None
        if (
            not isinstance(condition, Comparison)
            or condition.operator != "="
            or not isinstance(condition.right, ColumnRef)
        ):
            raise QueryError("a join takes one equality between a column of each table")
        first, second = condition.left, condition.right
        if first.relation == right:
            first, second = second, first
        if first.relation != left or second.relation != right:
            raise QueryError("a join takes one equality between a column of each table")
        for ref in (first, second):
            if ref.column.kind is None:
                raise QueryError(f"SQL cannot compare column {str(ref)!r}")
            # A view has no indexes, but only the second column of a join is looked up.
            unindexed_view = ref.relation.is_view and ref is first
            if ref.index not in ref.relation.indexed and not unindexed_view:
                raise QueryError(f"column {str(ref)!r} has no index of its own, which a join needs")
        return first.index, second.index
