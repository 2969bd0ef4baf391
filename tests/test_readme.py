"""The README's programs, run as they stand against the embedded server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spacetime_transports.server import ThreadServer, chat_module, serve_in_thread

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROGRAMS = dict(re.findall(r"<!-- program: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))
EXPECTED = {
    "asyncio": ["message: hello", "I am Ada"],
    "trio": ["message: hello", "[User("],
    "blocking": ["now called Bob", "users: 1"],
    "original": ["insert Hello World!"],
}
ADDRESS = "http://127.0.0.1:3000"


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with serve_in_thread(chat_module.module, database="chat") as running:
        yield running


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(cwd), "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_program(name: str, server: ThreadServer, tmp_path: Path) -> None:
    generate = [
        "-m", "spacetime_transports.cli", "generate", "--host", server.url, "--database", "chat",
        "--out-dir", "module_bindings",
    ]  # fmt: skip
    run(*generate, cwd=tmp_path)
    program = PROGRAMS[name]
    assert ADDRESS in program
    assert len([line for line in program.splitlines() if line.strip()]) <= 15
    (tmp_path / "program.py").write_text(program.replace(ADDRESS, server.url))
    printed = run("program.py", cwd=tmp_path)
    for text in EXPECTED[name]:
        assert text in printed


def test_every_program_of_the_readme_is_run() -> None:
    assert set(PROGRAMS) == set(EXPECTED)
