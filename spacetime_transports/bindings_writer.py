"""The input and output of ``spacetime-py generate``: module descriptions and package files.

`spacetime_proto.codegen` makes the text of a package; this module writes it. Only files that change
are written, each in one step. Generated files that are no longer needed are removed; their first
line identifies them. Other files, and all files outside the folder, are never touched.
"""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from spacetime_proto.codegen.package import MARKER, generate
from spacetime_proto.errors import SchemaError, SpacetimeError
from spacetime_proto.schema.load import load_schema

from .whole_file import write_whole

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from spacetime_proto.schema.model import ModuleDef

    from .token_sources import TokenSource

_FILE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.py")


class GenerateError(SpacetimeError):
    """Bindings cannot be generated or written."""


class PackageChanges(msgspec.Struct, frozen=True):
    """The files of a folder that writing a package changes or would change; names without path."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is different."""
        return bool(self.created or self.changed or self.removed)

    def lines(self) -> list[str]:
        """Return one line per difference: ``+ user.py``, ``~ message.py``, ``- old.py``."""
        return [
            *(f"+ {name}" for name in self.created),
            *(f"~ {name}" for name in self.changed),
            *(f"- {name}" for name in self.removed),
        ]


def program_version() -> str:
    """Return this distribution's version for the header of generated files."""
    try:
        return distribution_version("spacetimedb-client")
    except PackageNotFoundError:  # a source tree that is not installed
        return "0"


def generate_package(
    module: ModuleDef, *, source: str, include_private: bool = False
) -> dict[str, str]:
    """Return the files of a package of bindings; see `spacetime_proto.codegen.package.generate`."""
    return generate(
        module, source=source, version=program_version(), include_private=include_private
    )


# --- sources ------------------------------------------------------------------------------------


def module_from_schema(path: str | Path) -> ModuleDef:
    """Read a schema in JSON: version 9 or 10, as a server or ``extract-schema`` prints it.

    Raises:
        GenerateError: the file cannot be read.
        SchemaError: it is not a schema.
    """
    data = _read(path)
    try:
        return load_schema(data)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error.message}") from error


def module_from_wasm(path: str | Path) -> ModuleDef:
    """Run a compiled module's ``__describe_module__``; needs the extra ``wasm``.

    Raises:
        GenerateError: the file cannot be read, or ``wasmtime`` is not installed.
        SchemaError: it is not a SpacetimeDB module.
    """
    from .wasm import load_wasm

    try:
        return load_wasm(_read(path))
    except SchemaError as error:
        raise SchemaError(f"{path}: {error.message}") from error
    except ModuleNotFoundError as error:
        raise GenerateError(str(error)) from error


def module_from_python(path: str | Path) -> ModuleDef:
    """Run a Python file that defines a module of the embedded server.

    Raises:
        GenerateError: it does not load, or its module is not valid.
    """
    from .server.module_file import ModuleFileError, load_module

    try:
        return load_module(str(path)).build().definition
    except ModuleFileError as error:
        raise GenerateError(str(error)) from error
    except (TypeError, ValueError, SchemaError) as error:
        raise GenerateError(f"{path}: {error}") from error


def module_from_server(
    host: str,
    database: str,
    *,
    token: TokenSource = None,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = None,
) -> ModuleDef:
    """Ask a running server for the description of a database.

    Raises:
        ConnectError: the server cannot be reached.
        DatabaseNotFound: it has no such database.
        HttpError: it refuses.
    """
    from .http.clients import HttpClient

    with HttpClient(host, token=token, ssl_context=ssl_context, proxy=proxy) as client:
        return client.schema(database)


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise GenerateError(f"cannot read {path}: {error.strerror or error}") from error


# --- files --------------------------------------------------------------------------------------


def compare_package(files: Mapping[str, str], folder: str | Path) -> PackageChanges:
    """Return what `write_package` would do, without doing it.

    Args:
        files: text by file name, as `generate_package` returns it.
        folder: the folder of the package; it need not exist.

    Raises:
        GenerateError: a name leads out of the folder, or a file of that name is not a generated one.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise GenerateError(f"{root} is not a folder")
    created, changed, unchanged, foreign = [], [], [], []
    for name, text in sorted(files.items()):
        if _FILE_NAME.fullmatch(name) is None:
            raise GenerateError(f"{name!r} is not the name of a file in the folder")
        path = root / name
        if not os.path.lexists(path):
            created.append(name)
        elif path.is_symlink() or not _is_ours(path):
            foreign.append(name)
        elif path.read_bytes() == text.encode():
            unchanged.append(name)
        else:
            changed.append(name)
    if foreign:
        raise GenerateError(
            f"{root} has files that were not generated, which would be overwritten:"
            f" {', '.join(foreign)}; move them or choose another folder"
        )
    removed = [
        path.name
        for path in (sorted(root.glob("*.py")) if root.is_dir() else [])
        if path.name not in files and not path.is_symlink() and _is_ours(path)
    ]
    return PackageChanges(tuple(created), tuple(changed), tuple(removed), tuple(unchanged))


def write_package(files: Mapping[str, str], folder: str | Path) -> PackageChanges:
    """Bring a folder up to date: write what is new or different, remove what is no longer needed.

    Arguments and errors as `compare_package`; nothing is written if it raises.

    Raises:
        GenerateError: also when a file cannot be written.
    """
    changes = compare_package(files, folder)
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name in (*changes.created, *changes.changed):
            write_whole(root / name, files[name].encode())
        for name in changes.removed:
            (root / name).unlink()
    except OSError as error:
        where = error.filename or root
        raise GenerateError(f"cannot write {where}: {error.strerror or error}") from error
    return changes


def _is_ours(path: Path) -> bool:
    marker = MARKER.encode()
    try:
        with path.open("rb") as file:
            return file.read(len(marker)) == marker
    except OSError:  # a folder, or unreadable: not ours
        return False
