"""Every test file begins with a table of rows, and has exactly the tests that it names."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from tests.conformance.report import rows_of

HERE = Path(__file__).parent
WITHOUT_ROWS = {"test_modules", "test_report", "test_tables"}
DOCUMENT = HERE.parents[1] / "docs" / "conformance.md"
FILES = sorted(path.stem for path in HERE.glob("test_*.py") if path.stem not in WITHOUT_ROWS)
PLACES = {"embedded", "scripted", "unit", "recorded"}


@pytest.mark.parametrize("file", FILES)
def test_the_table_is_true(file: str) -> None:
    module = importlib.import_module(f"tests.conformance.{file}")
    rows = rows_of(module.__name__)
    tests = {
        name: function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("test_") and function.__module__ == module.__name__
    }
    assert rows
    assert {row.where for row in rows} <= PLACES
    assert sorted(row.test for row in rows) == sorted(tests)


def test_the_document_has_every_row() -> None:
    """Make it anew when rows come or go; the document says how."""
    lines = DOCUMENT.read_text().splitlines()
    for file in FILES:
        rows = rows_of(importlib.import_module(f"tests.conformance.{file}").__name__)
        assert f"## {rows[0].section}" in lines
        for row in rows:
            assert any(line.startswith(f"| {row.name} | {row.where} | ") for line in lines), row
