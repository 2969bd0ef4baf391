"""`SortedKeys`: distinct keys in order; adding, removing and taking a range are cheap.

One sorted list would do for searching, but adding a key would move all keys behind it. So the keys
are in *blocks*, short lists one after the other, and adding a key moves at most `_SPLIT` others
whatever the size of the index. `_last` has the last key of each block: a search bisects `_last` for
the block, then the block. That is right as long as no block is empty and keys are totally ordered.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SortedKeys"]

_FILL: Final = 512
_SPLIT: Final = 2 * _FILL

Bound = tuple[Any, bool]


class SortedKeys:
    """Distinct keys in ascending order. All must be of one type and none may be NaN."""

    __slots__ = ("_blocks", "_last")

    def __init__(self, keys: Iterable[Any]) -> None:
        ordered = sorted(keys)
        self._blocks = [ordered[at : at + _FILL] for at in range(0, len(ordered), _FILL)]
        self._last = [block[-1] for block in self._blocks]

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def add(self, key: Any) -> None:
        """Put in a key that is not there yet."""
        last, blocks = self._last, self._blocks
        at = bisect_left(last, key)
        if at == len(last):
            if not last:
                blocks.append([key])
                last.append(key)
                return
            at -= 1
            last[at] = key
        block = blocks[at]
        insort(block, key)
        if len(block) > _SPLIT:
            blocks.insert(at + 1, block[_FILL:])
            del block[_FILL:]
            last.insert(at, block[-1])

    def remove(self, key: Any) -> None:
        """Take out a key that is there."""
        last, blocks = self._last, self._blocks
        at = bisect_left(last, key)
        block = blocks[at]
        del block[bisect_left(block, key)]
        if block:
            last[at] = block[-1]
        else:
            del blocks[at], last[at]

    def between(self, low: Bound | None, high: Bound | None) -> list[Any]:
        """Return the keys of a range in order.

        Args:
            low: (key, after): begin before the key, or after it; None begins at the first.
            high: (key, after): end before the key, or after it; None ends after the last.
        """
        blocks = self._blocks
        first, start = (0, 0) if low is None else self._position(low)
        final, stop = (len(blocks), 0) if high is None else self._position(high)
        if first == final:
            return blocks[first][start:stop] if start < stop else []
        if first > final:
            return []
        keys = blocks[first][start:]
        for block in blocks[first + 1 : final]:
            keys += block
        if stop:
            keys += blocks[final][:stop]
        return keys

    def _position(self, bound: Bound) -> tuple[int, int]:
        """Return the place before or after a key as (block, position in it)."""
        key, after = bound
        bisect = bisect_right if after else bisect_left
        at = bisect(self._last, key)
        return (at, 0) if at == len(self._last) else (at, bisect(self._blocks[at], key))
