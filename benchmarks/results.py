"""What was measured: every figure of every round, and its medians, spread and ratios."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field

__all__ = ["Results", "spread"]


def spread(values: list[float]) -> float:
    """Return the distance between the quartiles, as a share of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle if middle else 0.0


@dataclass
class Results:
    """Figures by row of the comparison, client and metric, one per round.

    Metrics: ``ms`` (wall) and ``cpu_ms`` (of all threads of the process) for the work, ``first_ms``
    for its first lap, ``start_ms`` from the start of the process to the greeting, and bytes of
    memory per row: ``bytes_per_row`` (kept), ``read_bytes_per_row`` (kept once every row was looked
    at), ``peak_per_row`` (at most), ``peak_above`` (at most, above what is kept).
    """

    versions: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    sizes: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, row: str, peer: str, found: dict[str, float]) -> None:
        """Take the figures of one run."""
        metrics = self.rows.setdefault(row, {}).setdefault(peer, {})
        for name, value in found.items():
            metrics.setdefault(name, []).append(value)

    def values(self, row: str, peer: str, metric: str) -> list[float]:
        """Return a figure of every round, or nothing if it was not measured."""
        return self.rows.get(row, {}).get(peer, {}).get(metric, [])

    def median(self, row: str, peer: str, metric: str) -> float | None:
        """Return the median over the rounds, or None."""
        values = self.values(row, peer, metric)
        return statistics.median(values) if values else None

    def ratio(self, row: str, peer: str, other: str, metric: str) -> float | None:
        """Return how many times the figure of `other` that of `peer` is, by their medians."""
        mine, theirs = self.median(row, peer, metric), self.median(row, other, metric)
        return mine / theirs if mine is not None and theirs else None

    def to_json(self) -> str:
        """Return everything as JSON, with four digits of each figure."""
        return json.dumps(_rounded(asdict(self)), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
