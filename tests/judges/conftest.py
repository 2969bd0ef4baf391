"""The two judges as child processes; `.ci/judges` builds them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spacetimedb-client-ci"
BUILT = Path(os.environ.get("SPACETIMEDB_CI_CACHE") or _CACHE) / "judges"


class Judge:
    """A program that answers one line of JSON with one line of JSON."""

    def __init__(self, *command: str | Path) -> None:
        missing = [str(part) for part in command[1:] if not Path(part).exists()]
        if missing:
            pytest.fail(f"{missing[0]} is not there: run .ci/judges first")
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
        except OSError as error:
            pytest.fail(f"{command[0]} does not start ({error}): run .ci/judges first")

    def __call__(self, **request: Any) -> Any:
        """Return what the judge says to a request; a request it cannot read fails the test."""
        assert self._process.stdin is not None and self._process.stdout is not None
        # ASCII only: a line must not end inside a string, whatever reads it.
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the judge ended with {self._process.wait()}"
        answer = json.loads(line)
        assert "error" not in answer, answer
        return answer

    def close(self) -> None:
        """End the process by ending its input."""
        self._process.communicate()


@pytest.fixture(scope="session")
def rust() -> Iterator[Judge]:
    """The crates spacetimedb-sats and spacetimedb-client-api-messages."""
    judge = Judge(BUILT / "rust" / "debug" / "judge")
    yield judge
    judge.close()


@pytest.fixture(scope="session")
def typescript() -> Iterator[Judge]:
    """The npm package spacetimedb, run by node."""
    judge = Judge("node", HERE / "typescript" / "judge.mjs", BUILT / "typescript" / "package.json")
    yield judge
    judge.close()
