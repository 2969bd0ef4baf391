"""Which rows appear and disappear when sets gain and lose rows (docs/protocol.md section 6.2).

The net rule: new count = old count + inserts - deletes, over all query sets and fragments of a message.
A row appears if its count rises from 0, disappears if it falls to 0, and listeners see nothing of
it otherwise. `by_counts` is the rule itself. The other functions give the same plan for the usual
cases, in which each row is inserted or deleted once: these can be recognised by comparing sizes and
keys of whole dicts, in C, where `by_counts` loops in Python. In all other cases they return None.
Nothing here changes the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .changes import TablePlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cached_table import CachedTable


def of_only_set(
    store: CachedTable[Any], query_set: int, inserts: Sequence[bytes], deletes: Sequence[bytes]
) -> TablePlan | None:
    """Plan for rows of the one set that holds the table, or that is about to."""
    rows = store.rows
    if store.bags is not None or (rows and query_set != store.holder):
        return None
    # The counts below hold only if no row is inserted twice and none of them is here already, and
    # if every deleted row is here, is deleted once, and has a count of 1.
    came = dict.fromkeys(inserts)
    if len(came) != len(inserts) or not rows.keys().isdisjoint(came):
        return None
    if not rows and not deletes:
        # A first snapshot: the dict of its rows becomes the table.
        return TablePlan(store, added=came, fresh=came, holder=query_set)
    if deletes:
        went = dict.fromkeys(deletes)
        if (
            len(went) != len(deletes)
            or not went.keys() <= rows.keys()
            or not store.surplus.keys().isdisjoint(went)
        ):
            return None
    return TablePlan(store, added=came, removed=deletes, holder=query_set)


def of_joining_set(
    store: CachedTable[Any], query_set: int, inserts: Sequence[bytes]
) -> TablePlan | None:
    """Plan for the first rows of one more set on a table that others hold."""
    rows, counts = store.rows, store.surplus
    if store.bags is None:
        if not rows or query_set == store.holder:
            return None
    elif store.bags.get(query_set):
        return None
    came = dict.fromkeys(inserts)
    if not came or len(came) != len(inserts):
        return None
    plan = TablePlan(store, added=came, bags={query_set: dict.fromkeys(came, 1)})
    if not rows.keys().isdisjoint(came):
        plan.added = [row for row in came if row not in rows]
        plan.surplus = {row: counts.get(row, 0) + 1 for row in came if row in rows}
    return plan


def of_leaving_set(store: CachedTable[Any], query_set: int) -> TablePlan:
    """Plan for the end of one of several sets, which takes the rows of its bag with it."""
    assert store.bags is not None  # while several sets hold the table, there are bags
    counts = store.surplus
    removed: list[bytes] = []
    surplus: dict[bytes, int] = {}
    for row, number in store.bags[query_set].items():
        before = counts.get(row, 0)
        after = before - number
        if after < 0:
            removed.append(row)
            after = 0
        if after != before:
            surplus[row] = after
    return TablePlan(store, removed=removed, surplus=surplus or None, ended=(query_set,))


def by_counts(store: CachedTable[Any], deltas: Mapping[int, Mapping[bytes, int]]) -> TablePlan:
    """Plan for any change.

    Args:
        store: the table.
        deltas: inserts - deletes of each row, by query set.
    """
    absent: list[tuple[bytes, int]] = []
    total: dict[bytes, int] = {}
    bags: dict[int, dict[bytes, int]] = {}
    for query_set, delta in deltas.items():
        count_in = store.count_in(query_set)
        counts: dict[bytes, int] = {}
        for row, change in delta.items():
            held = count_in(row)
            if held + change < 0:
                absent.append((row, -(held + change)))
                change = -held
            if change:
                counts[row] = held + change
                total[row] = total.get(row, 0) + change
        if counts:
            bags[query_set] = counts
    plan = TablePlan(store, absent=absent)
    holders: set[int | None] = {*bags, store.holder} if store.rows else {*bags}
    if store.bags is None and len(holders) == 1:
        (plan.holder,) = holders
    elif bags:
        plan.bags = bags
    _split(total, plan)
    return plan


def _split(total: dict[bytes, int], plan: TablePlan) -> None:
    """Sort rows into those that appear, those that disappear, and those held more or less often."""
    rows, counts = plan.store.rows, plan.store.surplus
    added: list[bytes] = []
    removed: list[bytes] = []
    surplus: dict[bytes, int] = {}
    for row, change in total.items():
        if not change:
            continue
        before = 1 + counts.get(row, 0) if row in rows else 0
        after = before + change
        if not before:
            added.append(row)
        elif not after:
            removed.append(row)
        if before > 1 or after > 1:
            surplus[row] = max(after - 1, 0)
    plan.added, plan.removed = added, removed
    plan.surplus = surplus or None
