"""Bindings made from what an older server said of the same module: they fit without being made again.

Before 2.14 a server gave the parameters' names as the module's source has them. Only that differs:
a call is positional on the wire.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_transports.bindings_writer import generate_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.kit import LiveKit
    from tests.live.target import Target

pytestmark = [
    pytest.mark.needs("rename_attempt", "subtract_from", "region_names"),
    pytest.mark.since("2.14", "parameters keep the names of the source"),
]

#: Canonical names of parameters, and what the module's source calls them.
SOURCE_NAMES = {
    "attempt_id": "attemptId",
    "new_text": "newText",
    "left_hand": "leftHand",
    "right_hand": "rightHand",
    "region_id": "regionId",
}


def with_source_names(text: str) -> str:
    """Return a schema as an older server gave it, and bindings made from it have it inside."""
    sections = [one for one in json.loads(text)["sections"] if "CaseConversionPolicy" not in one]
    renamed = set()
    for section in sections:
        for functions in (section.get(name, ()) for name in ("Reducers", "Procedures", "Views")):
            for function in functions:
                for parameter in function["params"]["elements"]:
                    name = parameter["name"]["some"]
                    if name in SOURCE_NAMES:
                        parameter["name"]["some"] = SOURCE_NAMES[name]
                        renamed.add(name)
    assert renamed == set(SOURCE_NAMES)
    return json.dumps({"sections": sections})


@pytest.fixture(scope="session")
def older(whole_target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a generated package whose schema is that of an older server."""
    files = generate_package(whole_target.module.definition, source="an older server")
    written: dict[str, str] = {}
    exec(files["_schema.py"], written)  # its only name is SCHEMA
    files["_schema.py"] = f"SCHEMA = {with_source_names(written['SCHEMA'])!r}\n"
    folder = tmp_path_factory.mktemp("older") / "older_bindings"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder.parent))
        yield importlib.import_module("older_bindings")


async def test_it_calls_what_it_called(kit: LiveKit, target: Target, older: Any) -> None:
    older.MODULE.check_fits(target.module.definition)
    async with kit.connect(older.MODULE) as client:
        await client.subscribe("SELECT * FROM attempt")
        await client.call(client.reducers.insert_attempt("old"))
        (row,) = client.db.attempt
        reducers, procedures = client.reducers, client.procedures
        await client.call(reducers.renameAttempt(row.id, "new"))
        assert [row.text for row in client.db.attempt] == ["new"]
        assert await client.call(procedures.subtractFrom(2, 5)) == -3
