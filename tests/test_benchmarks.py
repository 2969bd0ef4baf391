"""The benchmarks run: what nobody starts for months still works when somebody does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]


def run(*arguments: str) -> str:
    """Run a program of the folder and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_this_client_does_every_row_of_the_comparison(tmp_path: Path) -> None:
    """The replay server and the client agree on what each row is; all of its figures come out."""
    output = tmp_path / "results.json"
    run(
        *("benchmarks/compare.py", "--scale", "0.01", "--rounds", "1"),
        *("--peers", "asyncio,blocking,floor", "--output", str(output)),
    )
    results = json.loads(output.read_text())
    assert results["failures"] == []
    assert len(results["rows"]) == 13
    assert all("cpu_ms" in found["asyncio"] for found in results["rows"].values())
    assert {"bytes_per_row", "read_bytes_per_row", "peak_per_row"} < results["rows"]["subscribe"][
        "blocking"
    ].keys()


def test_many_clients_in_one_process_see_a_broadcast() -> None:
    """Each of them is told of the row that one of them inserted."""
    found = json.loads(run("benchmarks/clients.py", "--clients", "20", "--json"))
    assert found["clients"] == 20
    assert found["kilobytes_each"] > 0
