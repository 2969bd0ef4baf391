"""The query builder's conditions on the client: rows of the cache, found through its indexes.

A condition means here what it means on the server: floats are ordered totally (NaN last), strings
by code point, ids as numbers. In addition, columns that SQL cannot compare may be tested for
equality. A table is read as it is when the rows are asked for; a row counts once, however many
query sets hold it.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..cache.lookup_values import LookupValues
from ..dataframes.export import FrameMethods
from ..errors import QueryError
from ..sats.order import OPERATORS, sort_key
from .conditions import AllOf, AnyOf, ColumnRef, Comparison, Constant, comparisons
from .literals import SENDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..cache.cached_table import CachedTable
    from ..cache.views import TableView
    from ..schema.bound import BoundTable
    from ..types import Identity
    from .builder import QueryPlan
    from .conditions import Condition, Term

Row = TypeVar("Row")


class Selection(FrameMethods, Generic[Row]):
    """Rows of the client cache that a query selects; looked up anew each time they are asked for."""

    __slots__ = ("_find", "_view")

    def __init__(self, view: TableView[Row], find: Callable[[], list[Row]]) -> None:
        self._view = view
        self._find = find

    @property
    def view(self) -> TableView[Row]:
        """The table whose rows are selected."""
        return self._view

    def rows(self) -> list[Row]:
        """Return the rows, in no promised order.

        Raises:
            DecodeError: a row does not decode.
        """
        return self._find()

    def first(self) -> Row | None:
        """Return one of the rows, or None if there is none."""
        rows = self._find()
        return rows[0] if rows else None

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._find())

    def __iter__(self) -> Iterator[Row]:
        return iter(self._find())

    def __len__(self) -> int:
        return len(self._find())

    def __bool__(self) -> bool:
        """Always True, so that testing it does not run the query; use `count`."""
        return True

    def _frame_source(self) -> tuple[BoundTable, list[bytes]]:
        rows, store = self._find(), self._view.store
        if store is None:
            return self._view.table, []
        # The rows found are the very objects in `store.rows`, so `id` leads back to their bytes.
        wanted = set(map(id, rows))
        return self._view.table, [data for data, row in store.rows.items() if id(row) in wanted]

    def _shown_rows(self, maximum: int) -> tuple[BoundTable, list[Row], int]:
        rows = self._find()
        return self._view.table, rows[:maximum], len(rows)

    def __repr__(self) -> str:
        return f"<Selection of {self._view.table_name}: {len(self._find())} rows>"


def plan_rows(
    plan: QueryPlan, view_of: Callable[[str], TableView[Any]], sender: Identity | None = None
) -> list[Any]:
    """Return the rows that a query selects in the cache.

    Args:
        plan: the query as data.
        view_of: from the canonical name of a table to its view.
        sender: what `SENDER` stands for.

    Raises:
        QueryError: a literal that its column cannot hold; `SENDER` without a sender.
        DecodeError: a row does not decode.
    """
    rows = matching_rows(view_of(plan.relation.name), plan.condition, sender)
    join = plan.join
    if join is None or not rows:
        return rows
    partners = view_of(join.other.name)
    store = partners.store
    if store is None:
        return []
    key_of = sort_key(plan.relation.columns[join.on].type, plan.relation.typespace)
    get = operator.attrgetter(plan.relation.columns[join.on].attribute)
    if join.condition == Constant(True):
        has_partner = store.index((join.other_on,)).group
    else:
        theirs = operator.attrgetter(join.other.columns[join.other_on].attribute)
        found = matching_rows(partners, join.condition, sender)
        keys = {theirs(row) if key_of is None else key_of(theirs(row)) for row in found}
        has_partner = keys.__contains__  # type: ignore[assignment]  # used for its truth only
    return [row for row in rows if has_partner(get(row) if key_of is None else key_of(get(row)))]


def matching_rows(
    view: TableView[Row], condition: Condition, sender: Identity | None = None
) -> list[Row]:
    """Return the rows of a table for which a condition holds; errors as `plan_rows`."""
    _check_literals(view, condition)
    store = view.store
    if store is None:
        return []
    if isinstance(condition, Constant):
        return view.rows() if condition.value else []
    tests = _Tests(sender)
    test = tests.of(condition)
    found = _Lookup(store, tests).rows(condition)
    return [row for row in (view.rows() if found is None else found) if test(row)]


def _check_literals(view: TableView[Any], condition: Condition) -> None:
    """Refuse values that their columns cannot hold, which no row would ever be equal to.

    The builder has checked those of columns that SQL can compare.
    """
    for comparison in comparisons(condition):
        ref, value = comparison.left, comparison.right
        if ref.column.kind is None and not isinstance(value, ColumnRef):
            try:
                LookupValues(view.table, (ref.index,)).check((value,), "where")
            except TypeError as error:
                raise QueryError(str(error)) from None


class _Tests:
    """Makes a function from a row to a bool out of a condition."""

    def __init__(self, sender: Identity | None) -> None:
        self._sender = sender

    def literal(self, comparison: Comparison) -> Any:
        """Return the value that a column is compared with."""
        value = comparison.right
        if value is not SENDER:
            return value
        if comparison.left.column.kind != "Identity":
            raise QueryError("on the client, SENDER can be compared with Identity columns only")
        if self._sender is None:
            raise QueryError("SENDER means the identity of a client that has connected")
        return self._sender

    def key(self, ref: ColumnRef) -> Callable[[Any], Any] | None:
        """Return the function from a column's values to sort keys; None if they need none."""
        return sort_key(ref.column.type, ref.relation.typespace)

    def of(self, condition: Term) -> Callable[[Any], bool]:
        """Return the function."""
        match condition:
            case Comparison():
                return self._comparison(condition)
            case AllOf(terms):
                tests = [self.of(term) for term in terms]
                return lambda row: all(test(row) for test in tests)
            case _:
                tests = [self.of(term) for term in condition.terms]
                return lambda row: any(test(row) for test in tests)

    def _comparison(self, comparison: Comparison) -> Callable[[Any], bool]:
        compare = OPERATORS[comparison.operator]
        key = self.key(comparison.left)
        left = operator.attrgetter(comparison.left.column.attribute)
        if isinstance(comparison.right, ColumnRef):
            right = operator.attrgetter(comparison.right.column.attribute)
            if key is None:
                return lambda row: compare(left(row), right(row))
            made = key
            return lambda row: compare(made(left(row)), made(right(row)))
        value = self.literal(comparison)
        if key is None:
            return lambda row: compare(left(row), value)
        made = key
        limit = made(value)
        return lambda row: compare(made(left(row)), limit)


class _Lookup:
    """Finds candidates through the table's indexes: all rows that match, and perhaps others."""

    def __init__(self, store: CachedTable[Any], tests: _Tests) -> None:
        self._store = store
        self._tests = tests
        definition = store.table.definition
        columns: set[tuple[int, ...]] = {(at,) for at in definition.unique_columns}
        columns.update(index.columns for index in definition.indexes)
        self._unique: set[tuple[int, ...]] = {(at,) for at in definition.unique_columns}
        self._indexes = sorted(columns)

    def rows(self, condition: Term) -> list[Any] | None:
        """Return candidates for a condition; None if all rows have to be looked at."""
        match condition:
            case Comparison():
                return self._conjunction((condition,))
            case AllOf(terms):
                return self._conjunction(terms)
            case _:
                return self._disjunction(condition.terms)

    def _disjunction(self, terms: tuple[Term, ...]) -> list[Any] | None:
        rows: list[Any] = []
        earlier: list[Callable[[Any], bool]] = []
        for term in terms:
            found = self.rows(term)
            if found is None:
                return None
            # No row may come twice, so each comes from the first term that holds for it. Candidates
            # for which their own term does not hold are dropped: a later term may bring them.
            test = self._tests.of(term)
            rows.extend(row for row in found if test(row) and not any(t(row) for t in earlier))
            earlier.append(test)
        return rows

    def _conjunction(self, terms: tuple[Term, ...]) -> list[Any] | None:
        equal: dict[int, Any] = {}
        low: dict[int, tuple[Any, bool]] = {}
        high: dict[int, tuple[Any, bool]] = {}
        for term in terms:
            if not isinstance(term, Comparison) or isinstance(term.right, ColumnRef):
                continue
            at, value = term.left.index, self._tests.literal(term)
            match term.operator:
                case "=":
                    equal.setdefault(at, value)
                case ">" | ">=":
                    low.setdefault(at, (value, term.operator == ">="))
                case "<" | "<=":
                    high.setdefault(at, (value, term.operator == "<="))
        best: tuple[tuple[int, int, int], tuple[int, ...], int] | None = None
        for columns in self._indexes:
            prefix = 0
            while prefix < len(columns) and columns[prefix] in equal:
                prefix += 1
            ends = 0
            if prefix < len(columns):
                ends = (columns[prefix] in low) + (columns[prefix] in high)
            if prefix or ends:
                score = (int(prefix == len(columns) and columns in self._unique), prefix, ends)
                if best is None or score > best[0]:
                    best = (score, columns, prefix)
        if best is None:
            # No comparison can use an index; perhaps all parts of an OR among the terms can.
            found = (self.rows(term) for term in terms if isinstance(term, AnyOf))
            return next((rows for rows in found if rows is not None), None)
        _, columns, prefix = best
        index = self._store.index(columns)
        values = tuple(equal[at] for at in columns[:prefix])
        if prefix == len(columns):
            return index.equal(values)
        return index.between(values, low.get(columns[prefix]), high.get(columns[prefix]))
