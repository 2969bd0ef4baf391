"""Child processes that end with the test, whatever happens in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ended"]


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End a process and close its pipes after the block."""
    with process:
        try:
            yield process
        finally:
            process.kill()
