"""Builds what is measured: this project's bindings, and the official clients with their programs.

Everything goes to a folder outside the checkout, where it stays: building the Rust client takes
minutes. A client whose tools (`npm`, `cargo`) are missing is left out.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spacetime_transports.bindings_writer import generate_package, module_from_python, write_package

from .work import FLOOR, OURS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Command", "build", "cache_folder", "versions"]

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
CARGO: Final = os.environ.get("CARGO", "cargo")
RUST_PROGRAM: Final = "spacetimedb-client-benchmark-peer"


class Command:
    """How one client's program is run."""

    def __init__(self, arguments: Iterable[str | Path], paths: Iterable[Path] = ()) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.environment = dict(os.environ)
        if paths:
            self.environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))


def cache_folder() -> Path:
    """Return where build products are kept: as the scripts in ``.ci`` have it."""
    given = os.environ.get("SPACETIMEDB_CI_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(given) if given else Path(base) / "spacetimedb-client-ci"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build(wanted: Iterable[str]) -> dict[str, Command]:
    """Build the clients in `wanted` and return how to run each of those that there are."""
    commands: dict[str, Command] = {}
    for peer in wanted:
        if peer in OURS:
            commands[peer] = _python(peer)
        elif peer == FLOOR:
            commands[peer] = Command([sys.executable, HERE / "peers" / "bare.py"])
        elif shutil.which("npm" if peer == "typescript" else CARGO) is None:
            print(f"{peer} is left out: its tools are not installed", file=sys.stderr)
        else:
            commands[peer] = _typescript() if peer == "typescript" else _rust()
    return commands


def _python(driver: str) -> Command:
    folder = cache_folder() / "bench-bindings"
    module = module_from_python(HERE / "module.py")
    write_package(generate_package(module, source="module.py"), folder / "module_bindings")
    program = HERE / "peers" / "python_peer.py"
    return Command([sys.executable, program, driver], (ROOT, folder))


def _typescript() -> Command:
    source, folder = HERE / "peers" / "typescript", cache_folder() / "bench-typescript"
    folder.mkdir(exist_ok=True)
    lock = folder / "package-lock.json"
    is_old = not lock.exists() or lock.read_bytes() != (source / lock.name).read_bytes()
    for name in ("package.json", ".npmrc", "peer.mjs"):
        shutil.copy(source / name, folder)
    if is_old:
        shutil.copy(source / lock.name, folder)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    return Command(["node", "--expose-gc", folder / "peer.mjs"])


def _rust() -> Command:
    folder = cache_folder() / "bench-rust"
    nice = [] if shutil.which("nice") is None else ["nice", "-n", "15"]
    cargo = [CARGO, "build", "--release", "--locked", "--ignore-rust-version", "--quiet", "-j2"]
    cargo += ["--target-dir", str(folder)]
    subprocess.run([*nice, *cargo], cwd=HERE / "peers" / "rust", check=True)
    return Command([folder / "release" / RUST_PROGRAM])


def versions() -> dict[str, str]:
    """Return the versions of what is measured and of what it runs on."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    found = {"python": platform.python_version(), "machine": machine}
    for name, command in (("node", ["node", "--version"]), ("rustc", ["rustc", "--version"])):
        if shutil.which(name) is not None:
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name] = run.stdout.split()[-1 if name == "node" else 1]
    manifest = (HERE / "peers" / "typescript" / "package.json").read_text()
    found["typescript"] = manifest.partition('"spacetimedb": "')[2].partition('"')[0]
    manifest = (HERE / "peers" / "rust" / "Cargo.toml").read_text()
    found["rust"] = manifest.partition('spacetimedb-sdk = "=')[2].partition('"')[0]
    return found
