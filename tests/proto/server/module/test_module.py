"""`module`: the decorators."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.server import (
    U64,
    Context,
    Index,
    Module,
    ProcedureContext,
    ViewContext,
    column,
)
from spacetime_proto.types import ScheduleAt


def test_table_classes_become_frozen_keyword_only_dataclasses() -> None:
    module = Module()

    @module.table
    class User:
        name: str = column(primary_key=True)
        online: bool = False

    user = User(name="ann")
    assert user == User(name="ann", online=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        user.name = "bob"  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        User("ann")  # type: ignore[misc]


def test_tables_are_named_after_their_class_or_as_told() -> None:
    module = Module()

    @module.table
    class ChatMessage:
        text: str

    module.table(name="archive", public=True)(ChatMessage)
    module.table(accessor="drafts", name="draft-box".replace("-", "_"))(ChatMessage)
    tables = {t.name: t for t in module.build().definition.tables}
    assert {t.name: t.accessor for t in tables.values()} == {
        "chat_message": "chat_message",
        "archive": "archive",
        "draft_box": "drafts",
    }
    assert [tables[name].is_public for name in ("chat_message", "archive")] == [False, True]
    assert len({t.row_ref for t in tables.values()}) == 1


def test_every_decorator_leaves_its_function_usable() -> None:
    module = Module()

    @module.type
    class Pair:
        a: int

    @module.reducer
    def one(ctx: Context, pair: Pair) -> None: ...

    @module.reducer(name="zwei", private=True)
    def two(ctx: Context) -> None: ...

    @module.procedure
    async def three(ctx: ProcedureContext) -> int:
        return 3

    @module.procedure(name="vier")
    def four(ctx: ProcedureContext) -> None: ...

    @module.view
    def five(ctx: ViewContext) -> list[Pair]:
        return [Pair(a=5)]

    @module.view(name="sechs", anonymous=True, primary_key="a")
    def six(ctx: ViewContext) -> Pair | None:
        return None

    definition = module.build().definition
    assert [(r.name, r.accessor, r.is_private) for r in definition.reducers] == [
        ("one", "one", False),
        ("zwei", "two", True),
    ]
    assert [p.name for p in definition.procedures] == ["three", "vier"]
    assert [(t.name, t.is_view, t.primary_key) for t in definition.tables] == [
        ("five", True, None),
        ("sechs", True, 0),
    ]
    assert five(None) == [Pair(a=5)]  # type: ignore[arg-type]
    assert all(callable(f) for f in (one, two, three, four, six))


def test_lifecycle_reducers_are_private_and_there_is_one_of_each() -> None:
    module = Module()

    @module.init
    def start(ctx: Context) -> None: ...

    @module.client_connected
    def hello(ctx: Context) -> None: ...

    @module.client_disconnected
    def goodbye(ctx: Context) -> None: ...

    with pytest.raises(SchemaError, match="already has a reducer for on_connect"):
        module.client_connected(hello)
    assert [(r.name, r.lifecycle, r.is_private) for r in module.build().definition.reducers] == [
        ("start", "init", True),
        ("hello", "on_connect", True),
        ("goodbye", "on_disconnect", True),
    ]


def test_schedules_ties_a_reducer_to_a_table() -> None:
    module = Module()

    @module.table
    class Timer:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt

    @module.schedules(Timer)
    def tick(ctx: Context, timer: Timer) -> None: ...

    definition = module.build().definition
    schedule = definition.tables[0].schedule
    assert schedule is not None
    assert (schedule.name, schedule.function, schedule.at_column) == ("timer_sched", "tick", 1)
    assert definition.reducers[0].is_private


def test_schedules_needs_a_table_of_the_module() -> None:
    with pytest.raises(SchemaError, match="int is not a table of this module"):
        Module().schedules(int)(lambda: None)


def test_only_procedures_may_be_async() -> None:
    module = Module()

    async def late(ctx: Context) -> None: ...

    with pytest.raises(SchemaError, match="reducer late is `async def`"):
        module.reducer(late)


def test_a_built_module_accepts_no_additions() -> None:
    module = Module()
    blueprint = module.build()
    assert module.build() is blueprint
    for add in (
        lambda: module.table(name="x"),
        lambda: module.type(int),
        lambda: module.reducer(print),
        lambda: module.row_level_security("SELECT * FROM x"),
    ):
        with pytest.raises(SchemaError, match="in use already"):
            add()


def test_filters_and_indexes_reach_the_definition() -> None:
    module = Module()

    @module.table(public=True, indexes=[Index("x", "y", name="place", unique=True)])
    class Spot:
        x: int
        y: int

    module.row_level_security("SELECT * FROM spot")
    definition = module.build().definition
    assert definition.row_level_security == ("SELECT * FROM spot",)
    table = definition.tables[0]
    assert [(i.name, i.accessor, i.columns) for i in table.indexes] == [
        ("spot_x_y_idx_btree", "place", (0, 1))
    ]
    assert table.unique_constraints == ((0, 1),)
    assert table.unique_columns == ()


def test_dataclasses_are_taken_as_they_are() -> None:
    module = Module()

    @dataclasses.dataclass
    class Loose:
        value: int

    made: Any = module.table(Loose)
    assert made is Loose
    assert made(1).value == 1


def test_modules_are_declared_at_the_top_of_a_file_too() -> None:
    names: dict[str, Any] = {"__name__": "some_file"}
    source = (
        "from spacetime_proto.server import Module\n"
        "module = Module()\n"
        "@module.table\n"
        "class Item:\n"
        "    size: int\n"
    )
    exec(compile(source, "some_file.py", "exec", dont_inherit=True), names)
    assert [table.name for table in names["module"].build().definition.tables] == ["item"]
