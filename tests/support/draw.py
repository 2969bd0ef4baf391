"""Draws the pictures of docs/architecture.md from the code, and the table of the walk.

``python -m tests.support.draw`` writes all of them anew: run it after a change that is meant to change
them, and look at the difference. `tests/test_walk.py` fails as long as they are not what the code is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.support.imports import ROOT, imports, sources
from tests.support.walk import CALL, FRAME, Walk, table, take_walks

__all__ = ["DOCUMENT", "PICTURE", "TABLE", "drawn"]

PACKAGES = ("spacetime_proto", "spacetime_transports")
DOCUMENT = ROOT / "docs" / "architecture.md"
TABLE = ROOT / "tests" / "golden" / "walk.txt"
#: A picture in the document: its name, and what stands between the two comments.
PICTURE = re.compile(r"(<!-- drawn: ([\w-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def drawn() -> dict[Path, str]:
    """Return what each file with pictures has to be."""
    walks = take_walks()
    pictures: dict[str, Callable[[], str]] = {
        "tree": tree,
        "core": lambda: layers(ROOT / PACKAGES[0]),
        "transports": lambda: layers(ROOT / PACKAGES[1]),
        "call": lambda: way(walks[CALL]),
        "frame": lambda: way(walks[FRAME]),
    }
    text = PICTURE.sub(
        lambda found: f"{found[1]}{pictures[found[2]]()}\n{found[3]}", DOCUMENT.read_text()
    )
    return {DOCUMENT: text, TABLE: table(walks)}


def fenced(language: str, lines: Iterable[str]) -> str:
    """Return lines as a block of code."""
    return "\n".join([f"```{language}", *lines, "```"])


# --- the tree -------------------------------------------------------------------------------------


def tree() -> str:
    """Every folder, and every file that is in none, with the first sentence of its docstring."""
    lines = []
    for name in PACKAGES:
        package = ROOT / name
        lines.append((f"{name}/", package / "__init__.py"))
        for path in sorted(package.rglob("*")):
            inside = path.relative_to(package)
            indent = "  " * len(inside.parts)
            if (path / "__init__.py").exists():
                lines.append((f"{indent}{path.name}/", path / "__init__.py"))
            elif path.suffix == ".py" and path.parent == package and path.stem != "__init__":
                lines.append((f"{indent}{path.name}", path))
    width = max(len(label) for label, _ in lines)
    return fenced("text", (f"{label:{width}}  {about(path)}" for label, path in lines))


def about(path: Path) -> str:
    """Return the first sentence of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(re.split(r"\n\n|(?<=\.)\s", text)[0].split()).rstrip(".")


# --- who knows whom -------------------------------------------------------------------------------


def layers(package: Path) -> str:
    """The folders of a package, with an arrow to what each of them imports.

    An arrow is left out where others lead there too.
    """
    arrows: dict[str, set[str]] = {}
    for path in sources(package):
        part = path.relative_to(package).with_suffix("").parts[0]
        for module, _ in imports(path, run_time_only=True):
            name, *inside = module.split(".")
            if name == package.name and inside:
                arrows.setdefault(part, set()).add(inside[0])
    folders = {path.name for path in package.iterdir() if path.is_dir()}
    known = {
        source: {target for target in targets if target in folders and target != source}
        for source, targets in arrows.items()
        if source in folders
    }
    lines = [
        f"    {source} --> {target}"
        for source, targets in sorted(known.items())
        for target in sorted(targets)
        if not any(target in reachable(other, known) for other in targets - {target})
    ]
    return fenced("mermaid", ["flowchart TD", *lines])


def reachable(start: str, known: dict[str, set[str]]) -> set[str]:
    """Return where arrows lead from a folder."""
    found: set[str] = set()
    left = [start]
    while left:
        for target in known.get(left.pop(), set()) - found:
            found.add(target)
            left.append(target)
    return found


# --- the ways -------------------------------------------------------------------------------------


def way(walk: Walk) -> str:
    """The moves of a walk, each below what made it."""
    lines = []
    for number, move in enumerate(walk):
        branches = "".join(
            ("│  " if goes_on(walk, number, depth) else "   ") for depth in range(1, move.depth)
        )
        corner = "" if not move.depth else "├─ " if goes_on(walk, number, move.depth) else "└─ "
        function = move.function.replace(".<locals>", "")
        lines.append((f"{branches}{corner}{move.target}", function))
    width = max(len(label) for label, _ in lines)
    return fenced("text", (f"{label:{width}}  {function}" for label, function in lines))


def goes_on(walk: Walk, number: int, depth: int) -> bool:
    """Whether another move of this depth comes before one of less."""
    for move in walk[number + 1 :]:
        if move.depth <= depth:
            return move.depth == depth
    return False


if __name__ == "__main__":
    for path, text in drawn().items():
        path.write_text(text)
