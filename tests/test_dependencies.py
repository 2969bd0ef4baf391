"""What the package says it needs is what it imports: pyproject.toml against the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.test_architecture import CORE, ROOT, TRANSPORTS, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Distributions whose module has another name.
MODULES = {"pyjwt": "jwt"}
#: Folders that need more than a bare install, and the extra that has it.
EXTRAS = {
    TRANSPORTS / "cli": "cli",
    TRANSPORTS / "server": "server",
    CORE / "testing": "test",
}
#: pytest itself imports this one.
PLUGIN = TRANSPORTS / "server" / "pytest_plugin.py"


def modules(requirements: list[str]) -> set[str]:
    """Return the modules of requirements, those of extras that they name included."""
    found = set()
    for requirement in requirements:
        own = re.fullmatch(r"spacetimedb-client\[(.*)\]", requirement)
        if own is not None:
            for extra in own[1].split(","):
                found |= modules(PROJECT["optional-dependencies"][extra])
        else:
            name = re.split(r"[><=;\[ ]", requirement)[0]
            found.add(MODULES.get(name, name.replace("-", "_")))
    return found


BASE = modules(PROJECT["dependencies"])


def third_party(path: Path, *, anywhere: bool = False) -> set[str]:
    """Return what a file imports when it is imported, or with `anywhere` also when it runs."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not anywhere:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
        waiting.extend(ast.iter_child_nodes(node))
    return found - sys.stdlib_module_names - {"spacetime_proto", "spacetime_transports"}


def allowed(path: Path) -> set[str]:
    """Return what a file may import when it is imported."""
    for folder, extra in EXTRAS.items():
        if path.is_relative_to(folder):
            return BASE | modules(PROJECT["optional-dependencies"][extra])
    return BASE


FILES = [path for path in [*sources(CORE), *sources(TRANSPORTS)] if path != PLUGIN]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_imports_is_installed_with_it(path: Path) -> None:
    assert third_party(path) <= allowed(path)


def test_what_is_imported_later_is_in_an_extra() -> None:
    optional = modules(
        [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    )
    for path in FILES:
        assert third_party(path, anywhere=True) <= BASE | optional, path


@pytest.mark.parametrize("extra", [None, "cli", "server", "trio", "wasm"])
def test_what_is_installed_is_imported(extra: str | None) -> None:
    wanted = BASE if extra is None else modules(PROJECT["optional-dependencies"][extra])
    used = set().union(*(third_party(path, anywhere=True) for path in FILES))
    assert wanted <= used


def test_all_is_every_extra_of_run_time() -> None:
    extras = PROJECT["optional-dependencies"]
    every = set().union(*(modules(extras[name]) for name in extras if name not in ("test", "dev")))
    assert modules(extras["all"]) == every


def run_without(missing: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in which a module cannot be imported."""
    code = f"import sys; sys.modules[{missing!r}] = None\n{program}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_the_command_line_says_what_it_lacks(missing: str) -> None:
    program = "from spacetime_transports.cli import main; main(['describe', '--help'])"
    done = run_without(missing, program)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"spacetime-py: the command line needs {missing}: pip install 'spacetimedb-client[cli]'\n"
    )


@pytest.mark.parametrize("missing", ["jwt", "cryptography"])
def test_serve_says_what_it_lacks(missing: str) -> None:
    module = "spacetime_transports/server/chat_module.py"
    program = (
        f"from spacetime_transports.cli import main; main(['serve', {module!r}, '--listen', '0'])"
    )
    done = run_without(missing, program)
    assert done.returncode == 1
    assert done.stderr == (
        "spacetime-py: the development server needs"
        f" {missing}: pip install 'spacetimedb-client[server]'\n"
    )


def test_the_embedded_server_raises_a_typed_error() -> None:
    done = run_without(
        "jwt",
        "from spacetime_proto.errors import LocalProtocolError\n"
        "from spacetime_transports.server import serve_in_thread\n"
        "from spacetime_transports.server.chat_module import module\n"
        "try:\n"
        "    with serve_in_thread(module): pass\n"
        "except LocalProtocolError as error: print(error)\n",
    )
    assert done.stdout.startswith("the development server needs jwt: pip install"), done.stderr


def test_a_server_with_an_authority_of_its_own_needs_no_extra() -> None:
    done = run_without(
        "cryptography",
        "from spacetime_proto.server import SecretAuthority\n"
        "from spacetime_transports import HttpClient\n"
        "from spacetime_transports.server import serve_in_thread\n"
        "from spacetime_transports.server.chat_module import module\n"
        "with serve_in_thread(module, authority=SecretAuthority(b'x')) as server:\n"
        "    print(HttpClient(server.url).names('module'))\n",
    )
    assert done.stdout == "('module',)\n", done.stderr


def test_the_demo_says_what_it_lacks() -> None:
    done = run_without(
        "trio", "from spacetime_transports.cli import main; main(['demo', '--quiet'])"
    )
    assert done.returncode == 1
    assert done.stderr == (
        "spacetime-py: this part of the demo runs under trio:"
        " pip install 'spacetimedb-client[demo]'\n"
    )


def test_the_pytest_plugin_costs_nothing() -> None:
    """It is imported in every run of every project that has this package installed."""
    heavy = ("anyio", "jwt", "msgspec", "spacetime_proto")
    done = run_without(
        "nothing",
        "import spacetime_transports.server.pytest_plugin\n"
        f"print([name for name in {heavy} if name in sys.modules])\n",
    )
    assert done.stdout == "[]\n", done.stderr
