"""Which attributes tables have on ``client.db``, and columns and indexes on a table handle.

One rule for generated bindings and for bindings made at run time:

1. Tables are read by their accessor name, those of a submodule as attributes of an attribute:
   ``client.db.my_auth.sessions``. A view with parameters, which is a function on ``tables``, has its
   name in snake_case, as functions have in Python. They are named in order of their canonical names,
   which decides which of two equal names gets a ``_``; a submodule that is called like a table gets it.
2. A unique column is read by the column's name: ``find``.
3. Every other index is read by its accessor name, or by its columns joined with ``_`` if it has
   none: ``filter``. An index over one unique column that would have that column's name is not
   listed a second time.
4. Names are escaped by `python_name`. Where the name is taken by a method of the handle or by an
   earlier accessor, an index gets ``_index`` appended, and then, as all others, ``_`` until free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from .case import python_name, python_names, snake_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .model import IndexDef, TableDef

#: How deep submodules may nest.
MAX_SUBMODULE_DEPTH: Final = 16
#: Attributes that ``client.db`` has of its own.
DB_NAMES: Final = frozenset(("attach",))

#: Attributes that a table handle has of its own (a test compares this list with the classes).
HANDLE_NAMES: Final = frozenset((
    "attach", "changes", "count", "iter", "listeners", "on_before_delete",
    "on_delete", "on_insert", "on_update", "remove_on_before_delete", "remove_on_delete",
    "remove_on_insert", "remove_on_update", "rows", "store", "table", "table_name", "to_arrow", "to_dicts",
    "to_pandas", "to_polars", "where",
))  # fmt: skip


class Accessor(msgspec.Struct, frozen=True):
    """A unique column or an index, as an attribute of the table handle."""

    name: str
    kind: Literal["unique", "index"]
    columns: tuple[int, ...]
    """Positions in the row."""
    index: IndexDef | None = None
    """The index behind it; None for a unique column without one."""


def table_attributes(tables: Iterable[TableDef]) -> dict[str, str]:
    """Return attribute names of ``client.db`` by canonical table name, with dots in submodules."""
    ordered = sorted(tables, key=lambda table: table.name)
    paths = [[_public(segment) for segment in _path(_spelled(table))] for table in ordered]
    names = _dotted(paths, DB_NAMES)
    return {table.name: name for table, name in zip(ordered, names, strict=True)}


def _spelled(table: TableDef) -> str:
    if not table.params.elements:
        return table.accessor
    return ".".join(snake_case(segment) for segment in table.accessor.split("."))


def function_attributes(accessors: Iterable[str]) -> tuple[str, ...]:
    """Return the names of functions on ``reducers`` or ``procedures``, with dots in submodules."""
    return _dotted([_path(accessor) for accessor in accessors])


def _path(accessor: str) -> list[str]:
    # More dots than submodules can nest are in no schema that a server gives.
    return accessor.split(".", MAX_SUBMODULE_DEPTH)


def _dotted(paths: Sequence[Sequence[str]], reserved: Iterable[str] = ()) -> tuple[str, ...]:
    """Return dotted Python names for paths, in order; what is at one level has distinct names."""
    leaves = [path[0] for path in paths if len(path) == 1]
    groups = list(dict.fromkeys(path[0] for path in paths if len(path) > 1))
    names = python_names([*leaves, *groups], reserved=reserved)
    own = iter(names[: len(leaves)])
    inner = {}
    for group, name in zip(groups, names[len(leaves) :], strict=True):
        below = [path[1:] for path in paths if len(path) > 1 and path[0] == group]
        inner[group] = iter([f"{name}.{rest}" for rest in _dotted(below)])
    return tuple(next(own if len(path) == 1 else inner[path[0]]) for path in paths)


def table_accessors(table: TableDef, columns: Sequence[str]) -> tuple[Accessor, ...]:
    """Return the accessors of a table: unique columns in column order, then indexes by name.

    Args:
        table: the table.
        columns: the attribute names of its row class, in column order.
    """
    taken: set[str] = set(HANDLE_NAMES)
    by_columns = {index.columns: index for index in reversed(table.indexes)}
    found: list[Accessor] = []
    for at in table.unique_columns:
        name = _free(_public(columns[at]), taken)
        found.append(Accessor(name, "unique", (at,), by_columns.get((at,))))
    named = [(_index_name(index, columns), index) for index in table.indexes]
    for name, index in sorted(named, key=lambda pair: (pair[0], pair[1].columns)):
        first = index.columns[0] if len(index.columns) == 1 else -1
        if first in table.unique_columns and name == _public(columns[first]):
            continue
        free = _free(name if name not in taken else f"{name}_index", taken)
        found.append(Accessor(free, "index", index.columns, index))
    return tuple(found)


def _index_name(index: IndexDef, columns: Sequence[str]) -> str:
    name = index.accessor or "_".join(columns[at] for at in index.columns)
    return python_name(_public(name))


def _public(name: str) -> str:
    # With a leading underscore, a name could hide a private attribute of the class. Before a digit
    # the underscore stays: no private attribute is called so, and no identifier begins with a
    # digit.
    text = name.lstrip("_")
    return text if text[:1].isidentifier() else name


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
