"""Table handles: registering, removing, and what a handle refuses."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.client.table_handles import (
    CallbackHandle,
    Delete,
    EventTableHandle,
    Insert,
    KeyedTableHandle,
    TableHandle,
    Update,
)
from spacetime_proto.errors import LocalProtocolError
from tests.support.golden import golden_module

USER = golden_module("quickstart-chat").bound.tables["user"]
EVENT = golden_module("sdk-test-event-table").bound.tables["test_event"]
KINDS = ["insert", "delete", "update", "before_delete"]


def first(*args: Any) -> None: ...


def second(*args: Any) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
def test_register_and_remove(kind: str) -> None:
    handle: KeyedTableHandle[Any] = KeyedTableHandle(USER)
    assert not handle.listeners.wants_rows
    on, remove = getattr(handle, f"on_{kind}"), getattr(handle, f"remove_on_{kind}")
    registered = on(first)
    on(second)
    assert getattr(handle.listeners, kind) == (first, second)
    assert handle.listeners.wants_rows == (kind != "before_delete")
    remove(registered)
    remove(second)
    assert getattr(handle.listeners, kind) == ()
    with pytest.raises(LocalProtocolError, match=f"second is not registered as on_{kind}"):
        remove(second)


def test_cancelling_twice_is_harmless() -> None:
    handle: TableHandle[Any] = TableHandle(USER)
    registered = handle.on_insert(first)
    assert isinstance(registered, CallbackHandle)
    assert registered.callback is first
    assert "registered" in repr(registered)
    registered.cancel()
    registered.cancel()
    assert "cancelled" in repr(registered)
    assert handle.listeners.insert == ()


def test_the_same_function_twice_is_called_twice() -> None:
    handle: TableHandle[Any] = TableHandle(USER)
    handle.on_insert(first)
    handle.on_insert(first).cancel()
    assert handle.listeners.insert == (first,)


def test_what_is_registered_during_a_dispatch_leaves_its_list_alone() -> None:
    handle: TableHandle[Any] = TableHandle(USER)
    handle.on_insert(first)
    before = handle.listeners
    handle.on_insert(second)
    assert before.insert == (first,)


def test_only_callables_can_be_registered() -> None:
    handle: TableHandle[Any] = TableHandle(USER)
    with pytest.raises(TypeError, match="on_insert takes a callable, not int"):
        handle.on_insert(5)  # type: ignore[arg-type]


def test_the_owner_may_refuse_a_callback() -> None:
    class Owner:
        def check_callback(self, callback: Any) -> None:
            raise TypeError("async")

        def change_stream(self, table: Any, max_buffered: int) -> Any:
            return (table, max_buffered)

    owner = Owner()
    handle: TableHandle[Any] = TableHandle(USER, owner)
    with pytest.raises(TypeError, match="async"):
        handle.on_insert(first)
    assert handle.listeners.insert == ()
    assert handle.changes() == (handle, 1024)


def test_streams_need_an_owner() -> None:
    handle: TableHandle[Any] = TableHandle(USER)
    with pytest.raises(LocalProtocolError, match="driven by a transport"):
        handle.changes()


def test_event_tables_have_inserts_only() -> None:
    handle: EventTableHandle[Any] = EventTableHandle(EVENT)
    handle.on_insert(first)
    for refuse in (handle.on_delete, handle.on_before_delete):
        with pytest.raises(LocalProtocolError, match="'test_event' is an event table"):
            refuse(first)
    assert not hasattr(handle, "on_update")


def test_changes_match() -> None:
    seen = []
    for change in (Insert(1), Update(1, 2), Delete(2)):
        match change:
            case Insert(row) | Delete(row):
                seen.append(row)
            case Update(old, new):
                seen.append((old, new))
    assert seen == [1, (1, 2), 2]
