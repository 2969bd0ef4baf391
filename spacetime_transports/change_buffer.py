"""The buffer between row callbacks and the reader of ``table.changes()``.

Colour-free: a driver says how to wake the reader, and wraps this with its own way of waiting.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from spacetime_proto.client.table_handles import (
    Delete,
    EventTableHandle,
    Insert,
    KeyedTableHandle,
    Update,
)
from spacetime_proto.errors import LimitExceeded, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.client.table_handles import CallbackHandle, TableHandle

__all__ = ["ChangeBuffer"]


class ChangeBuffer:
    """Collects the changes of one table until the reader takes them.

    Args:
        table: whose changes.
        max_buffered: most changes that wait; one more ends the stream with `LimitExceeded`.
        wake: called whenever there is something to take.
    """

    def __init__(
        self, table: TableHandle[Any], max_buffered: int, wake: Callable[[], None]
    ) -> None:
        if isinstance(max_buffered, bool) or not isinstance(max_buffered, int) or max_buffered < 1:
            raise LocalProtocolError(f"max_buffered must be at least 1, not {max_buffered!r}")
        self._table = table
        self._max = max_buffered
        self._wake = wake
        self._changes: deque[Insert[Any] | Update[Any] | Delete[Any]] = deque()
        self._end: BaseException | None = None
        self._is_over = False
        # Three plain functions: they never wait, so a slow reader does not slow the client down.
        self._handles: list[CallbackHandle] = [
            table.on_insert(lambda ctx, row: self._add(Insert(row)))
        ]
        if not isinstance(table, EventTableHandle):
            self._handles.append(table.on_delete(lambda ctx, row: self._add(Delete(row))))
        if isinstance(table, KeyedTableHandle):
            self._handles.append(table.on_update(lambda ctx, old, new: self._add(Update(old, new))))

    def _add(self, change: Insert[Any] | Update[Any] | Delete[Any]) -> None:
        if self._is_over:
            return
        if len(self._changes) >= self._max:
            self.end(
                LimitExceeded(
                    f"the reader of {self._table.table_name!r} changes is too slow: more than "
                    f"{self._max} wait",
                    limit="max_buffered",
                    maximum=self._max,
                )
            )
            return
        self._changes.append(change)
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """Let the stream end after what is buffered: normally, or with `error`."""
        if self._is_over:
            return
        self._is_over = True
        self._end = error
        for handle in self._handles:
            handle.cancel()
        self._wake()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come, and all that came was taken."""
        return self._is_over and not self._changes and self._end is None

    def take(self) -> Insert[Any] | Update[Any] | Delete[Any] | None:
        """Return the next change, or None when there is none now (or none ever: `is_over`).

        Raises:
            LimitExceeded: the reader was too slow; said once.
            Disconnected: the connection was lost; said once.
        """
        if self._changes:
            return self._changes.popleft()
        error, self._end = self._end, None
        if error is not None:
            raise error
        return None
