"""`Rows`: what ``query()`` returns, a list of rows that knows which table they are of."""

from __future__ import annotations

import copy
from types import GenericAlias
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, get_args, overload

from ..errors import LocalProtocolError
from .export import FrameMethods

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from ..schema.bound import BoundTable

__all__ = ["Rows"]

Row = TypeVar("Row")


class Rows(list[Row], FrameMethods):
    """The rows that a query found: a list, with `to_dicts` and data frames of what is in it.

    Slices and copies are `Rows` too. What other operations of lists return (``+``, `sorted`) is a
    plain list. A pickle holds the rows only: what comes out of it makes no data frames.
    """

    __slots__ = ("_table",)

    def __init__(self, rows: Iterable[Row] = (), table: BoundTable | None = None) -> None:
        super().__init__(rows)
        self._table = table

    @overload
    def __getitem__(self, at: SupportsIndex) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> Rows[Row]: ...

    def __getitem__(self, at: Any) -> Any:
        found: Any = super().__getitem__(at)
        return Rows(found, self._table) if isinstance(at, slice) else found

    def copy(self) -> Rows[Row]:
        """Return another list of the same rows."""
        return Rows(self, self._table)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Rows[Row]:
        return Rows([copy.deepcopy(row, memo) for row in self], self._table)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[Self], tuple[list[Row]]]:
        return type(self), (list(self),)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic treat ``Rows[T]`` as ``list[T]``."""
        return handler.generate_schema(GenericAlias(list, get_args(source) or Any))

    def _frame_source(self) -> tuple[BoundTable, list[bytes]]:
        table = self._table
        if table is None:
            raise LocalProtocolError(
                "these rows do not know their table: they come from a pickle or from no query"
            )
        what = f"row of table {table.name!r}"
        return table, [table.codec.encode(row, what=what) for row in self]

    def _shown_rows(self, maximum: int) -> tuple[BoundTable | None, list[Row], int]:
        return self._table, list(self[:maximum]), len(self)
