"""`RowIndex`: rows by the values of one or several columns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from ...cache.views import Range

#: From a column's value to something hashable that orders as SATS does.
KeyFunction: TypeAlias = Callable[[Any], Any]

_NOTHING: Mapping[bytes, Any] = {}


class RowIndex:
    """Rows by key, and the keys in order once a range was asked for.

    The order is built on first use and again after keys were added or removed: good enough for a
    development server, with few writes between two range reads.
    """

    def __init__(self, attributes: Sequence[str], keys: Sequence[KeyFunction | None]) -> None:
        self._getters = [attrgetter(name) for name in attributes]
        self._keys = keys
        self._rows: dict[tuple[Any, ...], dict[bytes, Any]] = {}
        self._order: list[tuple[Any, ...]] | None = None

    def add(self, data: bytes, row: Any) -> None:
        """Enter a row."""
        key = self._key_of(row)
        bucket = self._rows.get(key)
        if bucket is None:
            self._rows[key] = {data: row}
            self._order = None
        else:
            bucket[data] = row

    def remove(self, data: bytes, row: Any) -> None:
        """Take a row out."""
        key = self._key_of(row)
        bucket = self._rows[key]
        del bucket[data]
        if not bucket:
            del self._rows[key]
            self._order = None

    def clear(self) -> None:
        """Take all rows out."""
        self._rows.clear()
        self._order = None

    def find(self, values: Sequence[Any]) -> Mapping[bytes, Any]:
        """Return the rows with exactly these values, one per column."""
        return self._rows.get(self._key(values), _NOTHING)

    def find_row(self, row: Any) -> Mapping[bytes, Any]:
        """Return the rows with the same values as `row` in the columns of the index."""
        return self._rows.get(self._key_of(row), _NOTHING)

    def select(self, values: Sequence[Any]) -> Iterator[tuple[bytes, Any]]:
        """Yield the rows that match a prefix of the columns; the last value may be a `Range`."""
        last = values[-1] if values else None
        if not isinstance(last, Range):
            if len(values) == len(self._getters):
                yield from self.find(values).items()
                return
            last = Range()
            fixed = self._key(values)
        else:
            fixed = self._key(values[:-1])
        convert = self._keys[len(fixed)]
        order = self._sorted()
        for key in order[self._start(order, fixed, last, convert) :]:
            if key[: len(fixed)] != fixed or _beyond(key[len(fixed)], last, convert):
                break
            yield from self._rows[key].items()

    def _start(
        self,
        order: list[tuple[Any, ...]],
        fixed: tuple[Any, ...],
        span: Range[Any],
        convert: KeyFunction | None,
    ) -> int:
        width = len(fixed) + 1
        if span.lo is None:
            return bisect_left(order, fixed, key=lambda key: key[: width - 1])
        low = (*fixed, span.lo if convert is None else convert(span.lo))
        search = bisect_left if span.include_lo else bisect_right
        return search(order, low, key=lambda key: key[:width])

    def _sorted(self) -> list[tuple[Any, ...]]:
        if self._order is None:
            self._order = sorted(self._rows)
        return self._order

    def _key_of(self, row: Any) -> tuple[Any, ...]:
        return self._key([get(row) for get in self._getters])

    def _key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            value if convert is None else convert(value)
            for value, convert in zip(values, self._keys, strict=False)
        )


def _beyond(key: Any, span: Range[Any], convert: KeyFunction | None) -> bool:
    if span.hi is None:
        return False
    high = span.hi if convert is None else convert(span.hi)
    return bool(key > high) if span.include_hi else bool(key >= high)
