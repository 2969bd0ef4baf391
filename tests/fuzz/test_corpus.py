"""Replay the corpus of every fuzz target: quick, deterministic, without atheris."""

from __future__ import annotations

import tracemalloc
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TARGETS = sorted(path.stem for path in (HERE / "targets").glob("[a-z]*.py"))
MIB = 1 << 20


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target: str) -> None:
    check = import_module(f"tests.fuzz.targets.{target}").check
    files = sorted((HERE / "corpus" / target).iterdir())
    assert files, "a target needs seeds"
    for path in files:
        try:
            check(path.read_bytes())
        except Exception as error:
            error.add_note(f"with {path.relative_to(HERE)}")
            raise


@pytest.mark.parametrize("target", TARGETS)
def test_memory(target: str) -> None:
    """No file of the corpus, a few KiB at most, takes 100 MiB."""
    check = import_module(f"tests.fuzz.targets.{target}").check
    check(b"")
    largest = sorted((HERE / "corpus" / target).iterdir(), key=lambda path: path.stat().st_size)
    tracemalloc.start()
    try:
        for path in largest[-10:]:
            check(path.read_bytes())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * MIB
