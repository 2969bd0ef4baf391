"""A server on a real socket of which the test says every message. Speaks v2 about the recorded chat."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from spacetime_proto.messages import v2
from spacetime_proto.messages.payloads import decode_client_payload
from spacetime_proto.sats.rows import RowList
from spacetime_proto.wire.websocket import ServerWebSocket
from tests.support.golden import golden_module
from tests.support.pair import counting_entropy
from tests.support.patience import PATIENCE
from tests.support.script import CONNECTION_ID, IDENTITY, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

PROTOCOL = "v2.bsatn.spacetimedb"


class ScriptedServer:
    """Greets, passes each request to `answer`, and keeps it.

    Attributes:
        answer: what to send in return, given a request.
        received: the requests so far, of all connections.
        identity: what the next client is greeted as.
        is_deaf: whether further connections are dropped before they are greeted.
    """

    def __init__(self, answer: Callable[[Any], list[Any]]) -> None:
        self.answer = answer
        self.received: list[Any] = []
        self.identity = IDENTITY
        self.is_deaf = False
        self.module = golden_module("quickstart-chat")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._condition = threading.Condition()
        self._socket: socket.socket | None = None
        self._wire: ServerWebSocket | None = None
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_deaf = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self.drop()
        self._thread.join()
        self._listener.close()

    # --- what a test does ---------------------------------------------------------------------

    def user(self, number: int) -> v2.SingleTableRows:
        """Return one row of ``user``."""
        return v2.SingleTableRows("user", self._rows(number))

    def inserted(self, set_id: int, number: int) -> v2.TransactionUpdate:
        """Return the transaction in which a set gained a row of ``user``."""
        rows = v2.PersistentRows(self._rows(number), RowList.from_rows([]))
        update = v2.QuerySetUpdate(set_id, (v2.TableUpdate("user", (rows,)),))
        return v2.TransactionUpdate((update,))

    def _rows(self, number: int) -> RowList:
        table = self.module.bound.tables["user"]
        row = table.row_class(type(IDENTITY)(bytes([number]) * 32), None, True)
        return RowList.from_rows([table.codec.encode(row)])

    def send(self, *messages: Any) -> None:
        """Send messages on the present connection."""
        self.send_raw(*(b"\0" + v2.encode_server(message) for message in messages))

    def send_raw(self, *payloads: bytes) -> None:
        """Send payloads as they are."""
        with self._condition:
            wire, connection = self._wire, self._socket
            assert wire is not None and connection is not None
            for payload in payloads:
                wire.send(payload)
            with contextlib.suppress(OSError):
                connection.sendall(wire.data_to_send())

    def close(self) -> None:
        """Begin the close handshake."""
        with self._condition:
            wire, connection = self._wire, self._socket
            assert wire is not None and connection is not None
            wire.close(1001, "going away", now=time.monotonic())
            connection.sendall(wire.data_to_send())

    def drop(self) -> None:
        """End the present connection without a word."""
        with self._condition:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def wait_for(self, count: int) -> None:
        """Wait until so many requests have come."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.received) >= count, PATIENCE)

    # --- inside -------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                if not self.is_deaf:
                    self._serve(connection)
            with self._condition:
                self._socket = self._wire = None

    def _serve(self, connection: socket.socket) -> None:
        wire = ServerWebSocket(entropy=counting_entropy("server"), keepalive=None)
        wire.start(time.monotonic())
        while data := connection.recv(65536):
            with self._condition:
                wire.receive_data(data, time.monotonic())
                if self._wire is None and wire.request is not None:
                    wire.accept(time.monotonic(), subprotocol=PROTOCOL)
                    self._socket, self._wire = connection, wire
                    self.send(v2.InitialConnection(self.identity, CONNECTION_ID, TOKEN))
                for payload in wire.messages():
                    for message in decode_client_payload(PROTOCOL, payload):
                        self.received.append(message)
                        self.send(*self.answer(message))
                self._condition.notify_all()
                connection.sendall(wire.data_to_send())
                if wire.state.name == "CLOSED":
                    return
