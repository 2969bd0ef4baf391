"""The scripts of .ci say what is wrong with a command line, and build nothing then."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

CI = Path(__file__).parents[1] / ".ci"


def run(
    cache: Path, script: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    ours = {"SPACETIMEDB_CI_CACHE": str(cache), **(environment or {})}
    clean = {name: value for name, value in os.environ.items() if "SPACETIMEDB" not in name}
    return subprocess.run(
        ["bash", str(CI / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, **ours},
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "live/build-server 2.8.3",
            "usage: build-server [--cached] [2.14.0|1.3.0]     (no server is known by the name 2.8.3)",
        ),
        ("live/build-server --cached x", "(no server is known by the name x)"),
        ("live/build-server 1.3.0 2.14.0", "(2 versions given)"),
        (
            "live/build-module three",
            "usage: build-module [--cached] [one|two]     (no module is known by the name three)",
        ),
        ("live/build-module one two", "(2 modules given)"),
        (
            "live/run 2.8.3 true",
            "usage: run [2.14.0|1.3.0] [COMMAND ...]     (no server is known by the name 2.8.3)",
        ),
        ("conformance write", "usage: .ci/conformance check PYTHON VERSION | write PYTHON"),
        ("conformance check bash", "(0 versions given)"),
        ("conformance check bash 2.8.3", "(no server is known by the name 2.8.3)"),
        ("conformance check /nowhere/python 2.14.0", "(/nowhere/python is no program)"),
        ("conformance tell bash 2.14.0", "(check or write, not tell)"),
    ],
)
def test_a_usage_error_says_what_is_wrong(tmp_path: Path, line: str, said: str) -> None:
    script, *arguments = line.split()
    done = run(tmp_path, script, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("line", ["live/build-server 2.14.0", "live/build-server 1.3.0"])
def test_what_is_not_built_is_told_by_the_exit_code(tmp_path: Path, line: str) -> None:
    script, version = line.split()
    assert run(tmp_path, script, "--cached", version).returncode == 3


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_module_that_is_not_built_is_told_the_same_way(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, "live/build-module", "--cached", name).returncode == 3


def test_another_server_is_a_program_or_an_error(tmp_path: Path) -> None:
    program = tmp_path / "server"
    named = {"SPACETIMEDB_STANDALONE": str(program)}
    done = run(tmp_path, "live/build-server", environment=named)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"SPACETIMEDB_STANDALONE={program} is no program\n"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    done = run(tmp_path, "live/build-server", "--cached", environment=named)
    assert (done.returncode, done.stdout) == (0, f"{program}\n")
