"""`schema_v9`: version 9 made from version 10 says what the real server's says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.schema.load import to_v10_json
from spacetime_proto.server import Context, Module, ProcedureContext
from spacetime_proto.server.front.schema_v9 import v9_json
from tests.proto.server.support import make_database

SCHEMA = Path(__file__).parents[3] / "golden" / "schema"
NAMES = sorted(path.name.removesuffix(".v10.json") for path in SCHEMA.glob("*.v10.json"))


def sorted_lists(value: Any) -> Any:
    """Return the value with lists of named things in an order that does not depend on hashing."""
    if isinstance(value, dict):
        return {key: sorted_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [sorted_lists(item) for item in value]
        if all(isinstance(item, dict) for item in items):
            return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
        return items
    return value


@pytest.mark.parametrize("name", NAMES)
def test_real_schemas(name: str) -> None:
    made = json.loads(v9_json((SCHEMA / f"{name}.v10.json").read_text()))
    real = json.loads((SCHEMA / f"{name}.v9.json").read_text())
    assert list(made) == list(real)
    for section in ("typespace", "reducers", "types", "row_level_security"):
        assert sorted_lists(made[section]) == sorted_lists(real[section])
    assert sorted_lists(made["misc_exports"]) == sorted_lists(real["misc_exports"])
    # Indexes carry canonical names in version 9 (section 8.5): compared without them.
    for tables in (made["tables"], real["tables"]):
        for table in tables:
            for index in table["indexes"]:
                del index["name"]
    assert sorted_lists(made["tables"]) == sorted_lists(real["tables"])


def test_names_of_parameters_are_those_of_the_source() -> None:
    module = Module()

    @module.reducer
    def set_name(ctx: Context, newName: str) -> None: ...

    @module.procedure
    def ask(ctx: ProcedureContext, HTTPCode2: str) -> None: ...

    database = make_database(module)
    text = to_v10_json(database.definition)
    assert '"new_name"' in text
    assert '"http_code_2"' in text
    made = v9_json(text, database.source_params)
    assert '"newName"' in made
    assert '"HTTPCode2"' in made
    assert "_name" not in made.replace("set_name", "").replace("reducer_name", "")
