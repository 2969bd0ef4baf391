"""A change to the cache as data: its input, its plan, and its result.

`TableChange` is one fragment of a message, as the protocols deliver it. `TablePlan` is everything
that one message will do to one table, worked out without touching it. `TableDiff` is what listeners
get to see of it afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..sats.rows import RowList  # annotation of public fields

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..schema.bound import BoundTable
    from .cached_table import CachedTable
    from .indexes import CacheIndex

__all__ = ["OneRow", "TableChange", "TableDiff", "TablePlan"]

Row = Any
Pair = tuple[Any, Any]


class TableChange(msgspec.Struct, frozen=True, gc=False):
    """One fragment of a message: rows of one table that one query set gains and loses."""

    query_set: int
    table: str
    """Canonical name."""
    inserts: RowList | None = None
    deletes: RowList | None = None
    events: RowList | None = None
    """Rows of an event table, which are passed to callbacks and not stored."""


class TablePlan(msgspec.Struct, gc=False):
    """All that one message will do to one table. Rows are given as BSATN bytes.

    A count is the number of times that the query sets together hold a row.
    """

    store: CachedTable[Any]
    added: Sequence[bytes] | dict[bytes, None] = ()
    """Rows whose count rises from 0."""
    removed: Sequence[bytes] = ()
    """Rows whose count falls to 0."""
    inserted: Sequence[bytes] | dict[bytes, None] = ()
    """The rows of `added` that replace no row, and the events."""
    deleted: Sequence[bytes] = ()
    """The rows of `removed` that no row replaces."""
    updated: Sequence[tuple[bytes, bytes]] = ()
    """(removed, added) where both have one primary key."""
    staged: Sequence[tuple[CacheIndex[Any], list[Any], list[Any]]] = ()
    """(index, keys of `removed`, keys of `added`) for the indexes that are kept up to date."""
    surplus: dict[bytes, int] | None = None
    """New value of count - 1 for rows whose count was or becomes more than 1."""
    bags: dict[int, dict[bytes, int]] | None = None
    """New counts per query set; None while a single set holds the table."""
    holder: int | None = None
    """The query set whose rows change, while it is the only one that holds the table."""
    fresh: dict[bytes, Any] | None = None
    """The new `CachedTable.rows` of a table that was empty before; used as it is, not copied."""
    clears: bool = False
    """Whether the table is emptied, whichever sets hold it."""
    ended: Collection[int] = ()
    """Query sets that have ended."""
    absent: Sequence[tuple[bytes, int]] = ()
    """(row, how often) for deletes of rows that the query set does not hold."""

    @property
    def is_visible(self) -> bool:
        """Whether a listener could tell the difference."""
        return bool(self.inserted or self.removed or self.added)


class OneRow(msgspec.Struct, gc=False):
    """The plan for a table that loses a row, gains one, or both: the most frequent kind."""

    store: CachedTable[Any]
    old: bytes | None
    new: bytes | None
    is_update: bool
    """Whether both are there and have one primary key."""
    staged: Sequence[tuple[CacheIndex[Any], Any, Any]]
    """(index, key of `old`, key of `new`), None where there is no row."""

    @property
    def deleted(self) -> Sequence[bytes]:
        """The row that goes and is not replaced, if there is one."""
        return () if self.old is None or self.is_update else (self.old,)


class TableDiff(msgspec.Struct, eq=False, gc=False):
    """The rows of one table that one message changed.

    Rows are decoded when one of the sequences is first looked at: once, and shared with the cache.
    This may raise DecodeError (the row bytes do not fit the schema), after `Cache.on_damage` was
    called. If `apply` was told that nobody wants the rows, the sequences are empty and only the
    counts are filled in.

    A sequence holds row bytes until it is read and row objects afterwards; its first element tells.
    """

    store: CachedTable[Any]
    _inserted: Sequence[Any]
    _deleted: Sequence[Any]
    _updated: Sequence[Any]
    _gone: dict[bytes, Any] | None
    """By row bytes, the objects of the rows that left; a value of None was never decoded."""
    inserted_count: int
    deleted_count: int
    updated_count: int

    @classmethod
    def of(cls, plan: TablePlan, gone: dict[bytes, Any] | None, want: bool) -> TableDiff:
        """Make the difference of a plan; `gone` has the rows that left and their objects."""
        inserted, deleted, updated = plan.inserted, plan.deleted, plan.updated
        counts = len(inserted), len(deleted), len(updated)
        if not want:
            return cls(plan.store, (), (), (), None, *counts)
        # A dict is copied: it may have become the table's own (`TablePlan.fresh`), which changes.
        rows = list(inserted) if isinstance(inserted, dict) else inserted
        return cls(plan.store, rows, deleted, updated, gone or {}, *counts)

    @property
    def table(self) -> BoundTable:
        """The table."""
        return self.store.table

    @property
    def inserted(self) -> Sequence[Row]:
        """The rows that came, in the order in which they were delivered."""
        rows = self._inserted
        if rows and type(rows[0]) is bytes:
            self._inserted = rows = self.store.decoded(rows)
        return rows

    @property
    def deleted(self) -> Sequence[Row]:
        """The rows that went."""
        rows = self._deleted
        if rows and type(rows[0]) is bytes:
            self._deleted = rows = self._old(rows)
        return rows

    @property
    def updated(self) -> Sequence[Pair]:
        """(old, new) for the rows that were replaced by one with the same primary key."""
        pairs = self._updated
        if pairs and type(pairs[0][0]) is bytes:
            if len(pairs) == 1:
                ((old, new),) = pairs
                gone, store = self._gone, self.store
                assert gone is not None  # without it there are no rows to ask for
                row = gone[old]
                pairs = [(store.decode(old) if row is None else row, store.row(new))]
            else:
                old, new = zip(*pairs, strict=True)
                pairs = list(zip(self._old(old), self.store.decoded(new), strict=True))
            self._updated = pairs
        return pairs

    def _old(self, rows: Sequence[bytes]) -> list[Row]:
        """Return the objects of rows that have left the cache."""
        return self.store.decoded(rows, self._gone)

    def __repr__(self) -> str:
        return (
            f"<TableDiff {self.store.name}: {self.inserted_count} inserted, "
            f"{self.deleted_count} deleted, {self.updated_count} updated>"
        )
