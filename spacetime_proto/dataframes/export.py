"""Tables and selections as data frames, and as HTML for notebooks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..schema.bound import BoundTable

__all__ = ["FrameMethods", "RowSource"]

#: Rows that a notebook shows of a table.
MAX_SHOWN: Final = 20
_MAX_CELL: Final = 200


class RowSource(Protocol):
    """What `FrameMethods` needs of the class it is added to."""

    def _frame_source(self) -> tuple[BoundTable, Sequence[bytes]]:
        """Return the table and the encoded rows."""
        ...

    def _shown_rows(self, maximum: int) -> tuple[BoundTable, Sequence[Any], int]:
        """Return the table, its first rows, and how many there are in all."""
        ...


class FrameMethods:
    """Adds data frames and a notebook's view to a `RowSource`."""

    __slots__ = ()

    def to_arrow(self: RowSource) -> Any:
        """Return the rows as a `pyarrow.Table`, made from their bytes column by column.

        How each type is held: see `spacetime_proto.dataframes.arrow`.

        Raises:
            ModuleNotFoundError: the extra ``arrow`` is not installed.
            DecodeError: a row does not decode.
        """
        return _arrow_table(self)

    def to_polars(self: RowSource) -> Any:
        """Return the rows as a `polars.DataFrame`; needs the extra ``polars``. Errors as `to_arrow`."""
        polars = _load("polars")
        return polars.from_arrow(_arrow_table(self))

    def to_pandas(self: RowSource) -> Any:
        """Return the rows as a `pandas.DataFrame`; needs the extra ``pandas``. Errors as `to_arrow`."""
        _load("pandas")
        return _arrow_table(self).to_pandas()

    def _repr_html_(self: RowSource) -> str:
        """Show the first rows as a table in a notebook."""
        table, shown, total = self._shown_rows(MAX_SHOWN)
        return table_html(table.definition.name, table.column_names, shown, total)


def _arrow_table(source: RowSource) -> Any:
    # Imported here, as `html` is below: every program imports its bindings, and few make data frames.
    from .arrow import rows_to_arrow

    return rows_to_arrow(*source._frame_source(), checked=True)


def _load(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"this needs {name}: pip install 'spacetimedb-client[{name}]'", name=name
        ) from error


def table_html(name: str, columns: Sequence[str], rows: Sequence[Any], total: int) -> str:
    """Return an HTML table of rows; everything in it is escaped.

    Args:
        name: canonical name of the table.
        columns: attributes of the rows.
        rows: the rows to show.
        total: how many rows there are in all.
    """
    from html import escape

    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(getattr(row, c)))}</td>" for c in columns) + "</tr>"
        for row in rows
    )
    more = f", the first {len(rows)} of them here" if len(rows) < total else ""
    return (
        f"<table><caption>{escape(name)}: {total:,} rows{more}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: Any) -> str:
    # Ids and times have a familiar text form as str(); for other classes str() is repr().
    text = str(value)
    if len(text) > _MAX_CELL:
        text = f"{text[:_MAX_CELL]}…"
    return text
