"""The programs of the README, of `docs/` and of `examples/` check as they stand.

Both checkers run in their strict modes, once for all programs, which are put into one folder beside
freshly generated bindings. A program in a document follows the comment ``<!-- program: NAME -->``, a
module of the development server ``<!-- file: NAME.py -->``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.codegen.package import generate
from spacetime_transports.bindings_writer import module_from_python
from tests.typing.checkers import CHECKERS, ROOT, write

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
EXAMPLES = sorted(
    path for path in (ROOT / "examples").rglob("*.py") if path.parent.name != "module_bindings"
)
MARKED = re.compile(r"<!-- (program|file): ([\w.]+) -->\n```python\n(.*?)```", re.DOTALL)
CHAT = ROOT / "spacetime_transports" / "server" / "chat_module.py"


def programs() -> dict[str, str]:
    """Return every program under a file name of its own."""
    found = {path.name: path.read_text() for path in EXAMPLES}
    for document in DOCUMENTS:
        for kind, name, text in MARKED.findall(document.read_text()):
            # A program called asyncio must not hide the module.
            file = name if kind == "file" else f"{document.stem.lower()}_{name}.py"
            assert file not in found
            found[file] = text
    return found


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    # The chat programs and those of docs/generate.md share one package of bindings.
    shop = programs()["shop.py"].replace("module = Module()\n", "")
    (folder / "both.py").write_text(CHAT.read_text() + shop)
    module = module_from_python(folder / "both.py")
    (folder / "both.py").unlink()
    write(folder / "module_bindings", generate(module, source="both", version="1"))
    for name, text in programs().items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKERS)
def test_every_program_checks(check: Any, workplace: Path) -> None:
    assert check(workplace, *programs()) == {}


def test_the_documents_have_programs() -> None:
    names = set(programs())
    assert {"readme_asyncio.py", "readme_trio.py", "readme_blocking.py"} < names
    assert {"readme_original.py", "generate_shop.py", "testing_fixture.py", "main.py"} < names
