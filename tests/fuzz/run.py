"""Fuzz one target with atheris (coverage-guided); `.ci/fuzz` runs them all for a bounded time.

usage: python -m tests.fuzz.run TARGET [CORPUS ...] [-libfuzzer_option=value ...]
"""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from typing import Any


def main(arguments: list[str]) -> None:
    """Instrument the packages, load the target and hand over to libFuzzer; does not return."""
    atheris: Any = import_module("atheris")
    target, *rest = arguments
    with atheris.instrument_imports(include=["spacetime_proto", "spacetime_transports", "wsproto"]):
        check = import_module(f"tests.fuzz.targets.{target}").check
    # libFuzzer starts itself again by this name, through a shell, when it merges corpora.
    program = f"{shlex.quote(sys.executable)} -m tests.fuzz.run {target}"
    atheris.Setup([program, *rest], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
