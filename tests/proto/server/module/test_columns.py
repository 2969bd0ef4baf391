"""`columns`: the options of columns and indexes."""

from __future__ import annotations

import dataclasses

from spacetime_proto.server.module.columns import ColumnOptions, Index, column, options_of


@dataclasses.dataclass(kw_only=True)
class Row:
    key: int = column(primary_key=True, auto_increment=True)
    name: str = column(unique=True, name="called")
    place: int = column(index=True)
    other: int = column(index="hash", default=7)
    plain: int = 3


def test_options_are_kept_with_the_field() -> None:
    options = {field.name: options_of(field) for field in dataclasses.fields(Row)}
    assert options == {
        "key": ColumnOptions(primary_key=True, unique=True, auto_increment=True),
        "name": ColumnOptions(unique=True),
        "place": ColumnOptions(index="btree"),
        "other": ColumnOptions(index="hash"),
        "plain": ColumnOptions(),
    }


def test_a_column_has_the_default_it_was_given_and_no_other() -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(Row)}
    assert defaults["other"] == 7
    assert defaults["key"] is dataclasses.MISSING


def test_an_index_is_called_by_its_columns_unless_named() -> None:
    index = Index("x", "y")
    assert (index.columns, index.name, index.algorithm, index.unique) == (
        ("x", "y"),
        "x_y",
        "btree",
        False,
    )
    named = Index("x", name="by_x", algorithm="hash", unique=True)
    assert (named.name, named.algorithm, named.unique) == ("by_x", "hash", True)
