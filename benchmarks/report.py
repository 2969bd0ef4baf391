"""Tables for people, and the verdict for CI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from .results import Results, spread
from .work import FLOOR, GOALS, OURS, PEERS, WORK, Goal, Work

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["figure", "goals", "heading", "record", "table", "verdict"]

#: A ratio may be this many times the recorded one before CI fails.
TOLERANCE: Final = 2.0
#: What memory is measured in; all of it in the row `subscribe`.
MEMORY: Final = {
    "bytes_per_row": "memory per cached row",
    "read_bytes_per_row": "the same, every row looked at",
    "peak_per_row": "memory per row, at the peak",
}


def clients(results: Results) -> list[str]:
    """Return the clients that were measured, the official ones first."""
    measured = {peer for row in results.rows.values() for peer in row}
    return [peer for peer in (*PEERS, *OURS, FLOOR) if peer in measured]


def heading(results: Results, rounds: int) -> str:
    """Return one line that says what was measured on what."""
    found = results.versions
    return (
        f"Medians of {rounds} rounds on {found['machine']}: TypeScript client"
        f" {found.get('typescript')} on node {found.get('node')}, Rust client {found.get('rust')}"
        f" built with rustc {found.get('rustc')}, this one on CPython {found['python']}.\n"
    )


def figure(work: Work, ms: float) -> float:
    """Return milliseconds for all of `work` in the unit of its row."""
    return ms if work.unit == "ms" else ms / work.count * (1e3 if work.unit == "us" else 1e6)


def short(value: float) -> str:
    """Return a figure with three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(results: Results, rows: Iterable[Work]) -> str:
    """Return medians of wall and CPU time, with the spread of the former, and of memory."""
    peers = clients(results)
    lines = [["work", *peers], ["---", *["---:"] * len(peers)]]
    for work in rows:
        name = f"{work.title}, {work.unit}"
        if work.name.endswith(("-v2", "-v3")):
            name += f" ({work.protocol})"
        wall = "start_ms" if work.name == "connect" else "ms"
        lines.append([name, *(_cell(results, work, peer, wall) for peer in peers)])
        lines.append(["  CPU", *(_cell(results, work, peer, "cpu_ms") for peer in peers)])
        if any(results.values(work.name, peer, "first_ms") for peer in peers):
            lines.append(["  first time", *(_cell(results, work, p, "first_ms") for p in peers)])
    for metric, title in MEMORY.items():
        values = [results.median("subscribe", peer, metric) for peer in peers]
        if any(value is not None for value in values):
            cells = ["" if value is None else short(value) for value in values]
            lines.append([f"{title}, bytes", *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(peers) + 1)]
    texts = []
    for line in lines:
        padded = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        texts.append("| " + " | ".join([line[0].ljust(widths[0]), *padded]) + " |\n")
    return "".join(texts)


def _cell(results: Results, work: Work, peer: str, metric: str) -> str:
    median = results.median(work.name, peer, metric)
    if median is None:
        return ""
    if metric == "first_ms" and work.scenario == "filter":
        return f"{short(median)} ms"  # of subscribing and making the index
    text = short(median if metric == "start_ms" else figure(work, median))
    if metric == "cpu_ms":
        return text
    return f"{text} ±{100 * spread(results.values(work.name, peer, metric)) / 2:.0f} %"


def goals(results: Results, rows: Iterable[Work]) -> str:
    """Return each goal with what every driver reached, by wall time and by CPU time."""
    works = {work.name: work for work in rows}
    texts = [
        "| goal | at most | " + " | ".join(OURS) + " |\n",
        "| --- | ---: | " + " | ".join(["---:"] * len(OURS)) + " |\n",
    ]
    for goal in GOALS:
        if goal.work in works:
            work = works[goal.work]
            bound = f"{goal.factor:g} x {goal.peer}" if goal.peer else f"{goal.most:g} {goal.unit}"
            cells = " | ".join(_reached(results, work, goal, peer) for peer in OURS)
            texts.append(f"| {goal.title or work.title} | {bound} | {cells} |\n")
    return "".join(texts)


def _reached(results: Results, work: Work, goal: Goal, peer: str) -> str:
    metrics = [goal.metric, "cpu_ms"] if goal.metric in ("ms", "start_ms") else [goal.metric]
    texts = []
    for metric in metrics:
        value, most = _against(results, work, goal, peer, metric)
        if value is None:
            return ""
        texts.append(short(value) if value <= most else f"**{short(value)}**")
    return texts[0] if len(texts) == 1 else f"{texts[0]} (CPU {texts[1]})"


def _against(
    results: Results, work: Work, goal: Goal, peer: str, metric: str
) -> tuple[float | None, float]:
    """Return what was reached, and the most it may be, as a ratio or in the row's unit."""
    if goal.peer is None:
        value = results.median(goal.work, peer, metric)
        if value is not None and goal.metric == "ms":
            value = figure(work, value)
        return value, goal.most
    theirs = "bytes_per_row" if metric == "read_bytes_per_row" else metric
    mine, other = (
        results.median(goal.work, peer, metric),
        results.median(work.name, goal.peer, theirs),
    )
    return (mine / other if mine is not None and other else None), goal.factor


# --- for CI -----------------------------------------------------------------------------------


def _ratios(results: Results) -> dict[str, float]:
    """Return every ratio that CI looks at: CPU time, which others on the machine disturb least."""
    ratios = {}
    for work in WORK:
        for peer in OURS:
            for other in PEERS:
                ratio = results.ratio(work.name, peer, other, "cpu_ms")
                if ratio is not None:
                    ratios[f"{work.name}: {peer} / {other}"] = float(f"{ratio:.4g}")
    for peer in OURS:
        ratio = results.ratio("subscribe", peer, "rust", "bytes_per_row")
        if ratio is not None:
            ratios[f"memory: {peer} / rust"] = float(f"{ratio:.4g}")
    return ratios


def record(results: Results, path: Path) -> None:
    """Write the ratios that later runs are held to."""
    path.write_text(json.dumps(_ratios(results), indent=1) + "\n")


def verdict(results: Results, path: Path) -> int:
    """Print how ratios compare with the recorded ones; return 1 if one is more than twice as bad."""
    recorded: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    worse = []
    print("\nratio, recorded ratio (of CPU time, in this run):")
    for name, ratio in _ratios(results).items():
        before = recorded.get(name)
        is_worse = before is not None and ratio > TOLERANCE * before
        print(f"{ratio:9.4g} {'-' if before is None else before:>9}  {name}{'  WORSE' * is_worse}")
        if is_worse:
            worse.append(name)
    for failure in results.failures:
        print(f"failed: {failure}")
    print(f"{len(worse)} of them more than {TOLERANCE:g} times as bad as recorded")
    return int(bool(worse or results.failures))
