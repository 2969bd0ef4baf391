"""Single messages as the crates of SpacetimeDB 2.14.0 encode them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.messages import v2
from spacetime_proto.sats.rows import RowList
from spacetime_proto.testing import comparable

_MESSAGES = Path(__file__).parent / "messages"

_ANN = bytes.fromhex("0700000000000000 03000000 616e6e")
_BOB = bytes.fromhex("0800000000000000 03000000 626f62")
_BOBBY = bytes.fromhex("0800000000000000 05000000 626f626279")


def _users(*rows: bytes) -> tuple[v2.SingleTableRows, ...]:
    return (v2.SingleTableRows("user", RowList.from_rows(list(rows))),)


CLIENT = {
    "subscribe_batch": v2.SubscribeBatch(
        7,
        (
            v2.SubscribeSet(1, ("SELECT * FROM user",)),
            v2.SubscribeSet(
                2, ("SELECT * FROM nope", """SELECT * FROM "playersAtLevel"(5,'x')""")
            ),
        ),
    ),
    "subscribe_batch_empty": v2.SubscribeBatch(1, ()),
    "subscribe_batch_set_without_queries": v2.SubscribeBatch(2, (v2.SubscribeSet(9, ()),)),
}

SERVER = {
    "subscribe_batch_applied": v2.SubscribeBatchApplied(
        7,
        (
            v2.SubscribeSetResult(1, _users(_ANN, _BOB)),
            v2.SubscribeSetResult(2, "no such table: `nope`"),
        ),
    ),
    "subscribe_batch_applied_offsets": v2.SubscribeBatchApplied(
        8, (v2.SubscribeSetResult(3, _users(_ANN, _BOBBY)), v2.SubscribeSetResult(4, ()))
    ),
    "subscribe_batch_applied_empty": v2.SubscribeBatchApplied(1, ()),
}


def _recorded(role: str, name: str) -> bytes:
    return bytes.fromhex((_MESSAGES / f"{role}.{name}.hex").read_text())


def test_every_recorded_message_has_its_meaning_here() -> None:
    names = {f"client.{name}.hex" for name in CLIENT} | {f"server.{name}.hex" for name in SERVER}
    assert {path.name for path in _MESSAGES.iterdir()} == names


@pytest.mark.parametrize("name", CLIENT)
def test_client_messages(name: str) -> None:
    data = _recorded("client", name)
    assert v2.encode_client(CLIENT[name]) == data
    assert v2.decode_client(data) == (CLIENT[name], len(data))


@pytest.mark.parametrize("name", SERVER)
def test_server_messages(name: str) -> None:
    data, message = _recorded("server", name), SERVER[name]
    assert v2.encode_server(message) == data
    found: Any
    found, end = v2.decode_server(data)
    assert (comparable(found), end) == (comparable(message), len(data))
