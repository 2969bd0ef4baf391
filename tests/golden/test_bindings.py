"""Generated bindings decode their module's recorded traffic, as bindings made at run time do."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import msgspec
import pytest

from spacetime_proto.codegen.package import generate
from spacetime_proto.limits import Limits
from spacetime_proto.recording.format import RecordedMessage
from spacetime_proto.recording.playback import Replay
from spacetime_proto.schema.load import load_schema
from tests.support.golden import (
    GOOD_SESSIONS,
    NEED_VERSION_10,
    golden_session,
    module_of,
    replay,
    schema_text,
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Import the generated package of a recorded module, version 9 or 10."""
    folder = tmp_path_factory.mktemp("bindings")
    loaded: dict[tuple[str, int], Any] = {}

    def package(module: str, version: int) -> Any:
        if (module, version) not in loaded:
            name = f"golden_{module.replace('-', '_')}_v{version}"
            (folder / name).mkdir()
            definition = load_schema(schema_text(module, version))
            # A session of the owner has rows of private tables.
            files = generate(definition, source=module, version="1", include_private=True)
            for path, text in files.items():
                (folder / name / path).write_text(text, encoding="utf-8")
            importlib.invalidate_caches()
            loaded[module, version] = importlib.import_module(name)
        return loaded[module, version]

    sys.path.insert(0, str(folder))
    yield package
    sys.path.remove(str(folder))


@pytest.mark.parametrize("version", [9, 10])
@pytest.mark.parametrize("name", [name for name in GOOD_SESSIONS if ".none." in name])
def test_generated_bindings_read_recorded_traffic(packages: Any, name: str, version: int) -> None:
    if version == 9 and name.startswith(NEED_VERSION_10):
        pytest.skip("version 9 does not tell what this session needs")
    package = packages(module_of(name), version)
    session = golden_session(name)
    replayed = Replay(session.header.protocol, package.MODULE, Limits())
    for line in session.lines:
        if isinstance(line, RecordedMessage):
            take = replayed.sent if line.direction == "client" else replayed.received
            take(line.payload)
    expected = replay(name, version=version)
    assert replayed.counts == expected.counts
    public = {table.name for table in package.MODULE.definition.tables}
    for handle in expected.db:
        if handle.table_name in public:
            ours = replayed.db[handle.table_name]
            assert {repr(row) for row in ours} == {repr(row) for row in handle}
            module = package.__name__
            assert all(type(row).__module__.partition(".")[0] == module for row in ours)
    for row in next((h.rows() for h in replayed.db if h.count()), []):
        assert isinstance(row, msgspec.Struct)
