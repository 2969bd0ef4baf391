"""This client and the official ones, side by side: the same work on the same bytes.

``python benchmarks/compare.py`` builds the official clients if need be, starts a replay server, and
has every client do every row of the comparison, one process each, in interleaved rounds. It prints
medians, spread and ratios, and says which goals are met. See README.md in this folder for how to
read it. ``--full`` adds cost against size, ``--short`` is what CI runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import plot, report, sizes
from benchmarks.build import HERE, build, versions
from benchmarks.results import Results
from benchmarks.traffic import location, player
from benchmarks.work import FLOOR, OURS, PEERS, WORK, Work, at_scale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.build import Command

RESULTS: Final = HERE / "results.json"
RECORDED: Final = HERE / "recorded.json"
PLOT: Final = HERE.parent / "docs" / "benchmarks.svg"
#: Seconds after which a client's program is taken for stuck.
PATIENCE: Final = 180.0
SHORT_SCALE: Final = 0.25


class PeerFailed(Exception):
    """A client's program did not do its work."""


@contextmanager
def replay_server() -> Iterator[str]:
    """Run a replay server in a process of its own; gives its URL."""
    command = [sys.executable, str(HERE / "replay.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            server.wait(10)


@contextmanager
def row_files(count: int) -> Iterator[Path]:
    """Write `count` encoded rows of each table to files for the decoding rows; gives the folder."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for make in (player, location):
            rows = b"".join(make(number) for number in range(count))
            Path(name, f"{make.__name__}.rows").write_bytes(rows)
        yield Path(name)


def _children_cpu() -> float:
    """Return the CPU seconds of all programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_peer(command: Command, where: str, work: Work, peer: str) -> dict[str, float]:
    """Have one client do one thing, in a process of its own; return what it measured.

    Raises:
        PeerFailed: it did not.
    """
    asked = (work.scenario, work.count_for(peer), work.rows, work.protocol_for(peer))
    started, spent = time.time(), _children_cpu()
    try:
        run = subprocess.run(
            [*command.arguments, where, *map(str, asked)],
            env=command.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"{peer}: {work.name}: nothing within {PATIENCE:g} s") from None
    lines = run.stdout.splitlines()
    if run.returncode or not lines:
        raise PeerFailed(f"{peer}: {work.name}: {run.stderr[-2000:]}")
    found: dict[str, float] = json.loads(lines[-1])
    if work.scenario == "connect":
        found["cpu_ms"] = 1e3 * (_children_cpu() - spent)
    if "connected_at" in found:
        found["start_ms"] = 1e3 * (found.pop("connected_at") - started)
    if "peak_per_row" in found:
        found["peak_above"] = found["peak_per_row"] - found["bytes_per_row"]
    if work.scenario == "find" or work.scenario == "filter":
        # Counts differ between clients: note each, as if it had been done `count` times.
        scale = work.count / work.count_for(peer)
        for name in ("ms", "cpu_ms", "first_ms"):
            if name in found:
                found[name] *= scale
    return found


def measure(commands: dict[str, Command], rows: list[Work], rounds: int, url: str) -> Results:
    """Do every row with every client, `rounds` times over, taking turns."""
    results = Results(versions=versions())
    most = max((work.count for work in rows if not work.needs_connection()), default=0)
    with row_files(most) as folder:
        for number in range(rounds):
            for work in rows:
                for peer, command in commands.items():
                    if peer == FLOOR and not work.has_floor:
                        continue
                    where = url
                    if not work.needs_connection():
                        if peer in OURS[1:]:
                            continue  # no driver has a part in it
                        where = str(folder / f"{work.scenario.removeprefix('decode_')}.rows")
                    try:
                        results.add(work.name, peer, run_peer(command, where, work, peer))
                    except PeerFailed as failure:
                        print(failure, file=sys.stderr)
                        results.failures.append(str(failure))
            print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return results


def publish(text: str) -> None:
    """Put tables between the markers in README.md."""
    readme = HERE / "README.md"
    before, begin, rest = readme.read_text().partition("<!-- results -->\n")
    _, end, after = rest.partition("<!-- end of results -->")
    assert begin and end, "README.md lacks its markers"
    readme.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--full", action="store_true", help="cost against size too (many minutes)")
    form.add_argument("--short", action="store_true", help="fewer rows, and the verdict for CI")
    form.add_argument("--build-only", action="store_true", help="build the official clients")
    parser.add_argument("--rounds", type=int, help="default: 5, and 3 with --short")
    parser.add_argument("--scale", type=float, help="so many times the rows and repetitions")
    parser.add_argument("--only", action="append", metavar="ROW", help="these rows only")
    parser.add_argument("--peers", help="these clients only, comma-separated")
    parser.add_argument("--output", type=Path, help="write all figures there, as JSON")
    parser.add_argument("--record", action="store_true", help=f"with --short: {RECORDED.name} anew")
    parser.add_argument(
        "--publish",
        action="store_true",
        help=f"write {RESULTS.name}, the tables in README.md, and the plot in docs",
    )
    return parser.parse_args()


def main() -> int:
    options = parse()
    names = options.peers.split(",") if options.peers else [*PEERS, *OURS, FLOOR]
    rows = [work for work in WORK if not options.only or work.name in options.only]
    scale = options.scale or (SHORT_SCALE if options.short else 1.0)
    rows = [at_scale(work, scale) for work in rows]
    commands = build(names)
    if options.build_only:
        return int(len(commands) < len(names))
    with replay_server() as url:
        rounds = options.rounds or (3 if options.short else 5)
        results = measure(commands, rows, rounds, url)
        if options.full:
            results.sizes = sizes.measure(commands, url, run_peer)
    print(report.table(results, rows))
    if options.short:
        if options.record:
            report.record(results, RECORDED)
        return report.verdict(results, RECORDED)
    goals, sizes_table = report.goals(results, rows), sizes.table(results.sizes)
    print(f"Goals; what is missed is in bold:\n\n{goals}{sizes_table}")
    if options.output or options.publish:
        (options.output or RESULTS).write_text(results.to_json())
    if options.publish:
        PLOT.write_text(plot.draw(results, rows))
        publish(
            f"{report.heading(results, rounds)}\n{report.table(results, rows)}\n{goals}{sizes_table}"
        )
    return int(bool(results.failures))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    # An installed package has its bytecode. Where the environment says not to write any, each start
    # would compile all sources, and that would be most of what is measured; so the first round writes it.
    os.environ["PYTHONDONTWRITEBYTECODE"] = ""
    sys.exit(main())
