"""What a conformance test has to work with: a world that it connects to, and clients of it.

A *world* is a server with one module. Tests get it through a fixture named after the module
(``sdk_test``, ``view`` ...); here it is the embedded server with a port of the module
(`EmbeddedWorld`). Any other suite can run the same tests against another server::

    # conftest.py
    from tests.conformance.report import pytest_addoption, pytest_configure, pytest_runtest_setup
    from tests.conformance.running import pytest_generate_tests, pytest_pyfunc_call

    @pytest.fixture
    def sdk_test(protocol): return RealWorld(protocol)        # a `World`

    # test_conformance.py
    from tests.conformance.test_sdk_values import *

Tests rely on names of tables and functions and on the order of columns and parameters, not on column
names; a world whose module has other names says so in `World.aliases`, and tests that need what its
module lacks are skipped, unless `World.is_partial` says that it lacks nothing. Every test begins on empty
tables.
"""

from __future__ import annotations

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, TypeVar

import anyio
import msgspec
import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.client.pending_call import Call
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.server import Faults, Module
from spacetime_transports import AsyncClient, connect
from spacetime_transports.server import Server, serve
from tests.support.patience import PATIENCE

__all__ = [
    "ALL_PROTOCOLS",
    "BATCHED",
    "Change",
    "Client",
    "EmbeddedWorld",
    "World",
    "columns",
    "protocols",
]

F = TypeVar("F", bound=Callable[..., Any])

ALL_PROTOCOLS = ("v3", "v2", "v1.bsatn", "v1.json")
BATCHED = ("v3", "v2")


def protocols(*names: str) -> Callable[[F], F]:
    """Run a test on these protocols only; without it, a test runs on all of them."""

    def mark(function: F) -> F:
        function.protocols = names  # type: ignore[attr-defined]
        return function

    return mark


def columns(row: Any) -> tuple[Any, ...]:
    """Return the values of a row's columns."""
    return msgspec.structs.astuple(row)


class Change(msgspec.Struct, frozen=True):
    """One row callback that has run."""

    kind: str
    """insert, delete, update"""
    table: str
    values: tuple[Any, ...]
    """Column values; of the new row for an update."""
    old: tuple[Any, ...] | None
    event: Any
    count: int
    """Rows of the table, as the callback saw them."""


class World(ABC):
    """A server, a module, and one protocol to talk to it."""

    where: ClassVar[str]
    """embedded, or real and the server's version: what the report calls it."""
    aliases: Mapping[str, str] = {}
    """Names that the world's module has instead of the official ones."""

    is_partial: ClassVar[bool] = True
    """Whether tests that need what the module has not are skipped, instead of failing."""

    protocol: str

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the server listens."""

    @property
    @abstractmethod
    def database(self) -> str:
        """Name of the database."""

    @property
    @abstractmethod
    def bindings(self) -> Any:
        """The module's bindings, made at run time from the schema that the server publishes."""

    @abstractmethod
    def running(self) -> AbstractAsyncContextManager[None]:
        """Whatever must be around a test."""

    def name(self, official: str) -> str:
        """Return what this world calls a table or function."""
        return self.aliases.get(official, official)

    def needs(self, *names: str) -> None:
        """Skip the test if the module has no table or function of one of these names.

        Raises:
            KeyError: it is no partial world.
        """
        module = self.bindings.definition
        parts = (module.tables, module.reducers, module.procedures)
        known = {thing.name for part in parts for thing in part}
        missing = ", ".join(name for name in names if self.name(name) not in known)
        if missing and self.is_partial:
            pytest.skip(f"the module has no {missing}")
        if missing:
            raise KeyError(missing)

    def client(self, **options: Any) -> AsyncClient[Any]:
        """Return a client on the world's protocol that is not connected yet."""
        options.setdefault("protocols", {self.protocol})
        return connect(self.url, self.database, self.bindings, **options)

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncIterator[Client]:
        """Connect a client on the world's protocol."""
        async with self.client(**options) as raw:
            yield Client(raw, self)

    @asynccontextmanager
    async def connected_to(self, *tables: str, **options: Any) -> AsyncIterator[Client]:
        """Connect a client that has subscribed to all rows of these tables and logs them."""
        async with self.connect(**options) as client:
            client.watch(*tables)
            await client.subscribe(*(client.all_of(table) for table in tables))
            yield client


class EmbeddedWorld(World):
    """The embedded server, in the event loop of the test."""

    where = "embedded"
    is_partial = False

    def __init__(
        self, make_module: Callable[[], Module], protocol: str, *, faults: Faults | None = None
    ) -> None:
        self.protocol = protocol
        self.server: Server | None = None
        self._make_module = make_module
        self._faults = faults

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    @property
    def database(self) -> str:
        return "conformance"

    @property
    def bindings(self) -> Any:
        return embedded_module(self._make_module)[1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        module, _ = embedded_module(self._make_module)
        async with serve(module, database=self.database, faults=self._faults) as server:
            self.server = server
            yield


@functools.cache
def embedded_module(make_module: Callable[[], Module]) -> tuple[Module, Any]:
    """Return a module and its bindings; each server of a module has tables of its own."""
    module = make_module()
    published = load_schema(to_v10_json(module.build().definition))
    return module, dynamic_module(published)


class Client:
    """An async client, with tables and functions by their official names.

    Attributes:
        raw: the client.
        log: the row changes of the watched tables, in the order of their callbacks.
    """

    def __init__(self, raw: Any, world: World) -> None:
        self.raw = raw
        self.world = world
        self.log: list[Change] = []

    # --- tables -------------------------------------------------------------------------------

    def table(self, name: str) -> Any:
        """Return the handle of a table."""
        self.world.needs(name)
        return self.raw.db[self.world.name(name)]

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Return the cached rows of a table, sorted if they can be."""
        found = [columns(row) for row in self.table(name).iter()]
        try:
            return sorted(found)
        except TypeError:
            return found

    def row(self, table: str, *values: Any) -> Any:
        """Make a row of a table, to be an argument."""
        return self.table(table).table.row_class(*values)

    def type(self, name: str) -> Any:
        """Return the class of a named type."""
        return getattr(self.raw.module.types, self.world.name(name))

    def column_name(self, table: str, index: int) -> str:
        """Return the attribute (and index accessor) of a column."""
        name: str = self.table(table).table.row_class.__struct_fields__[index]
        return name

    def column(self, table: str, index: int) -> Any:
        """Return the accessor of an indexed column."""
        return getattr(self.table(table), self.column_name(table, index))

    def all_of(self, table: str) -> str:
        """Return the query for all rows of a table."""
        return f'SELECT * FROM "{self.world.name(table)}"'

    def where(self, table: str, index: int, condition: str) -> str:
        """Return the query for the rows whose column fulfils a condition such as ``= 1``."""
        name = self.world.name(table)
        column = self.table(table).table.definition.columns[index].name
        return f'SELECT * FROM "{name}" WHERE "{name}"."{column}" {condition}'

    def watch(self, *tables: str) -> None:
        """Write the row callbacks of these tables to `log`."""
        for name in tables:
            self._watch(name, self.table(name))

    def _watch(self, name: str, handle: Any) -> None:
        def add(ctx: Any, kind: str, row: Any, old: Any = None) -> None:
            before = None if old is None else columns(old)
            self.log.append(Change(kind, name, columns(row), before, ctx.event, handle.count()))

        handle.on_insert(lambda ctx, row: add(ctx, "insert", row))
        if not handle.table.definition.is_event:
            handle.on_delete(lambda ctx, row: add(ctx, "delete", row))
        if hasattr(handle, "on_update"):
            handle.on_update(lambda ctx, old, new: add(ctx, "update", new, old))

    def take(self) -> list[tuple[Any, ...]]:
        """Take the log as ``(kind, table, values)``, for updates ``(..., old, new)``."""
        log, self.log = self.log, []
        return [
            (change.kind, change.table, change.values)
            if change.old is None
            else (change.kind, change.table, change.old, change.values)
            for change in log
        ]

    # --- requests -----------------------------------------------------------------------------

    def reducer(self, name: str, *args: Any) -> Call[Any]:
        """Return a call of a reducer, as the generated function would."""
        self.world.needs(name)
        return Call("reducer", self.world.name(name), args)

    async def call(self, name: str, *args: Any) -> Any:
        """Call a reducer and wait for its outcome."""
        return await self.raw.call(self.reducer(name, *args), timeout=PATIENCE)

    async def run(self, name: str, *args: Any) -> Any:
        """Call a procedure and return its value."""
        call: Call[Any] = Call("procedure", self.world.name(name), args)
        return await self.raw.call(call, timeout=PATIENCE)

    def submit(self, name: str, *args: Any) -> None:
        """Call a reducer without waiting."""
        self.raw.submit(self.reducer(name, *args))

    async def subscribe(self, *queries: Any, **callbacks: Any) -> Any:
        """Subscribe and wait until it is applied."""
        with anyio.fail_after(PATIENCE):
            return await self.raw.subscribe(*queries, **callbacks)

    async def until(self, is_so: Callable[[], Any]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, "it never became so"
            await anyio.sleep(0.002)

    async def settle(self) -> None:
        """Wait until everything has arrived that the server sent before it saw this."""
        await self.raw.query(f'SELECT * FROM "{next(iter(self.raw.db)).table_name}"')
