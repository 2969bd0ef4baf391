"""The client cache: rows as bytes, counted per query set, indexed and decoded on first use."""

from __future__ import annotations

from .cache import Cache, Plan
from .cached_table import CachedTable
from .changes import TableChange, TableDiff
from .views import IndexView, Range, TableView, UniqueColumn

__all__ = [
    "Cache",
    "CachedTable",
    "IndexView",
    "Plan",
    "Range",
    "TableChange",
    "TableDiff",
    "TableView",
    "UniqueColumn",
]
