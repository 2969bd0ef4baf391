"""No recorded file lies here unread: a test reads its whole folder, or names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.golden import SESSION_FILES

HERE = Path(__file__).parent
TESTS = HERE.parent
FILES = sorted(
    path.relative_to(HERE)
    for path in HERE.rglob("*")
    if path.is_file() and (path.parent != HERE or path.suffix == ".json")
    if path.suffix not in (".py", ".pyc")
)
#: Folders that a test reads whole: the test, and what it says for that.
READ_WHOLE = {
    "messages": ("golden/test_messages.py", ".iterdir()"),
    "schema": ("proto/schema/test_v10.py", 'GOLDEN.glob("*.v10.json")'),
    "v2.14/modules": ("transports/test_wasm.py", 'glob("modules/*.wasm")'),
    "v2.14/recorded/schema": ("support/golden.py", '"schema"'),
    "v2.14/schema": ("proto/schema/test_schemas_2_14.py", 'GOLDEN.glob("*.v10.json")'),
}
SOURCES = "\n".join(path.read_text("utf-8") for path in sorted(TESTS.rglob("test_*.py")))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_test_reads_it(path: Path) -> None:
    folder = path.parent.as_posix()
    if path.parent.name == "wire":
        assert SESSION_FILES[path.name] == HERE / path
    elif folder not in READ_WHOLE:
        assert path.name in SOURCES


@pytest.mark.parametrize("folder", READ_WHOLE)
def test_a_folder_that_is_read_whole(folder: str) -> None:
    file, words = READ_WHOLE[folder]
    assert words in (TESTS / file).read_text("utf-8")
    assert any((HERE / folder).iterdir())


def test_sessions_have_names_of_their_own() -> None:
    sessions = [path for path in FILES if path.parent.name == "wire"]
    assert len(sessions) == len(SESSION_FILES)
