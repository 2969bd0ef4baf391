"""A client on the standard library's `selectors`: the machine without any of our drivers.

    spacetime-py serve examples/quickstart_chat/chat_module.py --database chat
    python examples/selectors_loop.py [http://localhost:3000 [chat]]

Follows docs/embedding.md step by step. It subscribes, sends one message, prints what it sees and
leaves.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from spacetime_proto import ClientOptions, ClientSession, Target
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.client import events
from spacetime_transports import HttpClient


def main(url: str, database: str) -> None:
    """Run one connection from its beginning to its end."""
    # Generated bindings would do as well: `module_bindings.MODULE`.
    module = dynamic_module(HttpClient(url).schema(database))
    session = ClientSession(ClientOptions(), module, entropy=os.urandom)

    # Step 1: a connected byte stream, and `start`.
    address = urlsplit(url)
    stream = socket.create_connection((address.hostname, address.port or 80))
    stream.setblocking(False)
    session.start(time.monotonic(), Target(host=address.netloc, database=database))

    selector = selectors.DefaultSelector()
    selector.register(stream, selectors.EVENT_READ)
    outgoing = b""
    while not session.is_over:
        # Step 2: what has happened. The first message is applied when its first event is taken,
        # the next one when this loop comes to it.
        for event in session.events():
            handle(session, event)

        # Step 3: write what there is to write.
        outgoing += session.data_to_send()
        if outgoing:
            try:
                outgoing = outgoing[stream.send(outgoing) :]
            except BlockingIOError:
                pass
            except OSError as error:
                session.connection_lost(error, now=time.monotonic())
                continue
        if session.is_over:
            break

        # Step 4: wait for bytes, for room to write, or for the session's deadline.
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if outgoing else 0)
        selector.modify(stream, wanted)
        deadline = session.deadline
        selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))

        # Step 5: hand over what came, bytes before the time.
        try:
            data = stream.recv(256 * 1024)
        except BlockingIOError:
            pass
        except OSError as error:
            session.connection_lost(error, now=time.monotonic())
        else:
            if data:
                session.receive_data(data, now=time.monotonic())
            else:
                session.receive_eof(now=time.monotonic())
        session.tick(now=time.monotonic())

    # Step 6: the end. `close_error` says why; None means that we asked for it.
    selector.close()
    stream.close()
    if session.close_error is not None:
        raise SystemExit(f"error: {session.close_error}")


def handle(session: ClientSession[Any], event: events.Event) -> None:
    """Do what a program does: ask for rows, print them, say something, leave."""
    match event:
        case events.Connected(identity=identity):
            print(f"connected as {identity}")
            session.subscribe("SELECT * FROM user", "SELECT * FROM message")
        case events.SetApplied():
            print(f"subscribed: {session.db.user.count()} users")
            call = session.module.reducers.send_message(text="Hello from selectors!")
            session.call(call)
        case events.TableChanged(table=table, inserted=inserted):
            for row in inserted:
                print(f"{table.table_name} + {row}")
        case events.CallDone(pending=pending):
            print(f"{pending.name}: {pending.error or 'committed'}")
            session.close()
        case events.SetFailed(error=error):
            print(f"refused: {error}")
            session.close()
        case _:
            pass


if __name__ == "__main__":
    main(*(sys.argv[1:] + ["http://localhost:3000", "chat"][len(sys.argv) - 1 :]))
