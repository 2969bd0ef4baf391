"""`ViewQuery`: the result of a view that is written as SQL."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

R = TypeVar("R")


class ViewQuery(msgspec.Struct, Generic[R], frozen=True):
    """A subscription query whose rows are the view's rows; ``:sender`` is the caller."""

    sql: str
