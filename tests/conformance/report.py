"""Writes docs/conformance.md: which row of the official test suites runs where, and how it went.

Every test file here begins with a table whose first column names the rows and whose second says
where they run; the test of a row is named like it. ``--conformance-report FILE`` writes what the
tests of this run did as Markdown, ``--conformance-json FILE`` as JSON, which ``--conformance-merge
FILE`` adds to a later report: so runs against different servers end up in one document.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pytest

__all__ = ["Row", "pytest_addoption", "pytest_configure", "pytest_runtest_setup", "rows_of"]

_ROOT = Path(__file__).parents[2]
#: Results of the live suite, which needs a real server; merged into every report if it is there.
LIVE_RESULTS = _ROOT / "docs" / "conformance-live.json"
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
(*recorded*), or against a real server (*real 1.x*, *real 2.x*). Protocols are those of the
subprotocol names, `v3` for `v3.bsatn.spacetimedb`.

Made by `pytest tests/conformance -m "" --conformance-report docs/conformance.md`; do not edit.
"""

_WITHOUT_2 = """\
None of them is of a *real 2.x*: no 2.x server can be installed from a package registry, so the live suite
has met none. The rows on v2 and v3 ran on the embedded server, and on recorded traffic of a 2.8.3.
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
    function: Any = getattr(item, "function", None)
    module = getattr(function, "__module__", "")
    if not module.startswith("tests.conformance."):
        return
    for row in rows_of(module):
        if row.test == function.__name__:
            callspec = getattr(item, "callspec", None)
            protocol = "" if callspec is None else callspec.params.get("protocol", "")
            file = module.rpartition(".")[2]
            item.user_properties.append(
                ("conformance", [file, row.section, row.order, row.name, row.where, protocol])
            )


class Reporter:
    """Collects results and writes them at the end of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: dict[tuple[str, ...], Result] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        facts: dict[str, Any] = dict(report.user_properties)
        if "conformance" not in facts or (report.when != "call" and report.passed):
            return
        where = facts.get("where")
        result = Result(*facts["conformance"], result=report.outcome)
        if where is not None and result.where == "embedded":
            result.where = where
        add(self._results, result)

    def pytest_sessionfinish(self) -> None:
        option = self._config.getoption
        results = dict(self._results)
        if option("--conformance-json"):
            text = json.dumps([msgspec.to_builtins(one) for one in results.values()], indent=1)
            Path(option("--conformance-json")).write_text(text + "\n")
        if option("--conformance-report"):
            for path in option("--conformance-merge") or [LIVE_RESULTS]:
                if path is not LIVE_RESULTS or LIVE_RESULTS.exists():
                    for one in json.loads(Path(path).read_text()):
                        add(results, msgspec.convert(one, Result))
            Path(option("--conformance-report")).write_text(markdown(list(results.values())))


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


def markdown(results: list[Result]) -> str:
    """Return the document."""
    files: dict[str, list[Result]] = {}
    for result in sorted(results, key=_place):
        files.setdefault(result.file, []).append(result)
    passed = sum(result.result == "passed" for result in results)
    parts = [_HEAD, f"{passed} of {len(results)} results are *passed*.\n"]
    if not any(result.where == "real 2.x" for result in results):
        parts.append(_WITHOUT_2)
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
