"""`catalog`: names and rights."""

from __future__ import annotations

from spacetime_proto.server import U8, Module, ViewContext, column
from spacetime_proto.server.engine.catalog import CallerCatalog
from tests.proto.server.support import identity, make_database

OWNER = identity(77)


def catalog(number: int) -> CallerCatalog:
    module = Module()

    @module.table(public=True, name="Canonical", accessor="things")
    class Thing:
        id: U8 = column(primary_key=True)
        other: U8

    @module.table
    class Secret:
        id: U8

    @module.table(public=True, event=True)
    class Noise:
        id: U8

    @module.view(name="ViewName")
    def my_view(ctx: ViewContext) -> list[Thing]: ...

    database = make_database(module, owner=OWNER)
    return database.queries.catalog(database.caller(identity(number)))


def found(seen: CallerCatalog, name: str) -> str | None:
    source = seen.source(name)
    return None if source is None else source.definition.name


def test_tables_and_views_are_found_by_either_name() -> None:
    seen = catalog(1)
    names = ("Canonical", "things", "ViewName", "my_view", "canonical", "secret", "Nope")
    assert [found(seen, name) for name in names] == [
        "Canonical",
        "Canonical",
        "ViewName",
        "ViewName",
        None,
        None,
        None,
    ]


def test_the_owner_sees_private_tables() -> None:
    assert found(catalog(77), "secret") == "secret"


def test_everything_is_what_may_be_subscribed_to_at_once() -> None:
    assert catalog(1).everything() == ["Canonical", "ViewName"]
    assert catalog(77).everything() == ["Canonical", "secret", "ViewName"]


def test_indexed_columns() -> None:
    seen = catalog(1)
    thing, view = seen.source("things"), seen.source("my_view")
    assert thing is not None
    assert view is not None
    assert [seen.is_indexed(thing, column) for column in (0, 1)] == [True, False]
    assert seen.is_indexed(view, 1)
