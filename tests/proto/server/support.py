"""What the tests of the server share: a host with counted entropy, and clients without sockets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from spacetime_proto.messages import v1, v2
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.messages.payloads import decode_server_payload
from spacetime_proto.protocols import ProtocolName
from spacetime_proto.sats.rows import RowList
from spacetime_proto.server import Database, Faults, Host, Module, SecretAuthority
from spacetime_proto.server.front.connection_v1 import V1Connection
from spacetime_proto.server.front.connection_v2 import V2Connection
from spacetime_proto.server.front.server_connection import ConnectionOptions
from spacetime_proto.types import Identity, Timestamp

__all__ = ["NOW", "Client", "Entropy", "identity", "make_database", "make_host", "rows_of"]

NOW = Timestamp(1_700_000_000_000_000)


def identity(number: int) -> Identity:
    """Return a made-up identity."""
    return Identity.from_int(0xC200 << 240 | number)


class Entropy:
    """Unpredictable bytes that are the same in every run."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, size: int) -> bytes:
        return (next(self._numbers) * 0x9E3779B97F4A7C15 % 256**size).to_bytes(size, "big")


def make_host(**options: Any) -> Host:
    """Return a host whose clock starts at `NOW`."""
    return Host(authority=SecretAuthority(b"secret"), entropy=Entropy(), epoch=NOW, **options)


def make_database(
    module: Module, *, owner: Identity | None = None, faults: Faults | None = None, **options: Any
) -> Database:
    """Return a published database; tracebacks of module code are collected in `panics`."""
    database = Database(
        module,
        name="test",
        identity=identity(0),
        entropy=Entropy(),
        owner=owner,
        faults=faults,
        **options,
    )
    database.publish(NOW)
    return database


class Client:
    """A connection to a database, with its messages decoded.

    Attributes:
        connection: the server's side of it.
        now: the time at which the next message arrives; steps by a second.
    """

    def __init__(
        self,
        database: Database,
        protocol: ProtocolName = "v2.bsatn.spacetimedb",
        *,
        number: int = 1,
        **options: Any,
    ) -> None:
        make = V1Connection if protocol.startswith("v1") else V2Connection
        who = identity(number)
        self.connection = make(
            database,
            protocol=protocol,
            identity=who,
            connection_id=_connection_id(number),
            token="a.b.c",
            options=ConnectionOptions(**{"compression": "none", **options}),
        )
        self.identity = who
        self.now = NOW
        self._codec = JsonCodec.for_module(database.bound)
        self.connection.start(self.now)
        self.first = self.take()

    def send(self, *messages: Any) -> list[Any]:
        """Send messages (values, or payloads as they are); return what the server answers."""
        for message in messages:
            self.now = Timestamp(self.now.micros_since_unix_epoch + 1_000_000)
            self.connection.receive(self._encode(message), self.now)
        return self.take()

    def one(self, message: Any) -> Any:
        """Send a message and return the only answer."""
        [answer] = self.send(message)
        return answer

    def take(self) -> list[Any]:
        """Return the messages that the server has sent meanwhile."""
        return [
            message
            for payload in self.connection.payloads_to_send()
            for message in self.decode(payload)
        ]

    def decode(self, payload: bytes | str) -> Iterator[Any]:
        """Yield the messages of a server payload."""
        return decode_server_payload(self.connection.protocol, payload, codec=self._codec)

    def leave(self) -> None:
        """End the connection."""
        self.connection.disconnected(self.now)

    def _encode(self, message: Any) -> bytes | str:
        if isinstance(message, bytes | str):
            return message
        if self.connection.protocol == "v1.json.spacetimedb":
            return v1.CLIENT.to_json(message)
        if self.connection.protocol == "v1.bsatn.spacetimedb":
            return v1.encode_client(message)
        return v2.encode_client(message)


def rows_of(rows: RowList) -> list[bytes]:
    """Return encoded rows in an order that does not depend on the server's."""
    return sorted(rows.slices())


def _connection_id(number: int) -> Any:
    from spacetime_proto.types import ConnectionId

    return ConnectionId.from_int(number)
