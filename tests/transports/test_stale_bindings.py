"""Bindings that no longer fit the database: the difference in words, whatever showed it."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.errors import (
    Disconnected,
    InternalError,
    LimitExceeded,
    ProtocolError,
    QueryError,
    SchemaMismatch,
)
from spacetime_transports import blocking, connect
from spacetime_transports.bindings_writer import generate_package, module_from_python, write_package
from spacetime_transports.driver_base import may_be_stale
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.module_file import load_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OLD = """
from spacetime_proto.server import Context, Module, column
module = Module()
@module.table(public=True)
class Item:
    id: int = column(primary_key=True)
    title: str
@module.reducer
def offer(ctx: Context, title: str) -> None:
    ctx.db.item.insert(Item(id=1, title=title))
@module.reducer
def fail(ctx: Context) -> None:
    raise RuntimeError("the module's own trouble")
"""
NEW = OLD.replace("    title: str\n", "    title: str\n    price: int\n").replace(
    "title=title)", "title=title, price=3)"
)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Bindings of the old module."""
    folder = tmp_path_factory.mktemp("stale")
    (folder / "old_module.py").write_text(OLD)
    package = generate_package(module_from_python(folder / "old_module.py"), source="old")
    write_package(package, folder / "stale_bindings")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield importlib.import_module("stale_bindings")
    sys.path.remove(str(folder))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], ThreadServer]]:
    """Serve a module given as text."""
    import contextlib

    with contextlib.ExitStack() as stack:

        def start(text: str) -> ThreadServer:
            path = tmp_path / "served_module.py"
            path.write_text(text)
            return stack.enter_context(serve_in_thread(load_module(str(path)), database="x"))

        yield start


def async_client(backend: str, url: str, old: Any, what: str) -> None:
    async def main() -> None:
        async with connect(url, "x", old.MODULE) as client:
            match what:
                case "rows":
                    await client.call(old.reducers.offer("x"))
                    await client.subscribe(old.tables.item)
                    client.db.item.rows()
                case "query":
                    await client.query("SELECT * FROM nothing")
                case _:
                    await client.call(getattr(old.reducers, what)())

    anyio.run(main, backend=backend)


def blocking_client(backend: str, url: str, old: Any, what: str) -> None:
    with blocking.connect(url, "x", old.MODULE) as client:
        match what:
            case "rows":
                client.call(old.reducers.offer("x"))
                client.subscribe(old.tables.item)
                client.db.item.rows()
            case "query":
                client.query("SELECT * FROM nothing")
            case _:
                client.call(getattr(old.reducers, what)())


CLIENTS = pytest.mark.parametrize(
    ("run", "backend"),
    [(async_client, "asyncio"), (async_client, "trio"), (blocking_client, "")],
    ids=["asyncio", "trio", "blocking"],
)


@CLIENTS
def test_rows_that_do_not_decode_are_explained(
    run: Any, backend: str, old: Any, serve: Callable[[str], ThreadServer]
) -> None:
    with pytest.raises(SchemaMismatch, match="'item' has a new column 'price'") as caught:
        run(backend, serve(NEW).url, old, "rows")
    assert isinstance(caught.value.__cause__, ProtocolError)
    assert caught.value.differences == ("table 'item' has a new column 'price' of type I64",)


@CLIENTS
def test_functions_that_are_gone_are_explained(
    run: Any, backend: str, old: Any, serve: Callable[[str], ThreadServer]
) -> None:
    with pytest.raises(SchemaMismatch, match="reducer 'fail' is gone"):
        run(backend, serve(OLD.partition("@module.reducer\ndef fail")[0]).url, old, "fail")


@CLIENTS
@pytest.mark.parametrize(("what", "error"), [("fail", InternalError), ("query", QueryError)])
def test_an_error_of_another_kind_stays_what_it_is(
    run: Any, backend: str, what: str, error: Any, old: Any, serve: Callable[[str], ThreadServer]
) -> None:
    with pytest.raises(error):
        run(backend, serve(OLD).url, old, what)


@CLIENTS
def test_without_an_answer_the_error_stays_what_it_is(
    run: Any,
    backend: str,
    old: Any,
    serve: Callable[[str], ThreadServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise ProtocolError("no schema today")

    monkeypatch.setattr("spacetime_transports.http.operations.schema", refuse)
    with pytest.raises(InternalError):
        run(backend, serve(OLD).url, old, "fail")


def test_which_errors_may_come_of_stale_bindings() -> None:
    lost = Disconnected("lost")
    lost.__cause__ = ProtocolError("rubbish")
    assert may_be_stale(lost)
    assert may_be_stale(InternalError("no such reducer"))
    assert not may_be_stale(None)
    assert not may_be_stale(ValueError())
    assert not may_be_stale(Disconnected("bye"))
    assert not may_be_stale(LimitExceeded("too much", limit="x", maximum=1))
