"""Tables that are computed from others: views, and tables as row-level security shows them.

A derived table is materialised while a live query reads it, and computed again after every
transaction that changed a table it reads. The difference is then handled like the change of any
table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .store import Change, TableStore


class DerivedError(Exception):
    """A view raised, or its query does not compile; the text is sent to the client."""


class Derived:
    """One derived table for one caller (or for all).

    Attributes:
        store: its rows, to be read like any other table's.
        reads: names of the tables that the last evaluation read.
        users: how many live queries hold it.
    """

    def __init__(
        self,
        key: tuple[Any, ...],
        store: TableStore,
        evaluate: Callable[[], tuple[dict[bytes, Any], set[str]]],
    ) -> None:
        """Make an empty one.

        Args:
            key: its key in `LiveQueries.materialised`.
            store: an empty table of its row type.
            evaluate: returns (encoded row -> row, names of the tables read); may raise
                `DerivedError`.
        """
        self.key = key
        self.store = store
        self.reads: set[str] = set()
        self.users = 0
        self._evaluate = evaluate

    def refresh(self) -> Change:
        """Compute the rows again and return the difference.

        Raises:
            DerivedError: it cannot be computed; the rows stay as they were.
        """
        rows, self.reads = self._evaluate()
        store = self.store
        change = Change(
            inserted={data: row for data, row in rows.items() if data not in store.rows},
            deleted={data: row for data, row in store.rows.items() if data not in rows},
        )
        for data, row in change.deleted.items():
            store.drop(data, row)
        for data, row in change.inserted.items():
            store.put(data, row)
        return change
