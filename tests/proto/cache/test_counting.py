"""The quick ways to a plan say the same as the rule, or say that they do not apply."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.cache import Cache
from spacetime_proto.cache.changes import TablePlan
from spacetime_proto.cache.counting import by_counts, of_joining_set, of_leaving_set, of_only_set

rows = st.lists(st.sampled_from([bytes([5]) * 12, bytes([6]) * 12, bytes([7]) * 12, bytes(12)]))
bags = st.dictionaries(st.integers(1, 3), rows, max_size=3)


def store_of(kit: Any, held: dict[int, list[bytes]]) -> Any:
    cache = Cache(kit.module)
    for query_set, bag in held.items():
        kit.apply(cache, kit.change("player", bag, query_set=query_set))
    return cache.tables["player"]


def outcome(store: Any, plan: TablePlan) -> tuple[Any, ...]:
    """Return what a plan leaves behind."""
    store.commit(plan, False)
    return (
        {row: store.count(row) for row in store.rows},
        {query_set: store.bag(query_set) for query_set in range(1, 5)},
        set(plan.added),
        set(plan.removed),
    )


def net(inserts: list[bytes], deletes: list[bytes]) -> Counter[bytes]:
    delta = Counter(inserts)
    delta.subtract(deletes)
    return delta


@settings(deadline=None)
@given(held=bags, query_set=st.integers(1, 4), inserts=rows, deletes=rows)
def test_of_only_set(
    kit: Any, held: Any, query_set: int, inserts: list[bytes], deletes: list[bytes]
) -> None:
    store = store_of(kit, held)
    plan = of_only_set(store, query_set, inserts, deletes)
    if plan is not None:
        rule = by_counts(store_of(kit, held), {query_set: net(inserts, deletes)})
        assert outcome(store, plan) == outcome(rule.store, rule)
        assert not rule.absent


@settings(deadline=None)
@given(held=bags, query_set=st.integers(1, 4), inserts=rows)
def test_of_joining_set(kit: Any, held: Any, query_set: int, inserts: list[bytes]) -> None:
    store = store_of(kit, held)
    plan = of_joining_set(store, query_set, inserts)
    if plan is not None:
        rule = by_counts(store_of(kit, held), {query_set: net(inserts, [])})
        assert outcome(store, plan) == outcome(rule.store, rule)


@settings(deadline=None)
@given(held=bags, query_set=st.integers(1, 3))
def test_of_leaving_set(kit: Any, held: Any, query_set: int) -> None:
    store = store_of(kit, held)
    if store.bags is None or query_set not in store.bags:
        return
    plan = of_leaving_set(store, query_set)
    other = store_of(kit, held)
    rule = by_counts(other, {query_set: net([], held[query_set])})
    rule.ended = (query_set,)
    assert outcome(store, plan) == outcome(other, rule)
    assert store.bags == other.bags
    assert store.holder == other.holder


@settings(deadline=None)
@given(held=bags, deltas=st.dictionaries(st.integers(1, 4), st.tuples(rows, rows), max_size=3))
def test_by_counts_is_the_net_rule(kit: Any, held: Any, deltas: Any) -> None:
    store = store_of(kit, held)
    before = set(store.rows)
    plan = by_counts(store, {q: net(*rows) for q, rows in deltas.items()})
    expected = {q: Counter(bag) for q, bag in held.items()}
    for q, (inserts, deletes) in deltas.items():
        bag = expected.setdefault(q, Counter())
        bag.update(inserts)
        bag.subtract(deletes)
    absent = Counter({row: 0 for row in before})
    for bag in expected.values():
        absent.update({row: -count for row, count in bag.items() if count < 0})
    total = sum((+bag for bag in expected.values()), Counter())
    counts, got, added, removed = outcome(store, plan)
    assert counts == dict(total)
    assert got == {q: dict(+expected.get(q, Counter())) for q in range(1, 5)}
    assert added == set(total) - before
    assert removed == before - set(total)
    assert sum(number for _, number in plan.absent) == absent.total()


def test_the_quick_ways_are_taken_where_they_are_meant_to_be(kit: Any) -> None:
    a, b, c = (kit.row("player", at, 0) for at in (1, 2, 3))
    assert of_only_set(store_of(kit, {}), 1, [a, b], []) is not None
    one = store_of(kit, {1: [a, b]})
    assert of_only_set(one, 1, [c], [a]) is not None
    assert of_only_set(one, 1, [c], []) is not None
    assert of_only_set(one, 2, [c], []) is None  # another set
    assert of_only_set(one, 1, [c, c], []) is None  # twice
    assert of_only_set(one, 1, [a], []) is None  # again
    assert of_only_set(one, 1, [c], [a, a]) is None
    assert of_only_set(one, 1, [], [c]) is None  # absent
    assert of_only_set(store_of(kit, {1: [a, a]}), 1, [], [a]) is None  # still there after
    assert of_joining_set(one, 2, [a, c]) is not None
    assert of_joining_set(one, 2, []) is None
    assert of_joining_set(one, 2, [c, c]) is None
    assert of_joining_set(one, 1, [c]) is None
    assert of_joining_set(store_of(kit, {}), 1, [c]) is None
    two = store_of(kit, {1: [a], 2: [b]})
    assert of_only_set(two, 1, [c], []) is None
    assert of_joining_set(two, 3, [a, b, c]) is not None
    assert of_joining_set(two, 2, [c]) is None
