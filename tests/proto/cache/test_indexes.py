"""An index kept up to date step by step against one that is built at the end."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.cache import Cache

VALUES = st.tuples(st.integers(0, 2), st.integers(-1, 1), st.sampled_from("abc"))


@settings(deadline=None)
@given(
    first=st.lists(VALUES),
    steps=st.lists(st.tuples(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))),
    ranges_first=st.booleans(),
)
def test_updating_is_building(kit: Any, first: Any, steps: Any, ranges_first: bool) -> None:
    stays = (2, 2, "stays")  # an index on an empty table is built again, not updated
    cache = kit.cache(kit.change("grid", [kit.row("grid", *row) for row in (stays, *first)]))
    store = cache.tables["grid"]
    columns = [(0, 1, 2), (0,), (1, 0)]
    for index in map(store.index, columns):
        index.build()
        if ranges_first:
            index.between((), None, None)
    for inserts, deletes in steps:
        kit.apply(
            cache,
            kit.change(
                "grid",
                [kit.row("grid", *row) for row in inserts],
                [kit.row("grid", *row) for row in deletes],
            ),
        )
    assert len(store.live) == len(columns)
    again = kit.cache(kit.change("grid", list(store.rows))).tables["grid"]
    for key in columns:
        kept, fresh = store.index(key), again.index(key)
        by_key = [sorted(map(repr, kept.group(k))) for k in kept.groups]
        assert by_key == [sorted(map(repr, fresh.group(k))) for k in kept.groups]
        assert set(kept.groups) == set(fresh.build() if fresh.groups is None else fresh.groups)
        assert [r.chunk for r in kept.between((), None, None)] == [
            r.chunk for r in fresh.between((), None, None)
        ]


def test_rows_of_a_group_are_in_the_order_in_which_they_came(kit: Any) -> None:
    cache = kit.cache()
    store = cache.tables["player"]
    index = store.index((1,))
    assert index.group(5) == []
    for key in (3, 1, 2):
        kit.apply(cache, kit.change("player", [kit.row("player", key, 5)]))
    assert [row.id for row in index.group(5)] == [3, 1, 2]
    kit.apply(cache, kit.change("player", [kit.row("player", 9, 5)], [kit.row("player", 1, 5)]))
    assert [row.id for row in index.group(5)] == [3, 2, 9]
    assert index.group(5)[0] is index.group(5)[0]


def test_an_update_that_leaves_a_group_and_one_that_stays(kit: Any) -> None:
    cache = kit.cache(kit.change("player", [kit.row("player", key, 5) for key in (1, 2)]))
    index = cache.tables["player"].index((1,))
    assert len(index.equal((5,))) == 2
    kit.apply(cache, kit.change("player", [kit.row("player", 1, 6)], [kit.row("player", 1, 5)]))
    assert [row.id for row in index.equal((5,))] == [2]
    assert [row.id for row in index.equal((6,))] == [1]
    assert [row.id for row in index.between((), None, None)] == [2, 1]


def test_an_index_on_an_empty_table_is_found_again(kit: Any) -> None:
    cache = Cache(kit.module)
    index = cache.tables["account"].index((0,))
    assert index.last(1) is None
    assert index.build() is index.build()
    assert cache.tables["account"].live == [index]
    kit.apply(cache, kit.change("account", [kit.row("account", 1, "a")]))
    assert index.last(1).email == "a"
    assert index.last(2) is None
    assert index.last(1) is index.last(1)


def test_an_index_built_between_plan_and_apply(kit: Any) -> None:
    cache = kit.cache(kit.change("player", [kit.row("player", key, 5) for key in (1, 2)]))
    store = cache.tables["player"]
    early, late = store.index((0,)), store.index((1,))
    early.build()
    for new, old in (((1, 6), (1, 5)), ((3, 6), None)):
        changes = [
            kit.change(
                "player",
                [kit.row("player", *new)],
                [] if old is None else [kit.row("player", *old)],
            )
        ]
        for more in ([], [kit.change("player")]):  # by either path
            plan = cache.plan(changes + more)
            late.build()
            cache.apply(plan)
            assert late.groups is None
            assert early.groups is not None
            assert early.last(new[0]).level == 6
            assert 6 in [row.level for row in late.equal((6,))]
            late.discard()
            cache.apply(cache.plan([kit.change("player", *reversed(_lists(changes[0])))]))


def _lists(change: Any) -> tuple[list[bytes], list[bytes]]:
    return change.inserts.slices(), change.deletes.slices()
