"""Child processes that end with the test, whatever happens in it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE

__all__ = ["ended", "finish", "python", "python_text", "type_line", "until_state", "wait_for"]

ROOT = Path(__file__).parents[2]


def python(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a Python program that can import this checkout; stderr goes where stdout goes."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment},
    )


def python_text(program: str, *arguments: str, ignoring: str = "") -> subprocess.Popen[str]:
    """Start a program that is given as indented text; warnings are errors in it.

    Args:
        program: its text.
        arguments: its ``sys.argv[1:]``.
        ignoring: a warning filter of ``-W`` for what is no error.
    """
    options = ["-W", "error", *(("-W", ignoring) if ignoring else ())]
    return python(*options, "-c", textwrap.dedent(program), *arguments)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End a process and close its pipes after the block."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read the output of `process` until a line holds `text`; return all that was read."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    pytest.fail(f"it ended without saying {text!r}:\n{seen}")


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a program to end well; return the rest of its output."""
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return output


def type_line(process: subprocess.Popen[str], line: str) -> None:
    """Write a line to the program's standard input."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def process_state(process: subprocess.Popen[str]) -> str:
    """Return the state of the main thread as the kernel writes it: R, S, T and so on (Linux)."""
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


def until_state(process: subprocess.Popen[str], wanted: str) -> None:
    """Wait until the main thread of a process is in this state."""
    end = time.monotonic() + PATIENCE
    while process_state(process) != wanted:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"it is {process_state(process)}, not {wanted}"
        time.sleep(0.001)
