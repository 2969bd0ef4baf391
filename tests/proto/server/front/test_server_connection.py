"""`connection`: the outbox, compression, and the two ways of ending."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.messages import v2
from spacetime_proto.server import Context, Database, Faults, Module
from spacetime_proto.server.front import server_connection as connection
from spacetime_proto.server.front.server_connection import Outgoing, ServerConnection, not_found
from tests.proto.server.support import NOW, Client, make_database


def make(**options: Any) -> Database:
    module = Module()

    @module.table(public=True)
    class Blob:
        data: bytes

    @module.client_connected
    def hello(ctx: Context) -> None:
        if ctx.sender.data[-1] == 13:
            raise ValueError("not you")

    @module.client_disconnected
    def goodbye(ctx: Context) -> None:
        ctx.log("goodbye")

    @module.reducer
    def put(ctx: Context, data: bytes) -> None:
        ctx.db.blob.insert(Blob(data=data))

    return make_database(module, **options)


def put(size: int) -> v2.CallReducer:
    return v2.CallReducer(9, "put", size.to_bytes(4, "little") + b"x" * size)


def tags(client: Client) -> list[int]:
    return [payload[0] for payload in client.connection.payloads_to_send()]  # type: ignore[misc]


def send(client: Client, *messages: Any) -> None:
    for message in messages:
        client.connection.receive(v2.encode_client(message), client.now)


@pytest.mark.parametrize(("compression", "tag"), [("none", 0), ("brotli", 1), ("gzip", 2)])
def test_bodies_over_1024_bytes_are_compressed_as_wished(compression: str, tag: int) -> None:
    client = Client(make(), compression=compression)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM blob",)))
    overhead = len(v2.encode_server(v2.TransactionUpdate())) + 70
    send(client, put(1024 - overhead - 20), put(1500))
    assert tags(client) == [0, tag]


def test_without_brotli_gzip_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "brotli_is_available", lambda: False)
    client = Client(make(), compression="brotli")
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM blob",)))
    send(client, put(1500))
    assert tags(client) == [2]


def test_a_shared_message_is_compressed_once() -> None:
    message = Outgoing(b"x" * 2000)
    assert message.payload(2) is message.payload(2)
    assert message.payload(0) == b"\0" + message.body


def test_tags_in_turn() -> None:
    client = Client(make(faults=Faults(rotate_tags=("gzip", "none", "brotli"))))
    send(client, put(1), put(2), put(3))
    assert tags(client) == [0, 1, 2]


def test_v3_batches_can_be_switched_off_or_held_back() -> None:
    database = make(faults=Faults(messages_per_frame=2))
    client = Client(database, "v3.bsatn.spacetimedb")
    send(client, put(1), put(2), put(3))
    assert len(client.connection.payloads_to_send()) == 2
    database.faults.hold_until = 3
    send(client, put(4), put(5))
    assert client.connection.payloads_to_send() == []
    send(client, put(6))
    assert len(client.connection.payloads_to_send()) == 2
    send(client, put(7))
    client.connection.close(1001, "module exited")
    assert len(client.connection.payloads_to_send()) == 1


def test_a_client_that_is_turned_away_hears_nothing() -> None:
    database = make()
    client = Client(database, number=13)
    assert client.connection.dropped
    assert client.first == []
    client.leave()
    assert list(database.logs) == []


def test_new_connections_can_be_dropped() -> None:
    client = Client(make(faults=Faults(drop_before_first_message=True)))
    assert client.connection.dropped
    assert client.send(put(1)) == []


def test_the_end_is_noted_once() -> None:
    database = make()
    client = Client(database)
    send(client, put(1))
    client.leave()
    client.leave()
    assert client.take() == []
    assert [line.message for line in database.logs] == ["goodbye"]


def test_closing_lets_out_what_is_queued_and_takes_no_more() -> None:
    client = Client(make())
    send(client, put(1))
    client.connection.close(1001, "module exited")
    client.connection.close(1000, "again")
    assert client.connection.close_request == (1001, "module exited")
    assert len(client.take()) == 1
    assert client.send(put(2)) == []


def test_reasons_can_be_made_too_long() -> None:
    client = Client(make(faults=Faults(close_reason_length=200)))
    client.connection.close(1001, "module exited")
    assert client.connection.close_request is not None
    assert len(client.connection.close_request[1]) == 200


def test_wake_is_called_when_there_is_something_to_do() -> None:
    database = make()
    one, two = Client(database), Client(database, number=2)
    two.send(v2.Subscribe(1, 1, ("SELECT * FROM blob",)))
    woken: list[int] = []
    two.connection.wake = lambda: woken.append(1)
    send(one, put(1), put(2))
    assert woken == [1]
    two.take()
    send(one, put(3))
    assert woken == [1, 1]
    two.connection.close(1001, "")
    assert woken == [1, 1, 1]


def test_a_slow_reader_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_OUTGOING_QUEUE", 2)
    database = make()
    one, two = Client(database), Client(database, number=2)
    two.send(v2.Subscribe(1, 1, ("SELECT * FROM blob",)))
    woken: list[int] = []
    two.connection.wake = lambda: woken.append(1)
    for size in range(4):
        one.send(put(size))
    assert two.connection.dropped
    assert two.connection.is_overrun
    assert two.take() == []
    assert woken == [1, 1]


def test_the_base_class_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        ServerConnection(make())  # type: ignore[abstract, call-arg]
    assert NOW is not None


def test_a_damaged_message_asks_for_a_close() -> None:
    client = Client(make())
    client.connection.receive(b"\xff", client.now)
    assert client.connection.close_request == (1011, "unknown tag 0xff for sum type ClientMessage")


def test_a_message_for_many_is_made_by_the_first() -> None:
    database = make()
    readers = [Client(database, number=number) for number in (2, 3)]
    for reader in readers:
        reader.send(v2.Subscribe(1, 1, ("SELECT * FROM blob",)))
    send(Client(database), put(1))
    one, two = (reader.connection._outbox[0] for reader in readers)
    assert one is two


def test_the_text_for_an_unknown_set() -> None:
    assert not_found(Client(make()).connection, 5).endswith("QuerySetId { id: 5 })")
