"""`blueprint`: what has no place in a schema is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.schema.model import IndexDef, SequenceDef
from spacetime_proto.server import (
    F64,
    U32,
    U64,
    Context,
    Index,
    Module,
    ProcedureContext,
    Query,
    ViewContext,
    column,
)
from spacetime_proto.types import ScheduleAt


@dataclass(frozen=True)
class Thing:
    value: int


def two_keys(module: Module) -> None:
    @module.table
    class T:
        a: int = column(primary_key=True)
        b: int = column(primary_key=True)


def bad_index(module: Module) -> None:
    @module.table(indexes=[Index("a", "nope")])
    class T:
        a: int


def counted_text(module: Module) -> None:
    @module.table
    class T:
        a: str = column(auto_increment=True)


def counted_float(module: Module) -> None:
    @module.table
    class T:
        a: F64 = column(auto_increment=True)


def no_time(module: Module) -> None:
    @module.table(scheduled="f")
    class T:
        id: U64 = column(primary_key=True)


def no_key(module: Module) -> None:
    @module.table(scheduled="f")
    class T:
        id: U32 = column(primary_key=True)
        at: ScheduleAt


def nothing_scheduled(module: Module) -> None:
    @module.table(scheduled="f")
    class T:
        id: U64 = column(primary_key=True)
        at: ScheduleAt


def twice(module: Module) -> None:
    module.table(name="t")(Thing)
    module.table(name="t")(Thing)


def view_as_table(module: Module) -> None:
    module.table(name="t")(Thing)

    @module.view
    def t(ctx: ViewContext) -> list[Thing]: ...


def system_name(module: Module) -> None:
    module.table(name="st_mine")(Thing)


def bad_name(module: Module) -> None:
    module.table(name="two words")(Thing)


def no_context(module: Module) -> None:
    @module.reducer
    def f() -> None: ...


def no_annotation(module: Module) -> None:
    @module.reducer
    def f(ctx: Context, x) -> None: ...  # type: ignore[no-untyped-def]


def returns(module: Module) -> None:
    @module.reducer
    def f(ctx: Context) -> int: ...


def lifecycle_arguments(module: Module) -> None:
    @module.init
    def f(ctx: Context, x: int) -> None: ...


def view_context(module: Module) -> None:
    @module.view
    def v() -> list[Thing]: ...


def view_annotation(module: Module) -> None:
    @module.view
    def v(ctx: ViewContext, x) -> list[Thing]: ...  # type: ignore[no-untyped-def]


def view_float(module: Module) -> None:
    @module.view
    def v(ctx: ViewContext, howMuch: float) -> list[Thing]: ...


def view_parameters_and_key(module: Module) -> None:
    @module.view(primary_key="value")
    def v(ctx: ViewContext, x: int) -> list[Thing]: ...


def view_of_numbers(module: Module) -> None:
    @module.view
    def v(ctx: ViewContext) -> list[int]: ...


def view_of_one(module: Module) -> None:
    @module.view
    def v(ctx: ViewContext) -> Thing: ...


def view_key(module: Module) -> None:
    @module.view(primary_key="nope")
    def v(ctx: ViewContext) -> list[Thing]: ...


def query_view_key(module: Module) -> None:
    @module.view(primary_key="value")
    def v(ctx: ViewContext) -> Query[Thing]: ...


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (two_keys, "table t has more than one primary key column"),
        (bad_index, "index over 'nope': no such column in t"),
        (counted_text, "t.a: auto_increment needs an integer column"),
        (counted_float, "t.a: auto_increment needs an integer column"),
        (no_time, "scheduled table t needs exactly one ScheduleAt column"),
        (no_key, "scheduled table t needs a primary key of type U64"),
        (nothing_scheduled, "a table schedules 'f', which is no reducer or procedure here"),
        (twice, "this module has two of table 't'"),
        (view_as_table, "this module has two of table or view 't'"),
        (system_name, "'st_mine' is no valid name of a table"),
        (bad_name, "'two words' is no valid name of a table"),
        (no_context, "reducer f needs a first parameter for the context"),
        (no_annotation, "reducer f: parameter x has no annotation"),
        (returns, "reducer f must return None"),
        (lifecycle_arguments, "f takes only the context"),
        (view_context, "view v needs a first parameter for the context"),
        (view_annotation, "view v: parameter x has no annotation"),
        (view_float, "View v has a float parameter `how_much`, which views can't take yet"),
        (view_parameters_and_key, "View v has parameters and cannot have a primary key"),
        (view_of_numbers, "view v must return rows"),
        (view_of_one, "view v must be annotated"),
        (view_key, "view v cannot have the primary key 'nope'"),
        (query_view_key, "view v cannot have the primary key 'value'"),
    ],
)
def test_what_has_no_place_in_a_schema_is_refused(
    declare: Callable[[Module], None], problem: str
) -> None:
    module = Module()
    declare(module)
    with pytest.raises(SchemaError) as caught:
        module.build()
    assert problem in str(caught.value)


def full_module() -> Module:
    module = Module()

    @module.table(public=True, indexes=[Index("x", "y", unique=True), Index("y", "x")])
    class Spot:
        id: U64 = column(primary_key=True, auto_increment=True)
        name: str = column(unique=True)
        x: int = column(index="hash")
        y: int

    @module.table(public=True, event=True)
    class Noise:
        loud: bool

    @module.table(scheduled="run")
    class Timer:
        id: U64 = column(primary_key=True)
        at: ScheduleAt

    @module.procedure
    def run(ctx: ProcedureContext, timer: Timer) -> None: ...

    @module.reducer
    def move(ctx: Context, id: U64, x: int) -> None: ...

    @module.view
    def spots(ctx: ViewContext) -> Query[Spot]: ...

    @module.view
    def maybe(ctx: ViewContext) -> Spot | None: ...

    @module.view
    def other_way_round(ctx: ViewContext) -> None | Spot: ...  # noqa: RUF036

    @module.view(primary_key="name")
    def named(ctx: ViewContext) -> list[Spot]: ...

    return module


def test_the_definition_says_everything() -> None:
    definition = full_module().build().definition
    tables = {table.name: table for table in definition.tables}
    assert list(tables) == [
        "maybe",
        "named",
        "noise",
        "other_way_round",
        "spot",
        "spots",
        "timer",
    ]
    spot = tables["spot"]
    assert spot.primary_key == 0
    assert spot.unique_columns == (0, 1)
    assert spot.sequences == (SequenceDef("spot_id_seq", 0, None, None, None, 1),)
    assert spot.indexes == (
        IndexDef("spot_id_idx_btree", "id", "btree", (0,)),
        IndexDef("spot_name_idx_btree", "name", "btree", (1,)),
        IndexDef("spot_x_idx_hash", "x", "hash", (2,)),
        IndexDef("spot_x_y_idx_btree", "x_y", "btree", (2, 3)),
        IndexDef("spot_y_x_idx_btree", "y_x", "btree", (3, 2)),
    )
    assert spot.unique_constraints == ((0,), (1,), (2, 3))
    assert tables["noise"].is_event
    assert (tables["spots"].primary_key, tables["named"].primary_key) == (0, 1)
    assert tables["named"].row_ref == spot.row_ref
    assert definition.procedures[0].is_private
    assert [element.name for element in definition.reducers[0].params.elements] == ["id", "x"]


def test_the_schema_is_read_back_as_it_was_written() -> None:
    definition = full_module().build().definition
    read: Any = load_schema(to_v10_json(definition))
    assert [t.name for t in read.tables] == [t.name for t in definition.tables]
    assert read.reducers == definition.reducers
    assert read.procedures == definition.procedures
    assert read.typespace == definition.typespace
