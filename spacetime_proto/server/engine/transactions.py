"""Transactions: one at a time, published whole or undone whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .store import Change, Journal, TableStore


class Transactions:
    """Keeps the journal of the running transaction."""

    def __init__(self) -> None:
        self._journal: Journal | None = None

    @property
    def is_open(self) -> bool:
        """True while a transaction runs."""
        return self._journal is not None

    def journal(self) -> Journal:
        """Return the journal that changes are written to.

        Raises:
            RuntimeError: no transaction runs; tables can only be changed in one.
        """
        if self._journal is None:
            raise RuntimeError("tables can only be changed inside a reducer or a transaction")
        return self._journal

    @contextmanager
    def run(self) -> Iterator[Journal]:
        """Run the body as a transaction; if it raises, its changes are undone.

        Raises:
            RuntimeError: one runs already.
        """
        if self._journal is not None:
            raise RuntimeError("a transaction is running already; they do not nest")
        journal = self._journal = []
        try:
            yield journal
        except BaseException:
            for entry in reversed(journal):
                if entry.is_insert:
                    entry.store.drop(entry.data, entry.row)
                else:
                    entry.store.put(entry.data, entry.row)
            raise
        finally:
            self._journal = None


def net_changes(journal: Journal) -> dict[TableStore, Change]:
    """Return the net changes of a transaction by table, without unchanged tables."""
    changes: dict[TableStore, Change] = {}
    for entry in journal:
        change = changes.setdefault(entry.store, Change({}, {}))
        gained, lost = change.inserted, change.deleted
        if not entry.is_insert:
            gained, lost = lost, gained
        if lost.pop(entry.data, None) is None:
            gained[entry.data] = entry.row
    return {store: change for store, change in changes.items() if change}
