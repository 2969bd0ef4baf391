"""Parsed statements, before any name is looked up."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec


class ColumnName(msgspec.Struct, frozen=True):
    """A column, with the table or alias in front of it, if any."""

    table: str | None
    name: str


class SqlConstant(msgspec.Struct, frozen=True):
    """A literal. `text` is a string's content, a number as written, hex digits, true or false."""

    kind: Literal["string", "number", "hex", "bool"]
    text: str

    @property
    def sql(self) -> str:
        """The literal as the server writes it in errors."""
        if self.kind == "string":
            return "'" + self.text.replace("'", "''") + "'"
        return f"X'{self.text}'" if self.kind == "hex" else self.text


class Parameter(msgspec.Struct, frozen=True):
    """``:name``; only ``:sender`` exists."""

    name: str


class Compare(msgspec.Struct, frozen=True):
    """``left op right``; ``!=`` is written ``<>``."""

    op: Literal["=", "<>", "<", ">", "<=", ">="]
    left: Expression
    right: Expression


class And(msgspec.Struct, frozen=True):
    """All of them."""

    parts: tuple[Expression, ...]


class Or(msgspec.Struct, frozen=True):
    """Any of them."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = ColumnName | SqlConstant | Parameter | Compare | And | Or


class SqlRelation(msgspec.Struct, frozen=True):
    """A table in FROM or JOIN, and the equality it is joined by (None for the first, or CROSS)."""

    table: str
    alias: str
    on: tuple[ColumnName, ColumnName] | None = None
    arguments: tuple[SqlConstant, ...] = ()
    """Of a view that is called; ``v()`` is the same as ``v``."""


class All(msgspec.Struct, frozen=True):
    """``*`` or ``t.*``."""

    table: str | None


class Item(msgspec.Struct, frozen=True):
    """One column of the result."""

    column: ColumnName
    alias: str | None


class SelectedColumns(msgspec.Struct, frozen=True):
    """A list of columns."""

    items: tuple[Item, ...]


class Count(msgspec.Struct, frozen=True):
    """``COUNT(*) AS alias``."""

    alias: str


Projection: TypeAlias = All | SelectedColumns | Count


class Select(msgspec.Struct, frozen=True):
    """A query."""

    projection: Projection
    relations: tuple[SqlRelation, ...]
    where: Expression | None = None
    limit: str | None = None
    """The number as written."""


class InsertStatement(msgspec.Struct, frozen=True):
    """``INSERT INTO table (columns) VALUES rows``."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[SqlConstant | Parameter, ...], ...]


class Assignment(msgspec.Struct, frozen=True):
    """``column = literal``."""

    column: str
    value: SqlConstant | Parameter


class UpdateStatement(msgspec.Struct, frozen=True):
    """``UPDATE table SET assignments WHERE where``."""

    table: str
    assignments: tuple[Assignment, ...]
    where: Expression | None


class DeleteStatement(msgspec.Struct, frozen=True):
    """``DELETE FROM table WHERE where``."""

    table: str
    where: Expression | None


Statement: TypeAlias = Select | InsertStatement | UpdateStatement | DeleteStatement
