"""A chat window: a client inside Tk's event loop, without threads.

    spacetime-py serve examples/quickstart_chat/chat_module.py --database chat
    python examples/tk_chat.py [http://localhost:3000 [chat]]

Tk knows how to watch a socket (`createfilehandler`) and how to wait (`after`), which is all that a
`ClientSession` needs; the steps are those of docs/embedding.md. Where Tk cannot watch sockets
(Windows), looking 50 times a second does as well. The same shape fits Qt: a `QSocketNotifier` and a
`QTimer`.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import tkinter
from typing import Any
from urllib.parse import urlsplit

from spacetime_proto import ClientOptions, ClientSession, Target
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.client import events
from spacetime_transports import HttpClient


class TkDriver:
    """Runs a session in Tk's event loop.

    Args:
        root: any widget; its loop is used.
        session: a session that was not started.
        url: the server.
        database: the database.
        on_event: called with every event of the session.
    """

    def __init__(
        self, root: Any, session: ClientSession[Any], url: str, database: str, on_event: Any
    ) -> None:
        self.is_over = False
        self._root = root
        self._session = session
        self._on_event = on_event
        self._outgoing = b""
        self._timer: str | None = None
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port or 80))
        self._socket.setblocking(False)
        session.start(time.monotonic(), Target(host=address.netloc, database=database))
        self._watches = hasattr(root, "createfilehandler")
        if self._watches:
            root.createfilehandler(self._socket, tkinter.READABLE, self._readable)
        self.advance()

    def _readable(self, file: object, mask: int) -> None:
        self.advance()

    def advance(self) -> None:
        """Read, handle, write; then wait again. Call it after queueing a request, too."""
        session = self._session
        if self.is_over:
            return
        self._read()
        session.tick(now=time.monotonic())
        for event in session.events():
            self._on_event(event)
        self._write()
        if session.is_over:
            self._end()
        else:
            self._wait()

    def _read(self) -> None:
        try:
            data = self._socket.recv(256 * 1024)
        except BlockingIOError:
            return
        except OSError as error:
            self._session.connection_lost(error, now=time.monotonic())
            return
        if data:
            self._session.receive_data(data, now=time.monotonic())
        else:
            self._session.receive_eof(now=time.monotonic())

    def _write(self) -> None:
        self._outgoing += self._session.data_to_send()
        try:
            while self._outgoing:
                self._outgoing = self._outgoing[self._socket.send(self._outgoing) :]
        except BlockingIOError:
            pass  # the rest goes with the next timer
        except OSError as error:
            self._session.connection_lost(error, now=time.monotonic())

    def _wait(self) -> None:
        if self._timer is not None:
            self._root.after_cancel(self._timer)
        deadline = self._session.deadline
        delay = 3600.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if self._outgoing or not self._watches:
            delay = min(delay, 0.02)
        self._timer = self._root.after(int(delay * 1000) + 1, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.advance()

    def _end(self) -> None:
        self.is_over = True
        if self._timer is not None:
            self._root.after_cancel(self._timer)
        if self._watches:
            self._root.deletefilehandler(self._socket)
        self._socket.close()


class ChatWindow:
    """The window: the messages, and a line to type in."""

    def __init__(self, root: tkinter.Tk, url: str, database: str) -> None:
        self._root = root
        root.title(f"{database} at {url}")
        self.text = tkinter.Text(root, width=60, height=20, state="disabled")
        self.text.pack(expand=True, fill="both")
        self.entry = tkinter.Entry(root)
        self.entry.pack(fill="x")
        self.entry.bind("<Return>", self._send)
        root.protocol("WM_DELETE_WINDOW", self.close)
        module = dynamic_module(HttpClient(url).schema(database))
        self.session = ClientSession(ClientOptions(), module, entropy=os.urandom)
        self.driver = TkDriver(root, self.session, url, database, self._on_event)

    def _on_event(self, event: events.Event) -> None:
        match event:
            case events.Connected():
                self.session.subscribe("SELECT * FROM user", "SELECT * FROM message")
            case events.TableChanged(table=table, inserted=inserted) if (
                table.table_name == "message"
            ):
                for message in sorted(inserted, key=lambda row: row.sent):
                    self._show(f"{self._name(message.sender)}: {message.text}")
            case events.CallDone(pending=pending) if pending.error is not None:
                self._show(f"* {pending.error}")
            case events.Ended() | events.ConnectFailed():
                self._show(f"* {event.error or 'closed'}")
                self._root.after(0, self._root.quit)
            case _:
                pass

    def _name(self, identity: object) -> str:
        user = self.session.db.user.identity.find(identity)
        return user.name if user is not None and user.name else str(identity)[:8]

    def _show(self, line: str) -> None:
        self.text.configure(state="normal")
        self.text.insert("end", line + "\n")
        self.text.configure(state="disabled")
        self.text.see("end")

    def _send(self, event: object) -> None:
        text = self.entry.get()
        self.entry.delete(0, "end")
        reducers = self.session.module.reducers
        if text.startswith("/name "):
            self.session.submit(reducers.set_name(text.removeprefix("/name ")))
        else:
            self.session.submit(reducers.send_message(text))
        self.driver.advance()

    def close(self) -> None:
        """Leave the chat; the window goes when the server has said goodbye."""
        self.session.close()
        self.driver.advance()


def main(url: str, database: str) -> None:
    """Open the window and stay until it is closed."""
    root = tkinter.Tk()
    ChatWindow(root, url, database)
    root.mainloop()


if __name__ == "__main__":
    main(*(sys.argv[1:] + ["http://localhost:3000", "chat"][len(sys.argv) - 1 :]))
