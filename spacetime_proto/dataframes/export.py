"""Rows as dicts, as data frames, and as HTML for notebooks: of tables, selections and results."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..schema.bound import BoundTable

__all__ = ["FrameMethods", "RowSource"]

#: Rows that a notebook shows of a table.
MAX_SHOWN: Final = 20
_MAX_CELL: Final = 200


class RowSource(Protocol):
    """What `FrameMethods` needs of the class it is added to."""

    def __iter__(self) -> Iterator[Any]: ...

    def _frame_source(self) -> tuple[BoundTable, Sequence[bytes]]:
        """Return the table and the encoded rows."""
        ...

    def _shown_rows(self, maximum: int) -> tuple[BoundTable | None, Sequence[Any], int]:
        """Return the table, the first rows, and how many there are in all."""
        ...


class FrameMethods:
    """Adds dicts, data frames and a notebook's view to a `RowSource`."""

    __slots__ = ()

    def to_dicts(
        self: RowSource, values: Literal["json", "python"] = "json"
    ) -> list[dict[str, Any]]:
        """Return each row as its ``to_dict(values)``: plain values for JSON, or Python's own.

        Raises:
            DecodeError: a row does not decode.
        """
        return [row.to_dict(values) for row in self]

    def to_arrow(self: RowSource) -> Any:
        """Return the rows as a `pyarrow.Table`, made from their bytes column by column.

        How each type is held: see `spacetime_proto.dataframes.arrow`.

        Raises:
            ModuleNotFoundError: the extra ``arrow`` is not installed.
            DecodeError: a row does not decode.
        """
        return _arrow_table(self)

    def to_polars(self: RowSource) -> Any:
        """Return the rows as a `polars.DataFrame`; needs the extra ``polars``. Errors as `to_arrow`.

        Its decimals end at 38 digits, so 128-bit integers are text here, as 256-bit ones are.
        """
        polars = _load("polars")
        return polars.from_arrow(_arrow_table(self, decimals=False))

    def to_pandas(self: RowSource) -> Any:
        """Return the rows as a `pandas.DataFrame`; needs the extra ``pandas``. Errors as `to_arrow`."""
        _load("pandas")
        return _arrow_table(self).to_pandas()

    def _repr_html_(self: RowSource) -> str:
        """Show the first rows as a table in a notebook."""
        table, shown, total = self._shown_rows(MAX_SHOWN)
        if table is None:
            return table_html("", (), shown, total)
        return table_html(table.definition.name, table.column_names, shown, total)


def _arrow_table(source: RowSource, *, decimals: bool = True) -> Any:
    # Imported here, as `html` is below: every program imports its bindings, and few make data frames.
    from .arrow import rows_to_arrow

    return rows_to_arrow(*source._frame_source(), checked=True, decimals=decimals)


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
        name: canonical name of the table; empty if it is not known.
        columns: attributes of the rows; without them each row is one cell.
        rows: the rows to show.
        total: how many rows there are in all.
    """
    from html import escape

    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(cell))}</td>" for cell in cells) + "</tr>"
        for cells in ([getattr(row, c) for c in columns] if columns else [row] for row in rows)
    )
    title = f"{name}: " if name else ""
    counted = f"{total:,} row{'' if total == 1 else 's'}"
    more = f", the first {len(rows)} of them here" if len(rows) < total else ""
    return (
        f"<table><caption>{escape(title)}{counted}{more}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: Any) -> str:
    # Ids and times have a familiar text form as str(); for other classes str() is repr().
    text = str(value)
    if len(text) > _MAX_CELL:
        text = f"{text[:_MAX_CELL]}…"
    return text
