"""A server without SpacetimeDB: answers clients with bytes that it made beforehand.

Run it alone: ``python benchmarks/replay.py [--port N]``. It prints its URL and serves until its
standard input ends or it is killed. Plain sockets, a thread per client, nothing computed while a
client waits: what is measured against it is the client. The name of the database says what to do,
``SCENARIO-COUNT-ROWS-PROTOCOL``, as in ``updates-20000-100000-v2``:

    connect     nothing but the greeting
    subscribe   a Subscribe is answered with ROWS rows (of the table that its query names)
    listen, find, filter, sets   the same; what the client does with them differs
    updates     the same; a call then begins COUNT updates, each a transaction of its own
    batches     the same; COUNT updates in transactions of 100
    calls       every call of `no_op` is answered at once

PROTOCOL is v2 or v3, the version to choose; a client that does not offer v3 gets v2.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Final

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.traffic import CALL, Answers, applied, greeting, ids_of, prepare, stream
from spacetime_proto.messages import v2
from spacetime_proto.wire.websocket import ServerWebSocket, State

READ: Final = 256 * 1024
V2: Final = "v2.bsatn.spacetimedb"
V3: Final = "v3.bsatn.spacetimedb"
#: Rows per transaction.
STREAMS: Final = {"updates": 1, "batches": 100}


class Client:
    """One connection: reads calls and subscriptions, sends what was made for them."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.wire = ServerWebSocket(entropy=os.urandom, keepalive=None)
        self.set_id = 0

    def run(self) -> None:
        """Serve until the client leaves."""
        with self.sock, contextlib.suppress(ConnectionError):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._shake_hands():
                while self._serve():
                    pass

    def _shake_hands(self) -> bool:
        wire = self.wire
        wire.start(0.0)
        while wire.request is None and wire.state is State.CONNECTING:
            data = self.sock.recv(READ)
            if not data:
                return False
            wire.receive_data(data, 0.0)
        assert wire.request is not None
        if wire.problem is not None:
            wire.reject(*wire.problem)
        else:
            path = wire.request.target.partition("?")[0]
            scenario, count, rows, protocol = path.split("/")[3].split("-")
            offered = wire.subprotocols
            self.scenario, self.count, self.rows = scenario, int(count), int(rows)
            self.batched = protocol == "v3" and V3 in offered
            if scenario not in ("connect", "calls"):
                prepare("location" if scenario == "filter" else "player", self.rows)
            self.answers = Answers(batched=self.batched)
            wire.accept(0.0, subprotocol=V3 if self.batched else V2)
            wire.send(greeting())
        self.sock.sendall(wire.data_to_send())
        return wire.state is State.OPEN

    def _serve(self) -> bool:
        """Read once and answer; say whether the client is still there."""
        data = self.sock.recv(READ)
        wire = self.wire
        wire.receive_data(data, 0.0)
        calls: list[bytes] = []
        for payload in wire.messages():
            assert isinstance(payload, bytes)
            if len(payload) == CALL and payload[0] == 3:
                calls.append(payload[1:5])
            elif self.answers.are_calls(payload):
                calls += ids_of(payload)
            else:
                self._answer(payload)
        if calls:
            self.sock.sendall(self.answers.to(calls))
            if self.scenario in STREAMS:
                self.sock.sendall(self._stream())
        waiting = wire.data_to_send()
        if waiting:
            self.sock.sendall(waiting)
        return bool(data) and wire.state is State.OPEN

    def _answer(self, payload: bytes) -> None:
        """Answer what is not a call."""
        position = 0
        while position < len(payload):
            message, position = v2.decode_client(payload, position)
            if isinstance(message, v2.Subscribe):
                self.set_id = message.query_set_id
                table = "location" if "location" in message.query_strings[0] else "player"
                if self.scenario in STREAMS:
                    self._stream()  # made now, while nobody waits
                for part in applied(table, self.rows, message.request_id, self.set_id):
                    self.sock.sendall(part)
            elif isinstance(message, v2.CallReducer):
                self.sock.sendall(self.answers.to([message.request_id.to_bytes(4, "little")]))
            else:
                raise NotImplementedError(f"the replay server has no answer to {message!r}")

    def _stream(self) -> bytes:
        each = STREAMS[self.scenario]
        return stream(self.count, each, self.rows, self.set_id, batched=self.batched)


def serve(listener: socket.socket) -> None:
    """Accept clients for ever."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Client(sock).run, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve recorded traffic to clients.")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    arguments = parser.parse_args()
    with socket.create_server(("127.0.0.1", arguments.port), backlog=64) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
