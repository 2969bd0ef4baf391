"""`Cache`: the rows of all tables that a client is subscribed to, and what messages do to them.

A message is first *planned*: all its rows are checked and the net effect on every table is worked out,
which may fail and changes nothing. Then the plan is *applied*, which cannot fail. In between,
`on_before_delete` callbacks still find the old rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import LocalProtocolError, ProtocolError
from .cached_table import CachedTable
from .changes import OneRow, TableDiff, TablePlan
from .planning import Planner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Mapping, Sequence

    from ..schema.bound import BoundModule
    from .changes import TableChange


class Plan(msgspec.Struct, gc=False):
    """What one message will do to the cache; it can be applied once, before any later plan is."""

    tables: list[str]
    """Canonical names of the tables that are touched, in order."""
    steps: list[TablePlan] | tuple[OneRow]
    """One per table; or the one `OneRow` of a message that changes a single row, in a tuple."""
    serial: int
    """How many plans the cache had applied when this one was made."""

    def before_delete(self, table: str) -> list[Any]:
        """Return the rows of a table that will be deleted, not counting those that are updated.

        Raises:
            DecodeError: one of them does not decode.
        """
        for step in self.steps:
            if step.store.name == table:
                return step.store.decoded(list(step.deleted))
        return []


class Cache:
    """The client cache of one connection.

    Args:
        module: the schema with its classes.
        strict_deletes: make it a ProtocolError if the server deletes a row that is not here. Without
            it such deletes are counted in `absent_deletes` and told to `on_absent_delete`.
        verify_rows: decode every row before it is applied, not when it is first read.
    """

    def __init__(
        self, module: BoundModule, *, strict_deletes: bool = False, verify_rows: bool = False
    ) -> None:
        typespace = module.definition.typespace
        stores = [CachedTable[Any](table, typespace) for table in module.tables.values()]
        self._tables = {store.name: store for store in sorted(stores, key=lambda s: s.name)}
        self._strict = strict_deletes
        self._verify = verify_rows
        self._typespace = typespace
        self._planners: dict[str, Planner] = {}
        self._serial = 0
        self._on_damage: Callable[[ProtocolError], object] | None = None
        self.absent_deletes = 0
        """Deletes of rows that were not here, since the beginning."""
        self.on_absent_delete: Callable[[str, bytes], object] | None = None
        """Called for each such delete, with table name and row bytes."""

    @property
    def tables(self) -> Mapping[str, CachedTable[Any]]:
        """The tables by canonical name, in order of their names."""
        return self._tables

    def count_rows(self) -> tuple[int, int]:
        """Return how many rows there are, and how many bytes of BSATN these are.

        It takes time for each row of the tables whose rows vary in size.
        """
        count = size = 0
        for store in self._tables.values():
            fixed = store.table.codec.fixed_size
            count += len(store.rows)
            size += sum(map(len, store.rows)) if fixed is None else fixed * len(store.rows)
        return count, size

    @property
    def on_damage(self) -> Callable[[ProtocolError], object] | None:
        """Called with the error when a row that is being read does not decode; the reader gets the
        error too. The connection has to end, as the cache is not what the server takes it for."""
        return self._on_damage

    @on_damage.setter
    def on_damage(self, hook: Callable[[ProtocolError], object] | None) -> None:
        self._on_damage = hook
        for store in self._tables.values():
            store.on_damage = hook

    # --- planning -----------------------------------------------------------------------------

    def plan(self, changes: Sequence[TableChange], *, drop: Collection[int] = ()) -> Plan:
        """Work out what a message will do. Nothing is changed.

        Args:
            changes: the fragments of the message.
            drop: query sets that lose all rows they held before the message. If it has fragments of
                such a set, these replace the set's rows, and listeners see the difference.

        Raises:
            DecodeError: a row list does not fit the schema, or (with `verify_rows`) a row does not.
            ProtocolError: the bindings do not have the table, or (with `strict_deletes`) a deleted
                row is not here.
        """
        if len(changes) == 1 and not drop:
            (change,) = changes
            planner = self._planners.get(change.table) or self._planner(change.table)
            step = planner.one_row(change)
            if step is not None:
                return Plan([change.table], (step,), self._serial)
        by_table: dict[str, list[TableChange]] = {}
        for change in changes:
            fragments = by_table.get(change.table)
            if fragments is None:
                by_table[change.table] = [change]
            else:
                fragments.append(change)
        names = sorted(by_table) if not drop else sorted({*by_table, *self._holding(drop)})
        return self._plan(
            [self._planner(name).changes(by_table.get(name, ()), drop) for name in names]
        )

    def plan_clear(self) -> Plan:
        """Work out what happens when all query sets are lost."""
        return self._plan([self._planner(name).clear() for name in self._tables])

    def _plan(self, steps: list[TablePlan | None]) -> Plan:
        touching = [step for step in steps if step is not None]
        return Plan([step.store.name for step in touching], touching, self._serial)

    def _planner(self, table: str) -> Planner:
        planner = self._planners.get(table)
        if planner is None:
            store = self._tables.get(table)
            if store is None:
                raise ProtocolError(
                    f"the server sent rows of table {table!r}, which the bindings do not have;"
                    " generate them again from the schema of this database"
                )
            planner = self._planners[table] = Planner(
                store, self._typespace, strict=self._strict, verify=self._verify
            )
        return planner

    def _holding(self, query_sets: Collection[int]) -> list[str]:
        """Return the tables that some of the query sets hold rows of."""
        return [
            name
            for name, store in self._tables.items()
            if any(store.has_set(query_set) for query_set in query_sets)
        ]

    # --- changing -----------------------------------------------------------------------------

    def apply(self, plan: Plan, *, want: Container[str] | None = None) -> list[TableDiff]:
        """Do what was planned; return the differences that can be seen, by table name.

        Args:
            plan: made by this cache since the last `apply`.
            want: the tables whose changed rows somebody will read; for others only their counts are
                kept. None means all tables.

        Raises:
            LocalProtocolError: the plan was made before the last `apply`. No other error occurs.
        """
        if plan.serial != self._serial:
            raise LocalProtocolError("a cache plan can be applied once, before any other is")
        self._serial += 1
        steps = plan.steps
        if isinstance(steps, tuple):
            (row,) = steps
            return [row.store.commit_row(row, want is None or row.store.name in want)]
        diffs: list[TableDiff] = []
        for step in steps:
            store = step.store
            diff = store.commit(step, want is None or store.name in want)
            if diff is not None:
                diffs.append(diff)
        for step in steps:
            for data, number in step.absent:
                self._tell_absent(step.store.name, data, number)
        return diffs

    def apply_row(
        self, table: str, query_set: int, new: bytes | None, old: bytes | None, want: bool
    ) -> TableDiff | None:
        """Plan and apply at once what a one-row transaction does; return the difference.

        Args:
            table: the table.
            query_set: the query set whose rows change.
            new: the row that it gains, or None.
            old: the row that it loses, or None.
            want: whether somebody will read the rows.

        Returns:
            None, with nothing changed, if the change is not that simple and needs `plan`.
        """
        planner = self._planners.get(table)
        step = None if planner is None else planner.row(query_set, new, old)
        if step is None:
            return None
        self._serial += 1
        return step.store.commit_row(step, want)

    def _tell_absent(self, table: str, data: bytes, number: int) -> None:
        self.absent_deletes += number
        if self.on_absent_delete is not None:
            for _ in range(number):
                self.on_absent_delete(table, data)

    def diff_from(self, old: Cache, *, want: Container[str] | None = None) -> list[TableDiff]:
        """Return how this cache differs from the one it takes the place of (after a reconnect).

        Rows that are in both keep their objects, so that a row object which the program has kept is
        still the one in the cache.

        Raises:
            DecodeError: a primary key does not decode.
        """
        diffs = []
        for name in self._tables:
            diff = self._planner(name).difference(old.tables[name], want is None or name in want)
            if diff is not None:
                diffs.append(diff)
        return diffs
