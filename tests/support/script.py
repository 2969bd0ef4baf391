"""A client session and a scripted server: the test says every message the server sends."""

from __future__ import annotations

from typing import Any

from spacetime_proto.bindings import Module, dynamic_module
from spacetime_proto.client import events as ev
from spacetime_proto.client.retry import Decision
from spacetime_proto.client.session import ClientSession
from spacetime_proto.client.session_options import ClientOptions, Target
from spacetime_proto.messages import v1, v2
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.messages.payloads import decode_client_payload
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.load import load_schema
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp
from spacetime_proto.wire.websocket import ServerWebSocket
from tests.support.golden import golden_module, schema_text
from tests.support.pair import counting_entropy
from tests.support.payloads import compress

IDENTITY = Identity(bytes(range(32)))
CONNECTION_ID = ConnectionId(bytes(range(16)))
OTHER = Identity(bytes([7]) * 32)
TOKEN = "eyJhbGciOiJub25l.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
NOW = Timestamp(1_000_000)
NO_TIME = TimeDuration(0)


class Script:
    """One session, and the server's end of its WebSocket.

    The module is the recorded chat: ``user {identity key, name, online}``,
    ``message {sender, sent, text}``, reducers ``set_name`` and ``send_message``.
    """

    def __init__(
        self,
        protocol: str = "v3.bsatn.spacetimedb",
        *,
        module: Module[Any] | None = None,
        will_reconnect: bool = False,
        **options: Any,
    ) -> None:
        self.protocol = protocol
        self.module = module or golden_module("quickstart-chat")
        options.setdefault("protocols", frozenset({protocol}))
        self.session: ClientSession[Any] = ClientSession(
            ClientOptions(**options), self.module, entropy=counting_entropy("client")
        )
        if will_reconnect:
            self.session.decide = lambda error, now: Decision(error, 1.0)
        self.now = 0.0
        self.server: ServerWebSocket | None = None

    # --- the connection -------------------------------------------------------------------------

    def start(self, **target: Any) -> None:
        """Send the upgrade; the server has not answered."""
        self.server = ServerWebSocket(entropy=counting_entropy("server"))
        self.server.start(self.now)
        self.session.start(self.now, Target(host="test", database="chat", **target))
        self.server.receive_data(self.session.data_to_send(), self.now)

    def accept(self) -> None:
        """Answer the upgrade."""
        assert self.server is not None
        self.server.accept(self.now, subprotocol=self.protocol)
        self.deliver()

    def greet(self, identity: Identity = IDENTITY, token: str = TOKEN) -> None:
        """Send the first message."""
        if self.protocol.startswith("v1"):
            self.send(v1.IdentityToken(identity, token, CONNECTION_ID))
        else:
            self.send(v2.InitialConnection(identity, CONNECTION_ID, token))

    def open(self) -> list[ev.Event]:
        """Connect and greet; return the events of it."""
        self.start()
        self.accept()
        self.greet()
        return self.events()

    def send(self, *messages: Any) -> None:
        """Send messages, on v3 all in one payload."""
        assert self.server is not None
        if self.protocol == "v1.json.spacetimedb":
            codec = JsonCodec.for_module(self.module.bound)
            for message in messages:
                self.server.send(v1.SERVER.to_json(message, codec))
        else:
            encode = v1.encode_server if self.protocol.startswith("v1") else v2.encode_server
            bodies = [encode(message) for message in messages]
            if self.protocol.startswith("v3"):
                bodies = [b"".join(bodies)]
            for body in bodies:
                self.server.send(compress(body))
        self.deliver()

    def send_raw(self, payload: bytes | str) -> None:
        """Send any payload."""
        assert self.server is not None
        self.server.send(payload)
        self.deliver()

    def deliver(self) -> None:
        """Hand the server's bytes to the client."""
        assert self.server is not None
        self.session.receive_data(self.server.data_to_send(), now=self.now)

    def received(self) -> list[Any]:
        """Return the messages that the client has sent since the last call."""
        assert self.server is not None
        self.server.receive_data(self.session.data_to_send(), self.now)
        found: list[Any] = []
        for payload in self.server.messages():
            found += decode_client_payload(self.protocol, payload)
        return found

    def lose(self) -> list[ev.Event]:
        """The stream ends without a close frame; return the events of it."""
        self.session.receive_eof(now=self.now)
        return self.events()

    def events(self) -> list[ev.Event]:
        """Take the client's events."""
        return list(self.session.events())

    # --- rows -----------------------------------------------------------------------------------

    def rows(self, table: str, *rows: tuple[Any, ...]) -> RowList:
        """Encode rows of a table, given as tuples."""
        bound = self.module.bound.tables[table]
        return RowList.from_rows([bound.codec.encode(bound.row_class(*row)) for row in rows])

    def single(self, table: str, *rows: tuple[Any, ...]) -> v2.SingleTableRows:
        """Rows as SubscribeApplied has them."""
        return v2.SingleTableRows(table, self.rows(table, *rows))

    def update(
        self,
        set_id: int,
        table: str,
        inserts: tuple[tuple[Any, ...], ...] = (),
        deletes: tuple[tuple[Any, ...], ...] = (),
    ) -> v2.TransactionUpdate:
        """A transaction that changed one table of one set."""
        rows = v2.PersistentRows(self.rows(table, *inserts), self.rows(table, *deletes))
        return v2.TransactionUpdate((v2.QuerySetUpdate(set_id, (v2.TableUpdate(table, (rows,)),)),))

    def v1_table(
        self,
        table: str,
        inserts: tuple[tuple[Any, ...], ...] = (),
        deletes: tuple[tuple[Any, ...], ...] = (),
    ) -> v1.TableUpdate:
        """A table's part of a v1 DatabaseUpdate."""
        update = v1.QueryUpdate(self.rows(table, *deletes), self.rows(table, *inserts))
        return v1.TableUpdate(4096, table, len(inserts) + len(deletes), (update,))


def user(number: int, name: str | None = None, *, online: bool = True) -> tuple[Any, ...]:
    """A row of ``user``."""
    return Identity(bytes([number]) * 32), name, online


def message(text: str) -> tuple[Any, ...]:
    """A row of ``message``."""
    return IDENTITY, NOW, text


def fresh_module(name: str = "quickstart-chat") -> Module[Any]:
    """Bindings that no other test has used."""
    return dynamic_module(load_schema(schema_text(name)))
