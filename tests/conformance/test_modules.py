"""The ports of the official test modules have the schemas of the originals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.sats.algebraic import ArrayType, Primitive, ProductType, RefType, SumType
from spacetime_proto.schema.case import snake_case
from spacetime_proto.schema.load import load_schema, to_v10_json
from tests.conformance.modules import (
    case_conversion,
    connect_disconnect,
    event_table,
    procedural_view_pk,
    procedure,
    sdk_test,
    view,
)
from tests.support.golden import schema_text

if TYPE_CHECKING:
    from spacetime_proto.sats.algebraic import AlgebraicType
    from spacetime_proto.schema.model import ModuleDef

MODULES: dict[str, Any] = {
    "sdk-test": sdk_test,
    "sdk-test-connect-disconnect": connect_disconnect,
    "sdk-test-event-table": event_table,
    "sdk-test-procedure": procedure,
    "sdk-test-view": view,
    "sdk-test-procedural-view-pk": procedural_view_pk,
    "sdk-test-case-conversion": case_conversion,
}


class Description:
    """A schema as plain values in which named types stand by their names."""

    def __init__(self, module: ModuleDef) -> None:
        self._module = module
        self._names = {one.ref: one.name for one in module.types}

    def text(self, type_: AlgebraicType) -> str:
        if isinstance(type_, Primitive):
            return type_.name
        if isinstance(type_, RefType):
            return self._names[type_.index]
        if isinstance(type_, ArrayType):
            return f"[{self.text(type_.element)}]"
        if isinstance(type_, ProductType):
            return f"({', '.join(f'{e.name}: {self.text(e.type)}' for e in type_.elements)})"
        assert isinstance(type_, SumType)
        return f"<{', '.join(f'{v.name}: {self.text(v.type)}' for v in type_.variants)}>"

    def params(self, params: ProductType) -> str:
        """Name parameters as 2.14 does; the recorded schemas have them as in the source."""
        return ", ".join(
            f"{snake_case(e.name or '')}: {self.text(e.type)}" for e in params.elements
        )

    @property
    def types(self) -> dict[str, str]:
        space = self._module.typespace.types
        return {one.name: self.text(space[one.ref]) for one in self._module.types}

    @property
    def tables(self) -> dict[str, Any]:
        return {
            table.name: {
                "accessor": table.accessor,
                "row": self._names[table.row_ref],
                "columns": [(column.name, self.text(column.type)) for column in table.columns],
                "primary key": table.primary_key,
                "unique": table.unique_columns,
                "indexes": sorted((i.accessor, i.algorithm, i.columns) for i in table.indexes),
                "sequences": [sequence.column for sequence in table.sequences],
                "kinds": (table.is_public, table.is_event, table.is_view),
                "schedule": table.schedule and (table.schedule.function, table.schedule.at_column),
            }
            for table in self._module.tables
        }

    @property
    def functions(self) -> dict[str, Any]:
        reducers = {
            f"reducer {one.name}": (
                one.accessor,
                self.params(one.params),
                one.lifecycle,
                one.is_private,
            )
            for one in self._module.reducers
        }
        procedures = {
            f"procedure {one.name}": (
                one.accessor,
                self.params(one.params),
                self.text(one.return_type),
                one.is_private,
            )
            for one in self._module.procedures
        }
        return reducers | procedures


@pytest.mark.parametrize("name", MODULES)
def test_a_port_has_the_schema_of_the_original(name: str) -> None:
    original = load_schema(schema_text(name))
    port = load_schema(to_v10_json(MODULES[name].make_module().build().definition))
    theirs, ours = Description(original), Description(port)
    assert ours.types == theirs.types
    assert ours.tables == theirs.tables
    left_out = {one for one in theirs.functions if one.startswith("reducer delete_all_")}
    assert ours.functions == {k: v for k, v in theirs.functions.items() if k not in left_out}
    assert set(port.row_level_security) == set(original.row_level_security)
