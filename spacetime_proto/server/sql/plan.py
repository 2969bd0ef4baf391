"""Running resolved queries: the rows now, and those that a transaction adds and removes.

A query's result is a bag: a join yields a row once per match (docs/protocol.md section 4.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ...errors import QueryError
from ..engine.store import Change, TableStore
from .analyze import Catalog, ResolvedQuery, Source
from .ast import Select, Statement

__all__ = ["check_subscription", "delta", "rows_of", "select_statement", "snapshot"]

_NO_CHANGE = Change({}, {})


class IndexedCatalog(Catalog, Protocol):
    """A catalog that also knows which columns are indexed."""

    def is_indexed(self, source: Source, column: int) -> bool:
        """Say whether the column can be looked up without a scan."""
        ...


def select_statement(statement: Statement) -> Select:
    """Return a statement that must be a query.

    Raises:
        QueryError: it is INSERT, UPDATE or DELETE.
    """
    if not isinstance(statement, Select):
        kind = type(statement).__name__.removesuffix("Statement").upper()
        raise QueryError(f"Unsupported: {kind} in a subscription")
    return statement


def check_subscription(
    query: ResolvedQuery, sources: Sequence[Source], catalog: IndexedCatalog
) -> None:
    """Refuse queries that only the HTTP route accepts (docs/protocol.md section 10.4).

    Raises:
        QueryError: with the server's text.
    """
    if query.output.kind != "rows":
        raise QueryError(
            "Column projections are not supported in subscriptions;"
            " Subscriptions must return a table type"
        )
    if query.limit is not None:
        raise QueryError("LIMIT is not supported")
    if len(sources) > 2:
        raise QueryError(f"Invalid number of tables in subscription: {len(sources)}")
    for join in query.joins:
        if join is None:
            raise QueryError("Subscriptions require indexes on join columns")
        looked_up = sources[join.right.relation]
        if looked_up.definition.is_event:
            raise QueryError(
                "Event tables cannot be used as the lookup table in subscription joins"
            )
        if not catalog.is_indexed(looked_up, join.right.column):
            raise QueryError("Subscriptions require indexes on join columns")


def snapshot(query: ResolvedQuery, stores: Sequence[TableStore]) -> list[bytes]:
    """Return the encoded rows that a query selects now; `stores` holds its relations in order."""
    if not query.joins:
        return [data for data, _ in _single(query, stores[0])]
    side = query.output.relation
    return [combination[side][0] for combination in rows_of(query, stores)]


def rows_of(
    query: ResolvedQuery, stores: Sequence[TableStore]
) -> Iterator[tuple[tuple[bytes, Any], ...]]:
    """Yield every selected combination of (encoded row, row), one per relation."""
    if not query.joins:
        for item in _single(query, stores[0]):
            yield (item,)
        return
    where = query.where
    for combination in _combinations(query, stores, ()):
        if where is None or where([row for _, row in combination]):
            yield combination


def delta(
    query: ResolvedQuery, stores: Sequence[TableStore], changes: Mapping[TableStore, Change]
) -> tuple[list[bytes], list[bytes]]:
    """Return the rows that a query gained and lost; `stores` are as after the transaction."""
    if not query.joins:
        change = changes.get(stores[0], _NO_CHANGE)
        return _filtered(query, change.inserted), _filtered(query, change.deleted)
    net = _join_delta(query, stores, changes)
    inserts = [data for data, count in net.items() for _ in range(count)]
    deletes = [data for data, count in net.items() for _ in range(-count)]
    return inserts, deletes


def _filtered(query: ResolvedQuery, rows: Mapping[bytes, Any]) -> list[bytes]:
    where = query.where
    if where is None:
        return list(rows)
    return [data for data, row in rows.items() if where((row,))]


def _single(query: ResolvedQuery, store: TableStore) -> list[tuple[bytes, Any]]:
    rows = store.rows if query.equal is None else store.lookup(*query.equal)
    where = query.where
    return [item for item in rows.items() if where is None or where((item[1],))]


def _combinations(
    query: ResolvedQuery, stores: Sequence[TableStore], chosen: tuple[tuple[bytes, Any], ...]
) -> Iterator[tuple[tuple[bytes, Any], ...]]:
    at = len(chosen)
    if at == len(stores):
        yield chosen
        return
    rows: Mapping[bytes, Any] = stores[at].rows
    if at:
        join = query.joins[at - 1]
        if join is not None:
            value = getattr(chosen[join.left.relation][1], join.left.attribute)
            rows = stores[at].lookup(join.right.column, value)
    for item in rows.items():
        yield from _combinations(query, stores, (*chosen, item))


def _join_delta(
    query: ResolvedQuery, stores: Sequence[TableStore], changes: Mapping[TableStore, Change]
) -> Counter[bytes]:
    """Return how many times each row of the result was added (positive) or removed.

    With L and R as they are now, and dL and dR their rows added less those removed, the join
    changes by ``dL x R + L x dR - dL x dR``, because the old L is L - dL.
    """
    left, right = stores
    join = query.joins[0]
    if join is None:  # pragma: no cover - check_subscription refuses it
        raise AssertionError(query)
    side = query.output.relation
    where = query.where
    net: Counter[bytes] = Counter()

    def count(first: tuple[bytes, Any], second: tuple[bytes, Any], sign: int) -> None:
        if where is None or where((first[1], second[1])):
            net[(first, second)[side][0]] += sign

    changed_left = list(_signed(changes.get(left, _NO_CHANGE)))
    changed_right: dict[Any, list[tuple[tuple[bytes, Any], int]]] = {}
    for item, sign in _signed(changes.get(right, _NO_CHANGE)):
        value = getattr(item[1], join.right.attribute)
        changed_right.setdefault(right.key(join.right.column, value), []).append((item, sign))
        for match in left.lookup(join.left.column, value).items():
            count(match, item, sign)
    for item, sign in changed_left:
        value = getattr(item[1], join.left.attribute)
        for match in right.lookup(join.right.column, value).items():
            count(item, match, sign)
        for match, other in changed_right.get(left.key(join.left.column, value), ()):
            count(item, match, -sign * other)
    return net


def _signed(change: Change) -> Iterator[tuple[tuple[bytes, Any], int]]:
    for item in change.inserted.items():
        yield item, 1
    for item in change.deleted.items():
        yield item, -1
