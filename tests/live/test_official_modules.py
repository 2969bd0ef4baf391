"""The modules in Rust for the real server are those of tests/conformance/modules for the embedded one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from spacetime_proto.schema.load import load_schema, to_v10_json
from tests.conformance.modules import (
    case_conversion,
    connect_disconnect,
    event_table,
    procedural_view_pk,
    procedure,
    procedure_concurrency,
    sdk_test,
    view,
    view_pk,
)
from tests.conformance.test_modules import Description
from tests.live.worlds import official_target

if TYPE_CHECKING:
    from spacetime_proto.schema.model import ModuleDef
    from tests.live.target import Target

SMALL = (
    case_conversion,
    connect_disconnect,
    event_table,
    procedural_view_pk,
    procedure,
    procedure_concurrency,
    view,
    view_pk,
)


def shape(module: ModuleDef) -> dict[str, Any]:
    """Return types, tables and functions, with what a client sees of them; names of parameters aside.

    Those are canonical from 2.14 on, and those of the source before.
    """
    description = Description(module)
    columns = ("columns", "primary key", "unique", "kinds", "accessor")
    functions = [
        (f"{kind} {one.name}", [description.text(e.type) for e in one.params.elements])
        for kind, found in (("reducer", module.reducers), ("procedure", module.procedures))
        for one in found
        if getattr(one, "lifecycle", None) is None
    ]
    return {
        **{f"type {name}": text for name, text in description.types.items()},
        **{
            f"table {name}": {what: table[what] for what in columns}
            for name, table in description.tables.items()
        },
        **dict(functions),
    }


@pytest.mark.since("2.0", "the official modules have what 1.x has not")
@pytest.mark.parametrize(
    ("name", "ports"), [("sdk", (sdk_test,)), ("small", SMALL)], ids=("sdk", "small")
)
def test_the_same_module_in_both_languages(
    whole_target: Target, name: Literal["sdk", "small"], ports: tuple[Any, ...]
) -> None:
    target = official_target(whole_target.url, whole_target.token, name)
    real = shape(target.module.definition)
    made: dict[str, Any] = {}
    for port in ports:
        made |= shape(load_schema(to_v10_json(port.make_module().build().definition)))
    del real["reducer clear_all"]  # with which the suite begins each test
    assert real == made
