"""Writes docs/conformance.md: which row of the official test suites runs where, and how it went.

Every test file here begins with a table whose first column names the rows and whose second says
where they run; the test of a row is named like it. ``--conformance-report FILE`` writes what the
tests of this run did as Markdown, ``--conformance-json FILE`` as JSON, which ``--conformance-merge
FILE`` adds to a later report: so runs against different servers end up in one document. Without
that option a report takes the runs on real servers that lie in docs.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pytest

__all__ = ["Row", "pytest_addoption", "pytest_configure", "pytest_runtest_setup", "rows_of"]

_DOCS = Path(__file__).parents[2] / "docs"
#: Runs of the live suite, which needs a real server, one for each of its versions.
LIVE_RUNS = sorted(_DOCS.glob("conformance-*.json"), reverse=True)
#: In this order things stand in the document.
_PROTOCOLS = ("v3", "v2", "v1.bsatn", "v1.json", "")
_SUITES = ("Rust", "TypeScript", "C#", "Unreal", "")
#: Worse results win where a row has several tests on one protocol.
_RESULTS = ("passed", "skipped", "failed")

_HEAD = """\
# Conformance

The tests of the official SDKs, by their own names, as this client passes them. Each line says where
a row runs: on the embedded server with a port of the official test module (*embedded*), on bytes
that the test writes itself (*scripted*), without any server (*unit*), on traffic of a real server
(*recorded*), or against a real server of that version (*real 2.14.0*). Protocols are those of the
subprotocol names, `v3` for `v3.bsatn.spacetimedb`.

Made by `.ci/conformance write`; do not edit.
"""

_WHERE = """\
## What was proven where

Rows of the official suites, passed of all that were judged, by server and protocol. Rows without
a protocol need no connection, or are judged without a server. The day is that of the run.
"""

_SUITE = """\
The tests of each run that passed, by protocol: on the embedded server those of `tests/conformance`,
on real ones all of `tests/live`, under asyncio, trio and the blocking client. The 2.14.0 server is `tests/real_server`, the published
engine behind an HTTP front of our own; the 1.3.0 is the official program.
"""


class Row(msgspec.Struct, frozen=True):
    """One row of the table that a test file begins with."""

    section: str
    """First line of the file's docstring."""
    order: int
    name: str
    where: str

    @property
    def test(self) -> str:
        """Name of the test function."""
        text = re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")
        return "test_" + text.removeprefix("test_")


class Result(msgspec.Struct):
    """What a row did in one place on one protocol."""

    file: str
    section: str
    order: int
    row: str
    where: str
    protocol: str
    result: str


class Run(msgspec.Struct):
    """What one run of pytest found, on one server."""

    where: str
    """embedded, or real and the version of the server."""
    day: str
    """In UTC, as 2026-12-31."""
    tests: dict[str, int]
    """How many tests passed, by protocol; those without one under the empty name."""
    results: list[Result]


@cache
def rows_of(module_name: str) -> tuple[Row, ...]:
    """Return the table of a test file, by the name of its module; empty if it has none."""
    text = sys.modules[module_name].__doc__ or ""
    section = text.partition("\n")[0].rstrip(".")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]
    return tuple(
        Row(section, order, name, where.strip())
        for order, (name, where, *_) in enumerate(cells)
        if not name.startswith("--")
    )


# --- hooks --------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, once: tests/live has them too, and both suites may run together."""
    with contextlib.suppress(ValueError):
        _add_options(parser)


def _add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--conformance-report", metavar="FILE", help="write the results as Markdown")
    group.addoption("--conformance-json", metavar="FILE", help="write the results as JSON")
    group.addoption(
        "--conformance-merge",
        metavar="FILE",
        action="append",
        default=[],
        help="add results that --conformance-json wrote, of another run",
    )


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--conformance-report", None) or config.getoption(
        "--conformance-json", None
    )
    is_worker = hasattr(config, "workerinput")
    if wanted and not is_worker and not config.pluginmanager.has_plugin("conformance-report"):
        config.pluginmanager.register(Reporter(config), "conformance-report")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note on the test what the report needs; that travels from xdist's workers too."""
    callspec = getattr(item, "callspec", None)
    protocol = "" if callspec is None else callspec.params.get("protocol", "")
    item.user_properties.append(("protocol", protocol))
    function: Any = getattr(item, "function", None)
    module = getattr(function, "__module__", "")
    if not module.startswith("tests.conformance."):
        return
    for row in rows_of(module):
        if row.test == function.__name__:
            file = module.rpartition(".")[2]
            item.user_properties.append(
                ("conformance", [file, row.section, row.order, row.name, row.where, protocol])
            )


class Reporter:
    """Collects results and writes them at the end of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._where = "embedded"
        self._tests: Counter[str] = Counter()
        self._results: dict[tuple[str, ...], Result] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        facts: dict[str, Any] = dict(report.user_properties)
        self._where = facts.get("where", self._where)
        if report.when == "call" and report.passed and facts.get("protocol") in _PROTOCOLS:
            self._tests[facts["protocol"]] += 1
        if "conformance" not in facts or (report.when != "call" and report.passed):
            return
        result = Result(*facts["conformance"], result=report.outcome)
        if "where" in facts and result.where == "embedded":
            result.where = facts["where"]
        add(self._results, result)

    def pytest_sessionfinish(self) -> None:
        option = self._config.getoption
        day = datetime.now(UTC).date().isoformat()
        results = sorted(self._results.values(), key=_place)
        run = Run(self._where, day, {name: self._tests[name] for name in _PROTOCOLS}, results)
        if option("--conformance-json"):
            Path(option("--conformance-json")).write_text(to_json(run))
        if option("--conformance-report"):
            others = [read(Path(name)) for name in option("--conformance-merge") or LIVE_RUNS]
            Path(option("--conformance-report")).write_text(markdown([run, *others]))


def to_json(run: Run) -> str:
    """Return a run as JSON, with a line for each result."""
    head, _, _ = json.dumps({**msgspec.to_builtins(run), "results": []}).rpartition("]}")
    lines = ",\n".join(json.dumps(msgspec.to_builtins(result)) for result in run.results)
    return f"{head}\n{lines}\n]}}\n"


def read(path: Path) -> Run:
    """Return the run that `to_json` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Run)


def add(results: dict[tuple[str, ...], Result], result: Result) -> None:
    """Enter a result; of two for the same thing the worse one stays."""
    key = (result.file, result.row, result.where, result.protocol)
    other = results.setdefault(key, result)
    if _RESULTS.index(result.result) > _RESULTS.index(other.result):
        results[key] = result


def _place(result: Result) -> tuple[Any, ...]:
    """Return where a result stands in the document."""
    suite = next(at for at, name in enumerate(_SUITES) if result.section.startswith(name))
    protocol = _PROTOCOLS.index(result.protocol)
    return suite, result.file, result.order, result.where, protocol


def markdown(runs: list[Run]) -> str:
    """Return the document of several runs."""
    files: dict[str, list[Result]] = {}
    results = [result for run in runs for result in run.results]
    for result in sorted(results, key=_place):
        files.setdefault(result.file, []).append(result)
    passed = sum(result.result == "passed" for result in results)
    parts = [_HEAD, f"{passed} of {len(results)} results are *passed*.\n", *_places(runs)]
    for found in files.values():
        parts.append(f"## {found[0].section}\n")
        parts.append("| row | where | protocols | result |\n|---|---|---|---|")
        lines: dict[tuple[str, str, str], list[str]] = {}
        for result in found:
            lines.setdefault((result.row, result.where, result.result), []).append(result.protocol)
        parts += [
            f"| {row} | {where} | {', '.join(filter(None, names)) or '-'} | {outcome} |"
            for (row, where, outcome), names in lines.items()
        ]
        parts.append("")
    return "\n".join(parts)


def _places(runs: list[Run]) -> list[str]:
    """Return the tables of what ran where."""
    titles = " | ".join(name or "no protocol" for name in _PROTOCOLS)
    rule = "|---|---|" + "---:|" * len(_PROTOCOLS)
    rows, tests = ([f"| {what} | day | {titles} |", rule] for what in ("rows on", "tests on"))
    for run in runs:
        judged = Counter((result.where, result.protocol) for result in run.results)
        good = Counter(
            (result.where, result.protocol) for result in run.results if result.result == "passed"
        )
        for where in sorted({where for where, _ in judged}):
            cells = (
                f"{good[where, name]} of {judged[where, name]}" if judged[where, name] else "-"
                for name in _PROTOCOLS
            )
            rows.append(f"| {where} | {run.day} | {' | '.join(cells)} |")
        counts = (str(run.tests.get(name) or "-") for name in _PROTOCOLS)
        tests.append(f"| {run.where} | {run.day} | {' | '.join(counts)} |")
    return [_WHERE, *rows, "", _SUITE, *tests, ""]
