"""The module-level half of the 0.7 SDK: which client is meant, and the shapes of callbacks."""

from __future__ import annotations

import functools
import gc

import pytest

from spacetime_proto.bindings import LegacyRegistry, dynamic_module
from spacetime_proto.bindings.legacy_registry import LegacyReducerEvent, row_fields
from spacetime_proto.cache import Cache, TableChange
from spacetime_proto.client.pending_call import Call
from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.sats.algebraic import Element, Primitive, ProductType, Typespace
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.model import ColumnDef, IndexDef, ModuleDef, TableDef, TypeDef
from spacetime_proto.types import ConnectionId, Identity

NAMES = ("id", "kind", "text")
ROW = ProductType(
    (
        Element("id", Primitive("U32")),
        Element("kind", Primitive("U8")),
        Element("text", Primitive("String")),
    )
)
MODULE = dynamic_module(
    ModuleDef(
        typespace=Typespace((ROW,)),
        types=(TypeDef("Item", 0),),
        tables=(
            TableDef(
                name="item",
                accessor="item",
                row_ref=0,
                columns=tuple(ColumnDef(e.name, e.type, at) for at, e in enumerate(ROW.elements)),
                primary_key=0,
                unique_columns=(0,),
                indexes=(IndexDef(None, None, "btree", (1,)),),
            ),
        ),
    )
)
Item = MODULE.types.Item
ROWS = [Item(1, 5, "a"), Item(2, 5, "b"), Item(3, 6, "a")]


class Host:
    """A legacy client with a cache of three rows, or an empty one."""

    def __init__(self, rows=ROWS):
        self.calls = []
        self.db = MODULE.create_db()
        if rows is not None:
            cache = Cache(MODULE.bound)
            data = [MODULE.bound.tables["item"].codec.encode(row) for row in rows]
            cache.apply(cache.plan([TableChange(1, "item", RowList.from_rows(data), None, None)]))
            self.db.attach(cache)

    def legacy_table(self, name):
        return self.db[name]

    def legacy_call(self, call, then=None):
        self.calls.append(call)
        self.then = then


def send(text):
    return Call("reducer", "send", (text,))


# --- which client -------------------------------------------------------------------------------


def test_without_a_client_functions_say_what_is_missing():
    registry = LegacyRegistry()
    with pytest.raises(LocalProtocolError, match="construct SpacetimeDBAsyncClient"):
        registry.call(send, "hi")


def test_outside_callbacks_the_last_constructed_client_is_meant():
    registry, first, second = LegacyRegistry(), Host(), Host()
    registry.attach(first)
    registry.call(send, "one")
    registry.attach(second)
    registry.call(send, text="two")
    assert first.calls == [send("one")]
    assert second.calls == [send("two")]


def test_inside_a_callback_its_own_client_is_meant():
    registry, first, second = LegacyRegistry(), Host(), Host()
    registry.attach(first)
    registry.attach(second)
    with registry.running(first):
        assert registry.host is first
        with registry.running(second):
            assert registry.host is second
        assert registry.host is first
    assert registry.host is second


def test_a_client_is_not_kept_alive():
    registry, host = LegacyRegistry(), Host(rows=None)
    registry.attach(host)
    del host
    gc.collect()
    with pytest.raises(LocalProtocolError, match="no client"):
        _ = registry.host


# --- rows ---------------------------------------------------------------------------------------


@pytest.fixture
def registry():
    made = LegacyRegistry()
    made.kept = Host()
    made.attach(made.kept)
    return made


def test_rows_are_read_through_the_cache(registry):
    assert sorted(row.id for row in registry.iter(Item, "item")) == [1, 2, 3]
    assert registry.find(Item, "item", "id", 2) == ROWS[1]
    assert registry.find(Item, "item", "id", 9) is None
    assert sorted(row.id for row in registry.filter(Item, "item", "kind", 5)) == [1, 2]
    assert sorted(row.id for row in registry.filter(Item, "item", "text", "a")) == [1, 3]
    assert registry.filter(Item, "item", "text", "z") == []


def test_indexed_columns_are_not_scanned(registry, monkeypatch):
    monkeypatch.setattr(type(registry.kept.db.item), "rows", None)
    assert len(registry.filter(Item, "item", "kind", 5)) == 2
    assert registry.find(Item, "item", "id", 1) == ROWS[0]


def test_before_the_first_subscription_there_are_no_rows():
    registry, host = LegacyRegistry(), Host(rows=None)
    registry.attach(host)
    assert list(registry.iter(Item, "item")) == []
    assert registry.find(Item, "item", "id", 1) is None


def test_row_callbacks_are_kept_in_order_of_registration():
    registry = LegacyRegistry()

    def first(op, old, new, event): ...

    def second(op, old, new, event): ...

    assert registry.row_callbacks("item") == ()
    registry.register(Item, "item", first)
    registry.register(Item, "item", second)
    registry.register(Item, "item", first)
    assert registry.row_callbacks("item") == (first, second, first)
    assert registry.row_callbacks("other") == ()
    registry.unregister(Item, "item", first)
    assert registry.row_callbacks("item") == (second, first)
    with pytest.raises(ValueError, match="not in list"):
        registry.unregister(Item, "other", first)
    with pytest.raises(TypeError, match="a row callback takes a callable, not int"):
        registry.register(Item, "item", 3)


def test_a_row_callback_takes_four():
    registry = LegacyRegistry()
    with pytest.raises(TypeError, match=r"called with \(row_op, old_row, new_row, reducer_event\)"):
        registry.register(Item, "item", lambda op, old, new: None)
    registry.register(Item, "item", lambda *args: None)
    registry.register(Item, "item", min)  # a built-in without a signature


def test_what_old_programs_do_with_a_row():
    assert MODULE.legacy.data(ROWS[0]) == {"id": 1, "kind": 5, "text": "a"}
    assert MODULE.legacy.encode(ROWS[0]) == [1, 5, "a"]
    for registry, row in ((LegacyRegistry(), ROWS[0]), (MODULE.legacy, ME)):
        with pytest.raises(LocalProtocolError, match="is no class of these bindings"):
            registry.encode(row)


def test_fields_of_a_row_class():
    assert row_fields(Item) == NAMES
    assert row_fields(tuple) == ()


# --- reducers -----------------------------------------------------------------------------------

ME, HERE = Identity.from_int(1), ConnectionId.from_int(2)
FULL = (ME, HERE, "committed", None, "hi")
SHORT = (ME, "committed", None, "hi")


def _with_default(sender, status, message, text, extra=None):
    return (sender, status, message, text, extra)


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (lambda identity, connection, status, message, text: None, FULL),
        (lambda sender, status, message, text: None, SHORT),
        (lambda *args: None, FULL),
        (lambda sender, *args: None, FULL),
        (functools.partial(lambda x, sender, status, message, text: None, 0), SHORT),
        (_with_default, FULL),
        (print, FULL),
        (min, FULL),  # a built-in without a signature
    ],
)
def test_the_number_of_parameters_decides_about_the_shape(callback, expected):
    registry = LegacyRegistry()
    registry.register_reducer("send", 1, callback)
    (registered,) = registry.reducer_callbacks("send")
    assert registered.function is callback
    assert registered.arguments(ME, HERE, "committed", None, ("hi",)) == expected


@pytest.mark.parametrize("callback", [lambda: None, lambda a, b, c: None, lambda a, *, k: None])
def test_a_callback_of_neither_shape_is_refused_at_registration(callback):
    with pytest.raises(TypeError, match=r"takes 5 arguments .* 4; '<lambda>' takes neither"):
        LegacyRegistry().register_reducer("send", 1, callback)


def test_a_reducer_callback_must_be_callable():
    with pytest.raises(TypeError, match="a function, not str"):
        LegacyRegistry().register_reducer("send", 1, "x")


def test_a_call_tells_its_outcome(registry):
    def then(event): ...

    registry.call_then(then, send, "hi")
    assert (registry.kept.calls, registry.kept.then) == ([send("hi")], then)
    registry.call_then(None, send, "hi")
    assert registry.kept.then is None
    with pytest.raises(TypeError, match=r"then is called with \(reducer_event\), but"):
        registry.call_then(lambda: None, send, "hi")
    with pytest.raises(TypeError, match="then takes a callable, not int"):
        registry.call_then(3, send, "hi")
    assert len(registry.kept.calls) == 2


def test_reducer_callbacks_can_be_taken_back():
    registry = LegacyRegistry()

    def first(*args): ...

    def second(*args): ...

    registry.register_reducer("send", 1, first)
    registry.register_reducer("send", 1, second)
    registry.unregister_reducer("send", 1, first)
    assert [one.function for one in registry.reducer_callbacks("send")] == [second]
    with pytest.raises(ValueError, match="not in list"):
        registry.unregister_reducer("send", 1, first)


def test_a_reducer_event_has_its_old_name_for_the_connection():
    event = LegacyReducerEvent(ME, HERE, "send", "committed", "", ["hi"])
    assert event.caller_address == HERE
