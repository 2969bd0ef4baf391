"""Live queries: each distinct query is compiled, evaluated and encoded once for all its clients."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from ...errors import QueryError
from ...messages.v2 import EventRows, PersistentRows
from ...sats.rows import RowList
from ...types import Identity
from ..sql.analyze import ResolvedQuery
from ..sql.plan import delta, snapshot
from .derived import Derived, DerivedError
from .store import Change, TableStore

if TYPE_CHECKING:
    from .outcomes import Commit

__all__ = ["Delta", "LiveQueries", "LiveQuery", "Share", "Slot", "Subscriber"]

#: The set of a subscriber that holds a query: a v2 query set id, or one of v1's two counts.
Slot: TypeAlias = Hashable


class Subscriber(Protocol):
    """A connection, as live queries use it."""

    def on_commit(self, commit: Commit, share: Share) -> None:
        """Take this subscriber's part of another caller's transaction."""
        ...

    def on_query_failed(self, slots: list[Slot], text: str) -> None:
        """End the sets in these slots: a query of theirs cannot be evaluated any more."""
        ...


class LiveQuery:
    """One distinct query with at least one subscriber.

    Attributes:
        key: (text, caller it depends on or None, whether the caller is the owner).
        table: the base table or view whose rows it returns.
        holders: its subscribers and their slots, in the order of subscription.
    """

    def __init__(
        self,
        key: tuple[str, Identity | None, bool],
        query: ResolvedQuery,
        stores: tuple[TableStore, ...],
        derived: tuple[Derived, ...],
    ) -> None:
        self.key = key
        self.query = query
        self.stores = stores
        self.derived = derived
        self.table = stores[query.output.relation]
        self.holders: dict[tuple[Subscriber, Slot], None] = {}
        self._snapshot: tuple[int, RowList] | None = None

    def rows(self, version: int) -> RowList:
        """Return the rows now; evaluated once per database version."""
        if self._snapshot is None or self._snapshot[0] != version:
            self._snapshot = (version, RowList.from_rows(snapshot(self.query, self.stores)))
        return self._snapshot[1]


class Delta(msgspec.Struct, eq=False):
    """The changes of one transaction in the result of one live query; encoded once for all."""

    query: LiveQuery
    rows: PersistentRows | EventRows

    @property
    def inserts(self) -> RowList:
        """The rows that came, events included."""
        rows = self.rows
        return rows.events if isinstance(rows, EventRows) else rows.inserts

    @property
    def deletes(self) -> RowList:
        """The rows that went."""
        rows = self.rows
        return RowList.from_rows([]) if isinstance(rows, EventRows) else rows.deletes


#: One subscriber's part of a transaction.
Share: TypeAlias = list[tuple[Slot, Delta]]


class LiveQueries:
    """All live queries and the derived tables they read.

    Attributes:
        queries: the live queries by key.
        materialised: the derived tables by key.
    """

    def __init__(self) -> None:
        self.queries: dict[tuple[str, Identity | None, bool], LiveQuery] = {}
        self.materialised: dict[tuple[Any, ...], Derived] = {}
        self._by_subscriber: dict[Subscriber, dict[LiveQuery, set[Slot]]] = {}

    def hold(self, query: LiveQuery, subscriber: Subscriber, slot: Slot) -> None:
        """Enter a subscription; the query becomes live with its first one.

        Raises:
            DerivedError: a table that it reads cannot be computed.
        """
        if not query.holders:
            for derived in query.derived:
                if derived.key not in self.materialised:
                    derived.refresh()
            for derived in query.derived:
                self.materialised[derived.key] = derived
                derived.users += 1
            self.queries[query.key] = query
        query.holders[subscriber, slot] = None
        held = self._by_subscriber.setdefault(subscriber, {})
        held.setdefault(query, set()).add(slot)

    def release(self, query: LiveQuery, subscriber: Subscriber, slot: Slot) -> None:
        """Remove a subscription; the query dies with its last one."""
        if query.holders.pop((subscriber, slot), self) is self:  # not held: the values are None
            return
        held = self._by_subscriber[subscriber]
        held[query].discard(slot)
        if not held[query]:
            del held[query]
        if not held:
            del self._by_subscriber[subscriber]
        if query.holders:
            return
        del self.queries[query.key]
        for derived in query.derived:
            derived.users -= 1
            if not derived.users:
                del self.materialised[derived.key]

    def release_all(self, subscriber: Subscriber) -> None:
        """Remove everything that a subscriber holds."""
        for query, slots in list(self._by_subscriber.get(subscriber, {}).items()):
            for slot in list(slots):
                self.release(query, subscriber, slot)

    def fail(self, queries: Iterable[LiveQuery], text: str) -> None:
        """End every set that holds one of these queries and send its subscriber the reason."""
        ended: dict[Subscriber, dict[Slot, None]] = {}
        for query in queries:
            for subscriber, slot in query.holders:
                ended.setdefault(subscriber, {})[slot] = None
        for subscriber, slots in ended.items():
            subscriber.on_query_failed(list(slots), text)

    def fail_all(self, text: str) -> None:
        """End every live set, as after an evaluation error; for tests."""
        self.fail(list(self.queries.values()), text)

    def shares(
        self, changes: Mapping[TableStore, Change], *, always_offsets: bool = False
    ) -> dict[Subscriber, Share]:
        """Return each subscriber's part of a transaction, without those that have none.

        Derived tables are updated first. Where that fails, the sets that read them are ended here.
        """
        changes = self._with_derived(dict(changes))
        shares: dict[Subscriber, Share] = {}
        for query in list(self.queries.values()):
            if not any(store in changes for store in query.stores):
                continue
            inserts, deletes = delta(query.query, query.stores, changes)
            if not inserts and not deletes:
                continue
            if query.table.definition.is_event:
                rows: PersistentRows | EventRows = EventRows(row_list(inserts, always_offsets))
            else:
                rows = PersistentRows(
                    row_list(inserts, always_offsets), row_list(deletes, always_offsets)
                )
            change = Delta(query, rows)
            for subscriber, slot in query.holders:
                shares.setdefault(subscriber, []).append((slot, change))
        return shares

    def _with_derived(self, changes: dict[TableStore, Change]) -> dict[TableStore, Change]:
        touched = {store.name for store in changes}
        for derived in list(self.materialised.values()):
            if derived.reads.isdisjoint(touched):
                continue
            try:
                change = derived.refresh()
            except (DerivedError, QueryError) as error:
                broken = [q for q in self.queries.values() if derived in q.derived]
                self.fail(broken, str(error))
                continue
            if change:
                changes[derived.store] = change
        return changes

    def forget_events(self) -> None:
        """Empty the derived event tables after a transaction."""
        for derived in self.materialised.values():
            if derived.store.definition.is_event:
                derived.store.clear()


def row_list(rows: list[bytes], always_offsets: bool) -> RowList:
    """Return encoded rows as a list, with offsets also for rows of one size if a test asks."""
    made = RowList.from_rows(rows)
    if not always_offsets or not made.row_size:
        return made
    return RowList(made.data, 0, made.end, 0, tuple(range(0, made.end, made.row_size)))
