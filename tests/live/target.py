"""The server that the live tests run against: a given one, or one that the suite starts itself."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetime_proto.bindings import Module, dynamic_module
from spacetime_proto.client.session_options import ALL_PROTOCOLS
from spacetime_proto.errors import HandshakeError, HttpError
from spacetime_proto.sats.sats_json import from_json
from spacetime_transports import HttpClient, blocking
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NoServerError", "OwnServer", "Target", "find_target", "numbers", "start_own_server"]

SCRIPTS = Path(__file__).parents[2] / ".ci" / "live"


class NoServerError(Exception):
    """There is nothing to test against; the text says what to do."""


class Target:
    """A database with the live module on a real server.

    Attributes:
        url: of the server.
        database: name or identity.
        token: whose database it is, or who else the suite is; a token in any case.
        wasm: the module's file; None if the database was there already and no file was named.
        http: acts with that token.
    """

    def __init__(self, url: str, database: str, token: str, *, wasm: Path | None = None) -> None:
        self.url = url
        self.database = database
        self.token = token
        self.wasm = wasm
        self.http = HttpClient(url, token=token, timeout=120)

    @cached_property
    def module(self) -> Module[Any]:
        """Bindings made from the schema that the server gives."""
        return dynamic_module(self.http.schema(self.database))

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The server's, as numbers: what it says of its health, ``(2, 14, 0)``."""
        with urllib.request.urlopen(f"{self.url}/v1/health", timeout=PATIENCE) as answer:
            return numbers(json.load(answer)["version"])

    @cached_property
    def is_two(self) -> bool:
        """Whether the module was made with the crates of 2.x, whatever the server is.

        Of a transaction of such a module nobody but its caller is told the reducer, on any
        protocol. A 2.x server tells it on v1 where the module was made with the crates of 1.x.
        """
        return self.has("shout")

    @cached_property
    def is_owner(self) -> bool:
        """Whether the token is that of the database's owner: of one given by name it may not be."""
        try:
            list(self.http.logs(self.database, num_lines=1))
        except (HttpError, HandshakeError):  # 401 or 403 is an AuthError
            return False
        return True

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """The protocols that the server accepts when nothing else is offered, best first."""
        return tuple(name for name in ALL_PROTOCOLS if self._accepts(name))

    @property
    def where(self) -> str:
        """What docs/conformance.md calls this server, such as ``real 2.14.0``."""
        return f"real {'.'.join(map(str, self.version))}"

    def _accepts(self, protocol: str) -> bool:
        try:
            with blocking.connect(
                self.url, self.database, self.module, protocols={protocol}
            ) as client:
                return client.protocol == protocol
        except HandshakeError as error:
            assert error.status == 400, error
            return False

    def call(self, name: str, *args: Any) -> None:
        """Call a reducer over HTTP as the suite's user."""
        self.http.call(self.database, name, args, module=self.module.bound)

    def sql(self, query: str, table: str) -> list[Any]:
        """Return what `query` gives over HTTP, as rows of `table` of the bindings."""
        codec = self.module.bound.tables[table].codec
        types = self.module.bound.types
        raw = self.http.sql(self.database, query).raw_rows
        return [from_json(codec.type, types, row) for row in raw]

    def rows(self, table: str) -> list[bytes]:
        """Return the BSATN of all rows that a table has by SQL, sorted."""
        return self.encoded(table, self.sql(f"SELECT * FROM {table}", table))

    def encoded(self, table: str, rows: Iterable[Any]) -> list[bytes]:
        """Return the BSATN of rows, sorted: what can be compared even if it holds a NaN."""
        encode = self.module.bound.tables[table].codec.encode
        return sorted(encode(row) for row in rows)

    def has(self, *names: str) -> bool:
        """Whether the module has all of these tables, views, reducers or procedures."""
        bound = self.module.bound
        return all(
            name in bound.tables or name in bound.reducers or name in bound.procedures
            for name in names
        )


def numbers(version: str) -> tuple[int, ...]:
    """Return ``(2, 14, 0)`` for ``2.14.0``."""
    return tuple(map(int, version.split("-", 1)[0].split(".")))


class OwnServer:
    """A server that the suite started: it may be killed and started again."""

    def __init__(self, folder: Path, process: Any, wasm: Path) -> None:
        self.folder = folder
        self.process = process
        self.wasm = wasm

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart."""
        url: str = self.process.url
        return url

    def kill(self) -> None:
        """Crash it."""
        self.process.kill()

    def restart(self) -> None:
        """Start it again, on the same port and data."""
        self.process.start()

    def close(self) -> None:
        """Stop it and remove its data."""
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_own_server() -> OwnServer:
    """Start a server from the cache of `.ci/live`.

    Raises:
        NoServerError: there is none, and none is to be built.
    """
    binary, wasm = _built("build-server"), _module_file()
    spec = importlib.util.spec_from_file_location("live_server", SCRIPTS / "server.py")
    assert spec is not None
    assert spec.loader is not None
    scripts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scripts)
    folder = Path(tempfile.mkdtemp(prefix="spacetimedb-"))
    process = scripts.Server(folder, binary, scripts.free_port())
    process.start()
    return OwnServer(folder, process, wasm)


def find_target() -> tuple[Target, OwnServer | None]:
    """Return the database to test, publishing the module unless it is said to be there.

    Raises:
        NoServerError: there is no server.
    """
    url = os.environ.get("SPACETIMEDB_URL")
    own = None
    if not url:
        own = start_own_server()
        url = own.url
    try:
        token = os.environ.get("SPACETIMEDB_TOKEN") if own is None else None
        return publish(url, token, _given_database(own), own and own.wasm), own
    except BaseException:
        if own is not None:
            own.close()
        raise


def _given_database(own: OwnServer | None) -> str | None:
    return os.environ.get("SPACETIMEDB_DATABASE") if own is None else None


def publish(
    url: str, token: str | None = None, database: str | None = None, wasm: Path | None = None
) -> Target:
    """Publish the module under a fresh name, or take the database where it is already."""
    with HttpClient(url) as anyone:
        token = token or anyone.identity().token
    if database is not None:
        return Target(url, database, token, wasm=_named_file())
    wasm = wasm or _module_file()
    target = Target(url, f"live-{time.time_ns()}", token, wasm=wasm)
    target.http.publish(target.database, wasm.read_bytes())
    return target


def _named_file() -> Path | None:
    given = os.environ.get("SPACETIMEDB_MODULE")
    return Path(given) if given else None


def _module_file() -> Path:
    return _named_file() or _built("build-module")


def _built(script: str) -> Path:
    """Return what a script of `.ci/live` has built; let it build only if it may."""
    may_build = os.environ.get("SPACETIMEDB_LIVE_BUILD") == "1"
    command = [SCRIPTS / script] if may_build else [SCRIPTS / script, "--cached"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    if done.returncode == 3:
        raise NoServerError(
            "no server: set SPACETIMEDB_URL, run the tests through .ci/live/run, or let"
            f" SPACETIMEDB_LIVE_BUILD=1 run .ci/live/{script} (about ten minutes, once)"
        )
    raise NoServerError(f".ci/live/{script} failed:\n{done.stderr}")
