"""The imports of a source file, read without running it."""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ["ROOT", "imports", "sources"]

ROOT = Path(__file__).parent.parent.parent


def sources(package: Path) -> list[Path]:
    """Return the Python files of a folder and its folders."""
    return sorted(package.rglob("*.py"))


def imports(path: Path, *, run_time_only: bool = False) -> list[tuple[str, int]]:
    """Return (absolute module, line) for every import of a file, those in functions too."""
    tree = ast.parse(path.read_text())
    package = path.relative_to(ROOT).parts[:-1]
    skipped: set[ast.AST] = set()
    if run_time_only:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                for statement in node.body:
                    skipped.update(ast.walk(statement))
    found = []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.append((module, node.lineno))
            found += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found
