"""The comparison as a drawing: one line per kind of work, one dot per client, in SVG."""

from __future__ import annotations

from math import ceil, log10
from typing import TYPE_CHECKING, Final

from .report import short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .results import Results
    from .work import Work

__all__ = ["draw"]

COLORS: Final = {
    "typescript": "#3178c6",
    "rust": "#b7410e",
    "asyncio": "#2e9e5b",
    "trio": "#8bc34a",
    "blocking": "#00796b",
}
LABELS: Final = {
    "typescript": "official TypeScript",
    "rust": "official Rust",
    "asyncio": "this client, asyncio",
    "trio": "trio",
    "blocking": "blocking",
}
LEFT, RIGHT, TOP, STEP, WIDTH = 320, 40, 78, 26, 860
#: What is further to the left is drawn at the edge, with its figure.
LEAST: Final = 0.01
#: Dots of one line, in pixels from its middle: equal figures would hide each other.
OFFSETS: Final = {"asyncio": -4.0, "trio": 4.0}

#: Readable on a light page and on a dark one.
STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #57606a }
.grid { stroke: #8c959f; stroke-opacity: .35 }
.one { stroke: #57606a; stroke-opacity: .8 }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } .one { stroke: #adbac7 } }
"""


def time_of(ms: float) -> str:
    """Return a time with the unit that suits it."""
    if ms >= 1:
        return f"{short(ms)} ms"
    return f"{short(ms * 1e3)} us" if ms >= 1e-3 else f"{short(ms * 1e6)} ns"


def _lines(results: Results, rows: Iterable[Work]) -> list[tuple[str, dict[str, float]]]:
    """Return each line's label, and every client's figure as a multiple of TypeScript's."""
    lines = []
    for work in rows:
        base = results.median(work.name, "typescript", "cpu_ms")
        if not base:
            continue
        version = f" {work.protocol}" if work.name.endswith(("-v2", "-v3")) else ""
        shown = time_of(base if work.unit == "ms" else base / work.count)
        dots = {peer: results.ratio(work.name, peer, "typescript", "cpu_ms") for peer in COLORS}
        known = {peer: ratio for peer, ratio in dots.items() if ratio}
        lines.append((f"{work.title}{version} ({shown})", known))
    base = results.median("subscribe", "typescript", "bytes_per_row")
    if base:
        memory = {p: results.ratio("subscribe", p, "typescript", "bytes_per_row") for p in COLORS}
        known = {peer: ratio for peer, ratio in memory.items() if ratio}
        lines.append((f"memory per cached row ({short(base)} B)", known))
    return lines


def draw(results: Results, rows: Iterable[Work]) -> str:
    """Return the SVG: CPU time and memory relative to the TypeScript client, on a log scale."""
    lines = _lines(results, rows)
    ratios = [ratio for _, dots in lines for ratio in dots.values()]
    low, high = log10(LEAST), ceil(log10(max(ratios)))
    height = TOP + STEP * len(lines) + 34

    def x(ratio: float) -> float:
        return LEFT + (log10(max(ratio, LEAST)) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' aria-label="CPU time relative to the official TypeScript client">',
        f"<style>{STYLE}</style>",
        '<text x="10" y="20" style="font-weight:600">CPU time, and memory at the end,'
        " TypeScript = 1, left is better</text>",
    ]
    at = 10
    for peer, color in COLORS.items():
        out.append(f'<circle cx="{at + 5}" cy="40" r="5" fill="{color}"/>')
        out.append(f'<text x="{at + 14}" y="44">{LABELS[peer]}</text>')
        at += 34 + 7 * len(LABELS[peer])
    bottom = TOP + STEP * len(lines)
    for power in range(int(low), high + 1):
        kind = "grid" if power else "one"
        place = x(10.0**power)
        out.append(
            f'<line class="{kind}" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 14}" y2="{bottom}"/>'
        )
        out.append(
            f'<text x="{place:.1f}" y="{bottom + 18}" text-anchor="middle">{10.0**power:g}</text>'
        )
    for number, (label, dots) in enumerate(lines):
        y = TOP + STEP * number
        out.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{label}</text>')
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        for peer, ratio in dots.items():
            title = f"<title>{LABELS[peer]}: {ratio:.2g}</title>"
            middle = y + OFFSETS.get(peer, 0)
            dot = (
                f'cx="{x(ratio):.1f}" cy="{middle:g}" r="5" fill="{COLORS[peer]}" fill-opacity=".9"'
            )
            out.append(f"<circle {dot}>{title}</circle>")
        if min(dots.values()) < LEAST:
            note = f"&lt; {LEAST:g}"
            out.append(f'<text x="{LEFT + 12}" y="{y + 4}" font-size="10">{note}</text>')
    out.append("</svg>\n")
    return "\n".join(out)
