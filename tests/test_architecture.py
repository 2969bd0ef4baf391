"""The import rules of the design, read from the source: what may know what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import ROOT, imports, sources

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


def import_graph(*, run_time_only: bool) -> dict[str, set[str]]:
    """Return which files import which, by module name; imports in functions happen later."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in [*sources(CORE), *sources(TRANSPORTS)]
    }
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        found = {module for module, _ in imports(path, run_time_only=run_time_only)}
        # `from . import events` is an import of the module, not of the package around it.
        packages = {module.rpartition(".")[0] for module in found if module in files}
        found = {module for module in found if module in files and module != name}
        graph[name] = found - packages
    return graph


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of files that all import each other, however indirectly."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for module in graph[ahead.pop()] - seen:
                seen.add(module)
                ahead.append(module)
        return seen

    reachable = {name: reached(name) for name in graph}
    tied = {
        frozenset(other for other in found if name in reachable[other])
        for name, found in reachable.items()
    }
    return [set(files) for files in tied if files]


def test_no_file_imports_itself_by_a_detour() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [{"b", "c"}]
    assert circles(import_graph(run_time_only=True)) == []


def test_annotations_tie_no_more_than_two_files_together() -> None:
    for files in circles(import_graph(run_time_only=False)):
        assert len(files) <= 2, sorted(files)


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
    """But a message of v1 and the same message of v2 may share a name, which is that of the wire."""
    versions = {CORE / "messages" / "v1.py", CORE / "messages" / "v2.py"}
    seen: dict[str, Path] = {}
    for path in [*sources(CORE), *sources(TRANSPORTS)]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                other = seen.setdefault(node.name, path)
                same = other == path or {other, path} == versions
                assert same, f"{node.name}: {path} and {other}"
