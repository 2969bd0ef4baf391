"""The import rules of the design, read from the source: what may know what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "spacetime_proto"
TRANSPORTS = ROOT / "spacetime_transports"

#: What has no place in a core that is given bytes, times and entropy as arguments.
FORBIDDEN = {
    "anyio", "asyncio", "logging", "os", "random", "secrets", "select", "selectors", "socket",
    "ssl", "subprocess", "threading", "time", "trio",
}  # fmt: skip

#: Lower layers know nothing of higher ones.
LAYERS = {
    "errors": 0, "types": 0, "limits": 0, "protocols": 0, "sats": 1, "schema": 2, "messages": 2,
    "wire": 2, "dataframes": 3, "cache": 3, "client": 4, "server": 4, "query": 4, "bindings": 5,
    "recording": 5, "codegen": 6, "testing": 6,
}  # fmt: skip


def sources(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def imports(path: Path, *, run_time_only: bool = False) -> list[tuple[str, int]]:
    """Return (absolute module, line) for every import of a file."""
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


@pytest.mark.parametrize("path", sources(CORE), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_has_no_io(path: Path) -> None:
    for module, line in imports(path):
        assert module.split(".")[0] not in FORBIDDEN, f"{path}:{line} imports {module}"
        assert module.split(".")[0] != "spacetime_transports", f"{path}:{line} imports {module}"
    for node in ast.walk(ast.parse(path.read_text())):
        is_print = isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
        assert not is_print, f"{path} prints"


def layer(path: Path) -> str:
    return path.relative_to(CORE).with_suffix("").parts[0]


# The package itself and the modules of the query builder belong to no single layer.
@pytest.mark.parametrize(
    "path",
    [path for path in sources(CORE) if layer(path) in LAYERS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_layers_point_downwards(path: Path) -> None:
    name = layer(path)
    for module, line in imports(path, run_time_only=True):
        parts = module.split(".")
        if parts[0] == "spacetime_proto" and len(parts) > 1 and parts[1] in LAYERS:
            target = parts[1]
            assert target == name or LAYERS[target] < LAYERS[name], f"{path}:{line}: {module}"


@pytest.mark.parametrize(
    "path",
    [path for path in sources(CORE) if layer(path) != "wire"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_wire_speaks_wsproto_and_h11(path: Path) -> None:
    for module, line in imports(path):
        assert module.split(".")[0] not in {"wsproto", "h11"}, f"{path}:{line} imports {module}"


def test_the_drivers_do_not_know_each_other() -> None:
    for path in sources(TRANSPORTS):
        own = path.relative_to(TRANSPORTS).as_posix()
        for module, line in imports(path, run_time_only=True):
            leaf = module.removeprefix("spacetime_transports.")
            if own.startswith("aio"):
                assert not leaf.startswith("blocking"), f"{path}:{line}"
            if own.startswith("blocking"):
                assert not leaf.startswith("aio"), f"{path}:{line}"
                assert module.split(".")[0] not in {"anyio", "asyncio", "trio"}, f"{path}:{line}"


def test_the_core_is_imported_without_the_wire() -> None:
    """Whoever needs the types alone does not pay for h11, wsproto or the server."""
    code = (
        "import sys, spacetime_proto; spacetime_proto.Identity;"
        "print([m for m in ('h11', 'wsproto', 'spacetime_proto.server') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_every_folder_of_the_core_has_a_folder_of_tests() -> None:
    for folder in {path.parent.relative_to(CORE) for path in sources(CORE)}:
        mirror = ROOT / "tests" / "proto" / folder
        assert any(mirror.rglob("test_*.py")), f"{mirror.relative_to(ROOT)} has no test"


#: Names that several files share because they mean the same thing, once for each of a pair.
SHARED_NAMES = {
    "client.py", "driver.py", "dial.py", "handles.py",  # of the async and the blocking client
}  # fmt: skip


def test_a_file_name_means_one_thing() -> None:
    seen: dict[str, Path] = {}
    for path in [*sources(CORE), *sources(TRANSPORTS)]:
        if path.name not in SHARED_NAMES and not path.name.startswith("__"):
            assert path.name not in seen, f"{path} and {seen[path.name]}"
            seen[path.name] = path


def test_a_public_class_name_means_one_thing() -> None:
    """But for wire messages: a message of v1 and of v2 may share a name."""
    seen: dict[str, Path] = {}
    for path in [*sources(CORE), *sources(TRANSPORTS)]:
        if path.parent.name == "messages":
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert node.name not in seen, f"{node.name}: {path} and {seen[node.name]}"
                seen[node.name] = path


#: Parts that are being rewritten, whose typing-only circles go with that.
TIED = ("spacetime_proto.cache.", "spacetime_proto.client.", "spacetime_transports.aio.")


def graph(*, run_time_only: bool) -> dict[str, set[str]]:
    """Return which files of both packages import which."""
    names = {}
    for path in [*sources(CORE), *sources(TRANSPORTS)]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[path] = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    known = set(names.values())
    found: dict[str, set[str]] = {}
    for path, name in names.items():
        modules = {module for module, _ in imports(path, run_time_only=run_time_only)}
        # Of `from .server import serving` only the file counts, not the package that it is in.
        found[name] = {
            module
            for module in (modules & known) - {name}
            if not any(other.startswith(f"{module}.") for other in modules & known)
        }
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of files that reach each other."""
    reach = {name: set(targets) for name, targets in edges.items()}
    changed = True
    while changed:
        changed = False
        for targets in reach.values():
            more = set().union(*(reach[target] for target in targets)) - targets
            changed = changed or bool(more)
            targets |= more
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach[other]))
        for name in reach
        if name in reach[name]
    }
    return sorted(map(list, groups))


def test_no_file_imports_itself_by_way_of_others() -> None:
    assert circles(graph(run_time_only=True)) == []


def test_types_tie_no_more_than_two_files_together() -> None:
    tied = [group for group in circles(graph(run_time_only=False)) if len(group) > 2]
    assert [group for group in tied if not group[0].startswith(TIED)] == []
