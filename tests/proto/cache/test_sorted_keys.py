"""Sorted keys against a plain sorted list."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.cache import sorted_keys
from spacetime_proto.cache.sorted_keys import SortedKeys

keys = st.integers(0, 60)
bound = st.none() | st.tuples(st.integers(-1, 61), st.booleans())


def expected(
    model: list[int], low: tuple[int, bool] | None, high: tuple[int, bool] | None
) -> list[int]:
    def place(end: tuple[int, bool]) -> int:
        return (bisect_right if end[1] else bisect_left)(model, end[0])

    start = 0 if low is None else place(low)
    stop = len(model) if high is None else place(high)
    return model[start:stop] if start < stop else []


@settings(max_examples=200, deadline=None)
@given(st.sets(keys), st.lists(keys, max_size=60), st.lists(st.tuples(bound, bound), min_size=1))
def test_same_as_a_sorted_list(
    first: set[int], changes: list[int], cuts: list[tuple[tuple[int, bool] | None, ...]]
) -> None:
    old = sorted_keys._FILL, sorted_keys._SPLIT
    sorted_keys._FILL, sorted_keys._SPLIT = 3, 6
    try:
        ordered = SortedKeys(first)
        model = set(first)
        for key in changes:
            if key in model:
                ordered.remove(key)
                model.discard(key)
            else:
                ordered.add(key)
                model.add(key)
            assert ordered.between(None, None) == sorted(model)
            assert len(ordered) == len(model)
        for low, high in cuts:
            assert ordered.between(low, high) == expected(sorted(model), low, high)
    finally:
        sorted_keys._FILL, sorted_keys._SPLIT = old


def test_many_keys_in_ascending_and_descending_order() -> None:
    up, down = SortedKeys(()), SortedKeys(())
    for number in range(5000):
        up.add(number)
        down.add(-number)
    assert up.between((10, False), (4000, True)) == list(range(10, 4001))
    assert down.between((-4000, True), (-10, False)) == list(range(-3999, -10))
    for number in range(5000):
        up.remove(number)
    assert up.between(None, None) == []
    assert len(up) == 0
