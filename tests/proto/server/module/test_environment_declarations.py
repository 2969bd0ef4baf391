"""`environment_declarations`: what a module may declare, and how a server limits it."""

from __future__ import annotations

import json
from typing import Any, Literal, Optional

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.load import to_v10_json
from spacetime_proto.schema.model import EnvironmentDef
from spacetime_proto.server import Module


def declared(annotations: dict[str, Any]) -> tuple[EnvironmentDef, ...]:
    module = Module()
    module.environment(type("Variables", (), {"__annotations__": annotations}))
    return module.build().definition.environment


def test_each_annotation_is_a_variable() -> None:
    module = Module()

    @module.environment
    class Variables:
        MODE: Literal["prod", "dev", "prod"]
        KIND: Literal["x"] | None
        API_KEY: str
        NAME: Optional[str]  # noqa: UP045

    definition = module.build().definition
    assert Variables.__name__ == "Variables"
    assert definition.environment == (
        EnvironmentDef("API_KEY", "string"),
        EnvironmentDef("KIND", "literal", ("x",), optional=True),
        EnvironmentDef("MODE", "union", ("dev", "prod")),
        EnvironmentDef("NAME", "string", optional=True),
    )
    sections = json.loads(to_v10_json(definition))["sections"]
    assert sections[:2] == [
        {"CaseConversionPolicy": {"None": []}},
        {
            "Environment": [
                {"name": "API_KEY", "ty": {"String": []}, "optional": False},
                {"name": "KIND", "ty": {"StringLiteral": "x"}, "optional": True},
                {"name": "MODE", "ty": {"Union": ["dev", "prod"]}, "optional": False},
                {"name": "NAME", "ty": {"String": []}, "optional": True},
            ]
        },
    ]


def test_a_module_without_declarations() -> None:
    definition = Module().build().definition
    assert definition.environment == ()
    assert '"Environment"' not in to_v10_json(definition)


def test_the_environment_is_declared_once() -> None:
    module = Module()
    module.environment(type("A", (), {}))
    with pytest.raises(SchemaError, match="already declares its environment"):
        module.environment(type("B", (), {}))


@pytest.mark.parametrize(
    ("annotations", "text"),
    [
        ({"A": int}, "A must be annotated `str` or `Literal"),
        ({"A": int | str}, "A must be annotated"),
        ({"A": int | None}, "A must be annotated"),
        ({"A": Literal["x", 1]}, "A must be annotated"),
        ({"\u00c4": str}, 'invalid environment declaration: environment key "\\\\u00c4": invalid'),
        ({f"A{at}": str for at in range(257)}, "invalid environment declaration: too many decl"),
        (
            {"A": Literal[tuple(map(str, range(257)))]},
            '"A": string union has too many entries',
        ),
        ({"A": Literal["x" * 8193]}, '"A": declared literal exceeds value size limit'),
        (
            {
                f"A{key}": Literal[tuple(f"{at}-{key}".ljust(8192) for at in range(256))]
                for key in range(2)
            },
            "declaration schema exceeds size limit",
        ),
    ],
)
def test_what_cannot_be_declared(annotations: dict[str, Any], text: str) -> None:
    with pytest.raises(SchemaError, match=text):
        declared(annotations)
