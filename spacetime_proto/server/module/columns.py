"""`column` and `Index`: the options of the columns of a table class."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeVar, overload

import msgspec

from ...schema.model import IndexAlgorithm

T = TypeVar("T")

_KEY = "spacetimedb"


class ColumnOptions(msgspec.Struct, frozen=True):
    """The options of one column, as `column` was given them."""

    primary_key: bool = False
    unique: bool = False
    index: IndexAlgorithm | None = None
    auto_increment: bool = False


class Index:
    """An index over several columns: ``@module.table(indexes=[Index("x", "y", name="by_place")])``.

    Attributes:
        columns: attribute names of the columns, in index order.
        name: what ``ctx.db.table.NAME`` is called.
        algorithm: ``"btree"`` (ranges and prefixes), ``"hash"`` or ``"direct"``.
        unique: the combination is unique, too.
    """

    __slots__ = ("algorithm", "columns", "name", "unique")

    def __init__(
        self,
        *columns: str,
        name: str | None = None,
        algorithm: IndexAlgorithm = "btree",
        unique: bool = False,
    ) -> None:
        """Describe an index; without `name` it is called by its columns joined with ``_``."""
        self.columns = columns
        self.name = name or "_".join(columns)
        self.algorithm: IndexAlgorithm = algorithm
        self.unique = unique


@overload
def column(
    *,
    default: T,
    name: str | None = ...,
    primary_key: bool = ...,
    unique: bool = ...,
    index: IndexAlgorithm | Literal[True] | None = ...,
    auto_increment: bool = ...,
) -> T: ...
@overload
def column(
    *,
    name: str | None = ...,
    primary_key: bool = ...,
    unique: bool = ...,
    index: IndexAlgorithm | Literal[True] | None = ...,
    auto_increment: bool = ...,
) -> Any: ...
def column(
    *,
    default: Any = dataclasses.MISSING,
    name: str | None = None,
    primary_key: bool = False,
    unique: bool = False,
    index: IndexAlgorithm | Literal[True] | None = None,
    auto_increment: bool = False,
) -> Any:
    """Describe one column of a table class; a dataclass field specifier.

    Args:
        default: value of the field when the constructor is not given one.
        name: the column's name on the wire and in SQL, if not the attribute's.
        primary_key: the one column that identifies a row; also unique.
        unique: no two rows may have the same value; gives ``ctx.db.table.COLUMN.find(value)``.
        index: ``"btree"`` (or True), ``"hash"``, ``"direct"``; gives ``.filter(...)``.
        auto_increment: a row inserted with 0 here gets the next number.
    """
    options = ColumnOptions(
        primary_key=primary_key,
        unique=unique or primary_key,
        index="btree" if index is True else index,
        auto_increment=auto_increment,
    )
    return dataclasses.field(default=default, metadata={_KEY: options, "name": name})


def options_of(field: dataclasses.Field[Any]) -> ColumnOptions:
    """Return the options of a dataclass field; the defaults if `column` was not used."""
    options = field.metadata.get(_KEY)
    return options if isinstance(options, ColumnOptions) else ColumnOptions()
