"""`report`: the tables of test files, and the document made of what their tests did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from tests.conformance.report import Result, Row, add, markdown, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

pytest_plugins = ["pytester"]


def result(row: str, protocol: str, outcome: str = "passed", where: str = "embedded") -> Result:
    return Result("test_x", "X", 1, row, where, protocol, outcome)


def test_rows_are_named_like_their_tests() -> None:
    names = {
        "insert-call-uuid-v4": "test_insert_call_uuid_v4",
        "test-lhs-join-update": "test_lhs_join_update",
        "snake_case aliases": "test_snake_case_aliases",
        ".not()": "test_not",
        "views returning null, vec": "test_views_returning_null_vec",
    }
    assert {name: Row("X", 0, name, "unit").test for name in names} == names


def test_a_file_without_a_table_has_no_rows() -> None:
    assert rows_of(__name__) == ()


def test_the_worse_result_of_two_stays() -> None:
    results: dict[tuple[str, ...], Result] = {}
    for outcome in ("passed", "failed", "skipped"):
        add(results, result("a", "v3", outcome))
    [found] = results.values()
    assert found.result == "failed"


def test_the_document_has_a_line_per_row_place_and_result() -> None:
    text = markdown(
        [
            result("a", "v3"),
            result("a", "v2"),
            result("a", "v1.json", "failed"),
            result("a", "v3", where="real 2.x"),
            result("b", "", where="unit"),
        ]
    )
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines == [
        "| row | where | protocols | result |",
        "| a | embedded | v3, v2 | passed |",
        "| a | embedded | v1.json | failed |",
        "| a | real 2.x | v3 | passed |",
        "| b | unit | - | passed |",
    ]
    assert "4 of 5 results are *passed*." in text
    assert "None of them is of a *real 2.x*" not in text
    assert "None of them is of a *real 2.x*" in markdown([result("a", "v3")])
    assert "## X" in text


def test_results_of_another_run_are_merged(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """A run writes JSON; another one, of other tests, puts both into its document."""
    live = tmp_path / "live.json"
    live.write_text(json.dumps([msgspec.to_builtins(result("a", "v3", where="real 1.x"))]))
    document, data = tmp_path / "report.md", tmp_path / "own.json"
    pytester.makeconftest(
        "from tests.conformance.report import (\n"
        "    pytest_addoption, pytest_configure, pytest_runtest_setup)\n"
    )
    pytester.makepyfile(test_nothing="def test_nothing():\n    pass\n")
    options = [f"--conformance-report={document}", f"--conformance-json={data}"]
    options += [f"--conformance-merge={live}", "-p", "no:randomly", "-p", "no:asyncio"]
    ran = pytester.runpytest_inprocess(*options)
    ran.assert_outcomes(passed=1)
    assert "| a | real 1.x | v3 | passed |" in document.read_text()
    assert json.loads(data.read_text()) == []
