"""The client cache: rows as bytes, counted per query set, indexed and decoded on first use."""

from __future__ import annotations

from .cache import Cache, Plan
from .changes import TableChange, TableDiff
from .store import TableStore
from .views import IndexView, Range, TableView, UniqueColumn

__all__ = [
    "Cache",
    "IndexView",
    "Plan",
    "Range",
    "TableChange",
    "TableDiff",
    "TableStore",
    "TableView",
    "UniqueColumn",
]
