"""`report` and `compare`: tables of test files, the document of what their tests did, two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.compare import differences, main
from tests.conformance.report import Result, Row, Run, add, markdown, read, rows_of, to_json

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]


def result(row: str, protocol: str, outcome: str = "passed", where: str = "embedded") -> Result:
    return Result("test_x", "X", 1, row, where, protocol, outcome)


def real(*results: Result, day: str = "2026-12-01", server: str = "real 2.14.0") -> Run:
    return Run(server, day, {"v3": 7, "": 2}, list(results))


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
    own = [
        result("a", "v3"),
        result("a", "v2"),
        result("a", "v1.json", "failed"),
        result("b", "", where="unit"),
    ]
    text = markdown(
        [
            Run("embedded", "2026-12-02", {"v3": 31, "v2": 30}, own),
            real(result("a", "v3", where="real 2.14.0")),
        ]
    )
    assert "4 of 5 results are *passed*." in text
    head, _, rows = text.partition("## X")
    assert [line for line in head.splitlines() if line.startswith("| ")] == [
        "| rows on | day | v3 | v2 | v1.bsatn | v1.json | no protocol |",
        "| embedded | 2026-12-02 | 1 of 1 | 1 of 1 | - | 0 of 1 | - |",
        "| unit | 2026-12-02 | - | - | - | - | 1 of 1 |",
        "| real 2.14.0 | 2026-12-01 | 1 of 1 | - | - | - | - |",
        "| tests on | day | v3 | v2 | v1.bsatn | v1.json | no protocol |",
        "| embedded | 2026-12-02 | 31 | 30 | - | - | - |",
        "| real 2.14.0 | 2026-12-01 | 7 | - | - | - | 2 |",
    ]
    assert [line for line in rows.splitlines() if line.startswith("| ")] == [
        "| row | where | protocols | result |",
        "| a | embedded | v3, v2 | passed |",
        "| a | embedded | v1.json | failed |",
        "| a | real 2.14.0 | v3 | passed |",
        "| b | unit | - | passed |",
    ]


def test_results_of_another_run_are_merged(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """A run writes JSON; another one, of other tests, puts both into its document."""
    live = tmp_path / "live.json"
    live.write_text(to_json(real(result("a", "v3", where="real 2.14.0"))))
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
    assert "| a | real 2.14.0 | v3 | passed |" in document.read_text()
    own = read(data)
    assert (own.where, own.tests[""], own.results) == ("embedded", 1, [])


def test_a_run_is_where_its_tests_say_and_counts_what_passed(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    data = tmp_path / "run.json"
    pytester.makeconftest(
        "import pytest\n"
        "from tests.conformance.report import pytest_addoption, pytest_configure\n"
        "from tests.conformance import report\n"
        "def pytest_runtest_setup(item):\n"
        "    item.user_properties.append(('where', 'real 2.14.0'))\n"
        "    report.pytest_runtest_setup(item)\n"
    )
    pytester.makepyfile(
        test_calls="import pytest\n"
        "@pytest.mark.parametrize('protocol', ['v3', 'v2'])\n"
        "@pytest.mark.parametrize('driver', ['asyncio', 'trio'])\n"
        "def test_call(protocol, driver):\n"
        "    assert (protocol, driver) != ('v2', 'trio')\n"
        "def test_other():\n    pass\n"
    )
    options = [f"--conformance-json={data}", "-p", "no:randomly", "-p", "no:asyncio"]
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=4, failed=1)
    run = read(data)
    assert run.where == "real 2.14.0"
    assert run.tests == {"v3": 2, "v2": 1, "v1.bsatn": 0, "v1.json": 0, "": 1}


def test_two_runs_are_equal_whenever_and_however_many_tests_they_were() -> None:
    row = result("a", "v3", where="real 2.14.0")
    other = Run("real 2.14.0", "2027-01-01", {"v3": 9}, [row])
    assert differences(real(row), other) == []
    failed = result("a", "v3", "failed", where="real 2.14.0")
    assert differences(real(row), real(failed)) == [
        "+ test_x: a, real 2.14.0, v3: failed",
        "- test_x: a, real 2.14.0, v3: passed",
    ]
    assert differences(real(row), real(server="real 1.3.0")) == [
        "ran on real 1.3.0, not on real 2.14.0"
    ]


def test_what_differs_ends_the_comparison(tmp_path: Path) -> None:
    written, found = tmp_path / "written.json", tmp_path / "found.json"
    written.write_text(to_json(real(result("a", "v3"))))
    found.write_text(to_json(real()))
    main(str(written), str(written))
    with pytest.raises(SystemExit, match=r"written.json is not what this run found:\n- test_x: a"):
        main(str(written), str(found))
