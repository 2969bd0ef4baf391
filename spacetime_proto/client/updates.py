"""The ledger of updates: what messages do to the cache, and the events that tell of it.

The changes of a message are planned, shown to `on_before_delete` callbacks while the old rows are
still there (`before`), applied, and turned into events. After a reconnect a new cache is filled
while the program still sees the old one; `reveal` switches to it and returns the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from .causes import TRANSACTION, Reconnected, ReducerEvent
from .context import Context
from .events import (
    BeforeDelete,
    CallDone,
    ReducerCompleted,
    TableChanged,
    TransactionApplied,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from ..cache.cache import Cache, Plan
    from ..cache.changes import TableChange, TableDiff
    from .context import ContextOwner
    from .db import Db
    from .events import Event
    from .meaning import RowChanged
    from .sets import Sets

    #: Settles the call behind a transaction, after everything else in the message.
    Reply: TypeAlias = Callable[[Context[Any]], CallDone]


class Updates:
    """The cache of one connection, and the events of its changes.

    Args:
        cache: the cache to fill.
        db: the table handles, which hold the listeners.
        owner: the session that contexts refer to.
        sets: the ledger that knows which rows concern this client.
        previous: after a reconnect, the cache that is shown until `reveal`.
    """

    def __init__(
        self, cache: Cache, db: Db, owner: ContextOwner, sets: Sets, previous: Cache | None
    ) -> None:
        self.cache = cache
        self.is_shown = previous is None
        """Whether `db` shows this cache."""
        self.transaction_context: Context[Any] = Context(owner, TRANSACTION)
        """Shared by all transactions of unknown cause: their contexts would be equal."""
        self._previous = previous
        self._db = db
        self._handles = {handle.table_name: handle for handle in db}
        self._owner = owner
        self._counters = owner.counters
        self._sets = sets
        self._live = sets.live

    # --- before, apply ------------------------------------------------------------------------

    def before(self, plan: Plan, ctx: Context[Any]) -> list[Event]:
        """Return the events for `on_before_delete`, to be run before the plan is applied.

        Raises:
            DecodeError: a row is damaged.
        """
        events: list[Event] = []
        if self.is_shown:
            for name in plan.tables:
                handle = self._handles[name]
                listeners = handle.listeners
                if listeners.before_delete and (rows := plan.before_delete(name)):
                    events.append(BeforeDelete(ctx, handle, rows, listeners))
        return events

    def apply(self, plan: Plan, ctx: Context[Any]) -> list[Event]:
        """Apply a plan and return the events of its row changes, callbacks as they are now."""
        cache = self.cache
        absent = cache.absent_deletes
        diffs = cache.apply(plan, want=self._wanted(plan.tables))
        self._counters.absent_deletes += cache.absent_deletes - absent
        return self._told(diffs, ctx)

    def _wanted(self, tables: Iterable[str]) -> Collection[str] | None:
        """Return those tables whose changed rows a listener gets; None for all."""
        if not self.is_shown:
            return ()
        if self._owner.wants_everything:
            return None
        handles = self._handles
        return [name for name in tables if handles[name].listeners.wants_rows]

    def _told(self, diffs: list[TableDiff], ctx: Context[Any]) -> list[Event]:
        if not self.is_shown:
            return []
        self._counters.changed(diffs)
        handles = self._handles
        return [
            TableChanged(ctx, handle := handles[diff.store.name], diff, handle.listeners)
            for diff in diffs
        ]

    # --- transactions -------------------------------------------------------------------------

    def transaction(
        self, changes: list[TableChange], ctx: Context[Any], reply: Reply | None = None
    ) -> Iterable[Event]:
        """Apply the changes of a transaction; return its events and those of the call behind it."""
        events: list[Event] = []
        if changes:
            plan = self.cache.plan(self._sets.concerned(changes))
            before = self.before(plan, ctx)
            if before:
                return self._look_and_apply(before, plan, ctx, reply)
            events = self.apply(plan, ctx)
        self._conclude(ctx, events, reply)
        return events

    def _look_and_apply(
        self, before: list[Event], plan: Plan, ctx: Context[Any], reply: Reply | None
    ) -> Iterator[Event]:
        yield from before
        events = self.apply(plan, ctx)
        self._conclude(ctx, events, reply)
        yield from events

    def _conclude(self, ctx: Context[Any], events: list[Event], reply: Reply | None) -> None:
        """Add the events that follow the row changes of a transaction."""
        if events and self._owner.wants_everything:
            events.append(TransactionApplied(ctx, tuple(cast("list[TableChanged]", events))))
        if type(ctx.event) is ReducerEvent:
            events.append(ReducerCompleted(ctx))
        if reply is not None:
            events.append(reply(ctx))

    def on_row_changed(self, message: RowChanged) -> Iterable[Event]:
        """Do what `transaction` does, for one row and without a plan.

        Right only if nothing needs the plan: no `on_before_delete` callback, a live set, and this
        cache being shown. `Cache.apply_row` has conditions of its own; it then changes nothing and
        returns None, and `transaction` does it all.
        """
        table, query_set = message.table, message.query_set
        handle = self._handles.get(table)
        ctx = self.transaction_context
        if (
            handle is not None
            and not (listeners := handle.listeners).before_delete
            and query_set in self._live
            and self.is_shown
        ):
            everything = self._owner.wants_everything
            wanted = everything or listeners.wants_rows
            diff = self.cache.apply_row(table, query_set, message.new, message.old, wanted)
            if diff is not None:
                counters = self._counters
                if diff.updated_count:
                    counters.rows_updated += 1
                else:
                    counters.rows_inserted += diff.inserted_count
                    counters.rows_deleted += diff.deleted_count
                if not wanted:
                    return []
                changed = TableChanged(ctx, handle, diff, listeners)
                return [changed, TransactionApplied(ctx, (changed,))] if everything else [changed]
        return self.transaction([message.change()], ctx)

    # --- after a reconnect --------------------------------------------------------------------

    def reveal(self) -> list[Event]:
        """Show the new cache in the place of the old one; return the events of what differs.

        Raises:
            DecodeError: a primary key does not decode.
        """
        previous, self._previous = self._previous, None
        assert previous is not None  # asked for once, after a reconnect
        self.is_shown = True
        self._db.attach(self.cache)
        diffs = self.cache.diff_from(previous, want=self._wanted(self._handles))
        return self._told(diffs, Context(self._owner, Reconnected()))
