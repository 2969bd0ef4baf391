"""Compares what a run on a real server found with what docs says of that server.

usage: python -m tests.conformance.compare WRITTEN FOUND

The days of the runs and the number of tests may differ, the server and the results may not.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.report import Run, read

__all__ = ["differences"]


def differences(written: Run, found: Run) -> list[str]:
    """Return a line for each result that is in one run only, or the servers if they differ."""
    if written.where != found.where:
        return [f"ran on {found.where}, not on {written.where}"]
    lines = [
        {
            f"{one.file}: {one.row}, {one.where}, {one.protocol or 'no protocol'}: {one.result}"
            for one in run.results
        }
        for run in (written, found)
    ]
    signs = [(line, "-" if line in lines[0] else "+") for line in lines[0] ^ lines[1]]
    return [f"{sign} {line}" for line, sign in sorted(signs)]


def main(written: str, found: str) -> None:
    """End with an error that says what differs."""
    if differing := differences(read(Path(written)), read(Path(found))):
        sys.exit("\n".join([f"{written} is not what this run found:", *differing]))


if __name__ == "__main__":
    main(*sys.argv[1:])
