"""`Planner`: makes the plan for one table out of the fragments of a message.

`Planner.one_row` is the path of the one-row transaction, `Planner.changes` that of every other
message. Both check all that has to be checked before anything is applied: the sizes of rows, the
primary keys, the columns of the indexes in use. `counting` works out which rows appear and
disappear; here a row that disappears and one that appears under the same primary key are paired
into an update.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, ProtocolError
from ..sats.algebraic import INTEGER_BITS, Primitive, special_name
from ..sats.bsatn import RAW_DECODE_ERRORS
from ..sats.order import sort_key
from .changes import OneRow, TableDiff, TablePlan
from .counting import by_counts, of_joining_set, of_leaving_set, of_only_set

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ..sats.algebraic import Typespace
    from ..sats.rows import RowList
    from ..schema.bound import BoundTable
    from .cached_table import CachedTable
    from .changes import TableChange
    from .indexes import CacheIndex

    Sets = dict[int, tuple[list[bytes], list[bytes]]]
    Keys = tuple[list[Any], list[Any]]

# An index is discarded, and built again by its next reader, when a message changes more rows than
# _REBUILD_MINIMUM and more than 1 / _REBUILD_FRACTION of the table: updating would cost more.
_REBUILD_FRACTION = 2
_REBUILD_MINIMUM = 64


class Planner:
    """Plans for one table; made once per store."""

    __slots__ = (
        "_fixed_size",
        "_is_complicated",
        "_is_event",
        "_key_column",
        "_key_decodes",
        "_key_of",
        "_key_slice",
        "_min_size",
        "_pair_key",
        "_strict",
        "_verify",
        "store",
    )

    def __init__(
        self, store: CachedTable[Any], typespace: Typespace, *, strict: bool, verify: bool
    ) -> None:
        table = store.table
        self.store = store
        self._strict = strict
        self._verify = verify
        self._is_complicated = verify or table.definition.is_event
        """Whether every change needs `changes`: events are not stored, or rows must be verified."""
        self._fixed_size = table.codec.fixed_size
        self._min_size = table.codec.min_size
        self._is_event = table.definition.is_event
        column = table.definition.primary_key
        self._key_column = column
        self._key_of: Callable[[bytes, int], Any] | None = None
        self._pair_key: Callable[[Any], Any] | None = None
        self._key_slice: slice | None = None
        self._key_decodes = True
        """Whether every row of a valid size has a valid key, so that keys need no check."""
        if column is not None:
            self._key_of = table.codec.column_decoder(column)
            self._pair_key = sort_key(table.definition.columns[column].type, typespace)
            self._key_slice = _plain_key(table, typespace)
            self._key_decodes = self._key_slice is not None

    # --- the ways to a plan -------------------------------------------------------------------

    def one_row(self, change: TableChange) -> OneRow | None:
        """Return the plan for a fragment with at most one insert and one delete.

        None if it is not that simple; then `changes` makes the plan, and says what is wrong.
        """
        if change.events is not None:
            return None
        return self.row(change.query_set, _only_row(change.inserts), _only_row(change.deletes))

    def row(self, query_set: int, new: bytes | None, old: bytes | None) -> OneRow | None:
        """Return the plan for a query set that gains a row, loses one, or both; None as `one_row`.

        Empty bytes as `new` or `old` stand for several rows (`_only_row`).
        """
        store = self.store
        # With bags there is no holder, so this is None for tables that several sets hold.
        if query_set != store.holder or self._is_complicated:
            return None
        rows = store.rows
        if new is not None and (
            not new
            or new in rows
            or len(new) < self._min_size
            or (self._fixed_size is not None and len(new) != self._fixed_size)
        ):
            return None
        if old is not None:
            if not old or old not in rows or (store.surplus and old in store.surplus):
                return None
        elif new is None:
            return None
        is_update = False
        staged: Sequence[tuple[CacheIndex[Any], Any, Any]] = ()
        try:
            key_of = self._key_of
            if key_of is not None and new is not None:
                key = self._key_slice
                if key is not None:
                    is_update = old is not None and new[key] == old[key]
                else:
                    new_key = self._comparable([key_of(new, 0)])
                    is_update = old is not None and new_key == self._comparable([key_of(old, 0)])
            if store.live:
                staged = [
                    (
                        index,
                        None if old is None else index.key_of(old, 0),
                        None if new is None else index.key_of(new, 0),
                    )
                    for index in store.live
                ]
        except RAW_DECODE_ERRORS:
            return None
        return OneRow(store, old, new, is_update, staged)

    def changes(
        self, changes: Sequence[TableChange], drop: Collection[int] = ()
    ) -> TablePlan | None:
        """Return the plan for all fragments of a message about this table, None if nothing is to do.

        Args:
            changes: the fragments.
            drop: query sets that lose all that they held before the message. Those that `changes`
                does not name hold nothing afterwards either, and end.

        Raises:
            DecodeError: rows do not have the size of the row type, or their keys do not decode.
            ProtocolError: with `strict_deletes`, a deleted row is not here.
        """
        events: dict[bytes, int] = {}
        sets: Sets = {}
        for change in changes:
            came, went, passed = change.inserts, change.deletes, change.events
            if self._is_event and came is not None:
                # v1 delivers events as inserts (docs/protocol.md section 4.4).
                self._count_events(came, events)
                came = None
            if passed is not None:
                self._count_events(passed, events)
            if came is not None or went is not None:
                inserts = [] if came is None else self._checked(came)
                deletes = [] if went is None else self._checked(went)
                known = sets.setdefault(change.query_set, (inserts, deletes))
                if known[0] is not inserts:
                    known[0].extend(inserts)
                    known[1].extend(deletes)
        if drop:
            drop = [query_set for query_set in drop if self.store.has_set(query_set)]
        plan = self._of_drop(sets, drop) if drop else self._of_one_set(sets)
        keys: Keys | None = None
        if plan is None:
            plan = by_counts(self.store, {q: _net(*rows) for q, rows in sets.items()})
        elif len(changes) == 1 and not drop and plan.removed and self._key_column is not None:
            # The rows added and removed are those of the two lists, in their order, so the keys can
            # be read from the lists in bulk.
            (change,) = changes
            keys = self._list_keys(change.inserts), self._list_keys(change.deletes)
        self._refuse_absent(plan)
        keys = self._pair(plan, keys)
        if events:
            plan.inserted = [
                *plan.inserted,
                *[row for row, count in events.items() for _ in range(count)],
            ]
        if not (
            plan.is_visible or plan.surplus or plan.bags or plan.absent or plan.ended or plan.clears
        ):
            return None
        self._stage(plan, keys)
        return plan

    def clear(self) -> TablePlan | None:
        """Return the plan that empties the table, None if it is empty."""
        store = self.store
        if not store.rows and store.bags is None and store.holder is None:
            return None
        rows = list(store.rows)
        return TablePlan(store, removed=rows, deleted=rows, clears=True)

    def difference(self, old: CachedTable[Any], want: bool) -> TableDiff | None:
        """Return how the store differs from `old`, None if it does not; hand over row objects."""
        rows, before = self.store.rows, old.rows
        plan = TablePlan(self.store)
        plan.added = [row for row in rows if row not in before]
        plan.removed = [row for row in before if row not in rows]
        self._pair(plan, None)
        for row, value in before.items():
            if value is not None and row in rows:
                rows[row] = value
        if not plan.is_visible:
            return None
        return TableDiff.of(plan, {row: before[row] for row in plan.removed}, want)

    def _of_one_set(self, sets: Sets) -> TablePlan | None:
        """Plan for a single set, each of whose rows comes or goes once; None in other cases."""
        if len(sets) != 1:
            return None
        ((query_set, (inserts, deletes)),) = sets.items()
        plan = of_only_set(self.store, query_set, inserts, deletes)
        if plan is None and not deletes:
            plan = of_joining_set(self.store, query_set, inserts)
        return plan

    def _of_drop(self, sets: Sets, drop: Collection[int]) -> TablePlan | None:
        """Plan for a message that takes all rows from some sets, which hold rows of this table."""
        store = self.store
        if not sets:
            if store.bags is None:
                return self.clear()
            if len(drop) == 1:
                (query_set,) = drop
                return of_leaving_set(store, query_set)
        deltas = {query_set: _net(*rows) for query_set, rows in sets.items()}
        for query_set in drop:
            deltas.setdefault(query_set, Counter()).subtract(store.bag(query_set))
        plan = by_counts(store, deltas)
        plan.ended = [query_set for query_set in drop if query_set not in sets]
        return plan

    # --- checking rows ------------------------------------------------------------------------

    def _checked(self, rows: RowList) -> list[bytes]:
        """Return the rows as bytes, checked so far that applying them cannot fail."""
        slices = rows.slices()
        if not slices:
            return slices
        size = rows.row_size
        shortest, longest = (size, size) if size else _extremes(slices)
        if self._fixed_size is not None:
            if shortest != self._fixed_size or longest != self._fixed_size:
                odd = shortest if shortest != self._fixed_size else longest
                raise self._wrong(f"a row of {odd} bytes, where all rows have {self._fixed_size}")
            if not self._fixed_size:
                what = f"table {self.store.name!r}"
                self.store.table.codec.check_empty_rows(rows, what=what)
        elif shortest < self._min_size:
            raise self._wrong(f"a row of {shortest} bytes, where none has under {self._min_size}")
        if self._verify:
            self._verify_rows(slices)
        elif not self._key_decodes:
            self._list_keys(rows)
        return slices

    def _wrong(self, text: str) -> DecodeError:
        return DecodeError(text, what=f"table {self.store.name!r}")

    def _verify_rows(self, rows: list[bytes]) -> None:
        what = f"row of table {self.store.name!r}"
        decode = self.store.table.codec.decode_exact
        for row in rows:
            decode(row, what=what)

    def _count_events(self, rows: RowList, counts: dict[bytes, int]) -> None:
        """Add rows of one fragment to the events, each as often as in the fragment with most of it.

        Not the sum over fragments: overlapping queries each deliver the same event.
        """
        for row, count in Counter(self._checked(rows)).items():
            if count > counts.get(row, 0):
                counts[row] = count

    def _refuse_absent(self, plan: TablePlan) -> None:
        if plan.absent and self._strict:
            raise ProtocolError(
                f"table {self.store.name!r}: the server deletes {len(plan.absent)} rows that the"
                " query set does not hold"
            )

    # --- keys ---------------------------------------------------------------------------------

    def _list_keys(self, rows: RowList | None) -> list[Any]:
        """Return the primary keys of a row list."""
        if rows is None:
            return []
        assert self._key_column is not None  # asked for on keyed tables only
        codec = self.store.table.codec
        return self._comparable(
            codec.keys(rows, self._key_column, what=f"table {self.store.name!r}")
        )

    def _row_keys(self, rows: Collection[bytes]) -> list[Any]:
        assert self._key_column is not None  # asked for on keyed tables only
        return self._comparable(self.store.column(rows, self._key_column))

    def _comparable(self, keys: list[Any]) -> list[Any]:
        pair_key = self._pair_key
        return keys if pair_key is None else [pair_key(key) for key in keys]

    def _pair(self, plan: TablePlan, keys: Keys | None) -> Keys | None:
        """Make an update of each removed and added row with one primary key.

        Returns:
            The keys of added and removed rows, None if they were not needed.
        """
        added, removed = plan.added, plan.removed
        plan.inserted, plan.deleted = added, removed
        if not added or not removed or self._key_column is None:
            return None
        if keys is None:
            keys = self._row_keys(added), self._row_keys(removed)
        new_keys, old_keys = keys
        waiting: dict[Any, bytes] = dict(zip(old_keys, removed, strict=True))
        if len(waiting) != len(removed):
            _pair_first_with_first(plan, new_keys, old_keys)
        elif new_keys == old_keys:
            plan.inserted = plan.deleted = ()
            plan.updated = list(zip(removed, added, strict=True))
        else:
            updated: list[tuple[bytes, bytes]] = []
            inserted: list[bytes] = []
            for key, new in zip(new_keys, added, strict=True):
                old = waiting.pop(key, None)
                if old is None:
                    inserted.append(new)
                else:
                    updated.append((old, new))
            plan.inserted, plan.updated = inserted, updated
            plan.deleted = list(waiting.values())
        return keys

    def _stage(self, plan: TablePlan, keys: Keys | None) -> None:
        """Decode the keys for the indexes that are built: applying the plan must not fail."""
        store = self.store
        if not store.live or plan.fresh is not None or plan.clears:
            return
        changed = len(plan.added) + len(plan.removed)
        if changed > max(_REBUILD_MINIMUM, len(store.rows) // _REBUILD_FRACTION):
            return
        plan.staged = [
            (index, keys[1], keys[0])
            if keys is not None and index.columns == (self._key_column,)
            else (index, index.keys_of(plan.removed), index.keys_of(plan.added))
            for index in store.live
        ]


def _pair_first_with_first(plan: TablePlan, new_keys: list[Any], old_keys: list[Any]) -> None:
    """Pair rows whose key is not unique, which the server should not allow."""
    waiting: dict[Any, deque[bytes]] = {}
    for key, old in zip(old_keys, plan.removed, strict=True):
        waiting.setdefault(key, deque()).append(old)
    updated: list[tuple[bytes, bytes]] = []
    inserted: list[bytes] = []
    for key, new in zip(new_keys, plan.added, strict=True):
        queue = waiting.get(key)
        if queue:
            updated.append((queue.popleft(), new))
        else:
            inserted.append(new)
    plan.inserted, plan.updated = inserted, updated
    plan.deleted = [old for queue in waiting.values() for old in queue]


def _only_row(rows: RowList | None) -> bytes | None:
    """Return the only row of a list; None if the list is empty, ``b""`` if it has several rows."""
    if rows is None:
        return None
    start, end, size = rows.start, rows.end, rows.row_size
    if size:
        if end - start == size:
            return rows.data[start:end]
        return b"" if end > start else None
    offsets = rows.offsets
    if len(offsets) == 1:
        return rows.data[start:end]
    return b"" if offsets else None


def _net(inserts: list[bytes], deletes: list[bytes]) -> Counter[bytes]:
    delta = Counter(inserts)
    delta.subtract(deletes)
    return delta


def _extremes(rows: list[bytes]) -> tuple[int, int]:
    lengths = list(map(len, rows))
    return min(lengths), max(lengths)


def _plain_key(table: BoundTable, typespace: Typespace) -> slice | None:
    """Return where the bytes of the primary key are in every row, None if they will not do as key.

    They do for integers and for the id and time types, if all columns before are of fixed size:
    every bit pattern is a valid key, and keys are equal exactly if their bytes are. So nothing is
    decoded.
    """
    column = table.definition.primary_key
    assert column is not None  # asked of keyed tables only
    offset = table.codec.column_offset(column)
    ty = typespace.resolve(table.definition.columns[column].type)
    special = special_name(ty)
    size = table.codec.column_codec(column).fixed_size
    is_plain = (
        isinstance(ty, Primitive) and ty.name in INTEGER_BITS
        if special is None
        else special != "ScheduleAt"
    )
    return slice(offset, offset + size) if is_plain and offset is not None and size else None
