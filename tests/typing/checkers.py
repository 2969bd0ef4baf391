"""mypy and pyright in their strict modes, as functions from files to the lines with errors."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def mypy(folder: Path, *targets: str) -> dict[str, list[int]]:
    """Return the lines with errors by file."""
    command = [
        sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary",
        "--show-absolute-path", "--hide-error-context", "--no-pretty", "--follow-imports=silent",
        f"--cache-dir={os.environ.get('MYPY_CACHE_DIR', ROOT / '.mypy_cache' / 'typing')}", *targets,
    ]  # fmt: skip
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, list[int]] = {}
    for path, line, text in re.findall(r"^(.+?):(\d+): error: (.*)$", done.stdout, re.M):
        found.setdefault(Path(path).name, []).append(int(line))
        print(f"mypy: {Path(path).name}:{line}: {text}")
    return found


def pyright(folder: Path, *targets: str) -> dict[str, list[int]]:
    """Return the lines with errors by file."""
    settings = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": [str(ROOT)],
        "include": list(targets),
        # The programs look at attributes and throw them away; that is not what is tested.
        "reportUnusedExpression": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = ["pyright", "--pythonpath", sys.executable, "--outputjson", "-p", str(folder)]
    command[0] = shutil.which("pyright", path=str(Path(sys.executable).parent)) or "pyright"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["summary"]["filesAnalyzed"] > 0
    found: dict[str, list[int]] = {}
    for problem in answer["generalDiagnostics"]:
        if problem["severity"] == "error":
            name, line = Path(problem["file"]).name, problem["range"]["start"]["line"] + 1
            found.setdefault(name, []).append(line)
            print(f"pyright: {name}:{line}: {problem['message']}")
    return found


CHECKERS = [
    pytest.param(mypy, marks=pytest.mark.skipif(shutil.which("mypy", path=str(Path(sys.executable).parent)) is None, reason="mypy is not installed")),
    pytest.param(pyright, marks=pytest.mark.skipif(shutil.which("pyright", path=str(Path(sys.executable).parent)) is None, reason="pyright is not installed")),
]  # fmt: skip
