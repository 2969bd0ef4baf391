from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.schema.model import ModuleDef, TableDef
from spacetime_proto.testing.module_strategies import modules

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@SLOW
@given(modules())
def test_a_module_keeps_the_rules(module: ModuleDef) -> None:
    for things in (module.tables, module.reducers, module.procedures, module.types):
        found = [thing.name for thing in things]
        assert len(found) == len(set(found))
    for table in module.tables:
        assert table.columns
        if table.primary_key is not None:
            assert table.primary_key in table.unique_columns
        indexed = {index.columns for index in table.indexes}
        assert indexed >= {(column,) for column in table.unique_columns}
        if table.is_view or table.is_event:
            assert not indexed


@SLOW
@given(modules())
def test_a_module_can_be_bound(module: ModuleDef) -> None:
    bound = BoundModule(module)
    for table in bound.tables.values():
        assert table.row_class is not None
    for function in (*bound.reducers.values(), *bound.procedures.values()):
        assert len(function.param_names) == len(function.definition.params.elements)


@SLOW
@given(modules(hostile=False))
def test_a_plain_module_survives_its_schema(module: ModuleDef) -> None:
    again = load_schema(to_v10_json(module))
    assert again.tables == module.tables
    assert again.procedures == module.procedures


@pytest.mark.parametrize(
    "is_kind",
    [
        lambda table: table.is_view,
        lambda table: table.is_event,
        lambda table: table.primary_key is not None,
        lambda table: bool(table.indexes) and not table.unique_columns,
    ],
    ids=["view", "event", "keyed", "indexed"],
)
def test_tables_of_every_kind(is_kind: Callable[[TableDef], bool]) -> None:
    found = find(
        modules(),
        lambda module: any(map(is_kind, module.tables)),
        settings=settings(SLOW, database=None, max_examples=150, phases=[Phase.generate]),
    )
    assert found.tables
