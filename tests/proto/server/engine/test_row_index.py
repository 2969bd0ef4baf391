"""`index`: equality, prefixes and ranges, checked against a scan."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.server import Range
from spacetime_proto.server.engine.row_index import RowIndex


class Row(NamedTuple):
    a: int
    b: int
    n: int


def make(rows: list[Row], keys: list[Any] | None = None) -> RowIndex:
    index = RowIndex(["a", "b"], keys or [None, None])
    for row in rows:
        index.add(repr(row).encode(), row)
    return index


SMALL = st.integers(-3, 3)
ROWS = st.lists(st.builds(Row, SMALL, SMALL, st.integers(0, 2)), unique=True)
BOUND = st.none() | SMALL
RANGES = st.builds(Range, BOUND, BOUND, st.booleans(), st.booleans())


def within(value: int, span: Range[int]) -> bool:
    above = span.lo is None or (value >= span.lo if span.include_lo else value > span.lo)
    below = span.hi is None or (value <= span.hi if span.include_hi else value < span.hi)
    return above and below


def found(index: RowIndex, *values: Any) -> list[Row]:
    return sorted(row for _, row in index.select(values))


@given(ROWS, SMALL, SMALL)
def test_equality_and_prefix_find_what_a_scan_finds(rows: list[Row], a: int, b: int) -> None:
    index = make(rows)
    assert found(index, a, b) == sorted(row for row in rows if (row.a, row.b) == (a, b))
    assert found(index, a) == sorted(row for row in rows if row.a == a)
    assert found(index) == sorted(rows)


@given(ROWS, SMALL, RANGES)
def test_ranges_find_what_a_scan_finds(rows: list[Row], a: int, span: Range[int]) -> None:
    index = make(rows)
    assert found(index, span) == sorted(row for row in rows if within(row.a, span))
    assert found(index, a, span) == sorted(r for r in rows if r.a == a and within(r.b, span))


@given(ROWS, RANGES)
def test_keys_decide_the_order(rows: list[Row], span: Range[int]) -> None:
    def negative(value: int) -> int:
        return -value

    index = make(rows, [negative, None])
    turned = Range(span.hi, span.lo, span.include_hi, span.include_lo)
    assert found(index, span) == sorted(row for row in rows if within(row.a, turned))


@given(ROWS)
def test_what_was_removed_is_not_found(rows: list[Row]) -> None:
    index = make(rows)
    found(index)  # builds the order
    for row in rows[::2]:
        index.remove(repr(row).encode(), row)
    assert found(index) == sorted(rows[1::2])
    for row in rows[::2]:
        index.add(repr(row).encode(), row)
        assert row in index.find_row(row).values()
    assert found(index) == sorted(rows)
    index.clear()
    assert found(index) == []
