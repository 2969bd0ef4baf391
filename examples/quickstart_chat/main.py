"""The chat client of the original Python quickstart, on the API of the 0.7 SDK.

Start the server, then one client per terminal::

    spacetime-py serve examples/quickstart_chat/chat_module.py --database chat
    python examples/quickstart_chat/main.py
    python examples/quickstart_chat/main.py --client 2

Type a message, or ``/name NAME`` to be called something; an empty line or Ctrl-D ends.

The client runs in a thread with an event loop of its own; the main thread reads the keyboard. A
queue between them is emptied by a scheduled event. (With today's API none of that is needed: see
the README.)
"""

from __future__ import annotations

import asyncio
import os
import sys
from queue import Empty, Queue
from threading import Thread

import module_bindings
import module_bindings.send_message_reducer as send_message_reducer
import module_bindings.set_name_reducer as set_name_reducer
from module_bindings.message import Message
from module_bindings.user import User

from spacetime_proto import Identity
from spacetime_proto.errors import AuthError
from spacetime_transports import SpacetimeDBAsyncClient, SpacetimeDBException
from spacetime_transports.legacy import local_config

HOST = os.environ.get("SPACETIMEDB_URL", "http://localhost:3000")
DATABASE = os.environ.get("SPACETIMEDB_DATABASE", "chat")

input_queue: Queue[tuple[str, str]] = Queue()
local_identity: Identity | None = None


def display_name(user: User | None) -> str:
    if user is None:
        return "unknown"
    return user.name or str(user.identity)[:8]


def print_message(message: Message) -> None:
    print(f"{display_name(User.filter_by_identity(message.sender))}: {message.text}", flush=True)


def on_subscription_applied() -> None:
    print("SYSTEM: Connected.", flush=True)
    for message in sorted(Message.iter(), key=lambda message: message.sent):
        print_message(message)


def on_user_row_update(
    row_op: str, user_old: User | None, user: User | None, reducer_event: object
) -> None:
    if row_op == "insert" and user and user.online:
        print(f"User {display_name(user)} connected.", flush=True)
    elif user_old and user:  # an update
        if user.online and not user_old.online:
            print(f"User {display_name(user)} connected.", flush=True)
        elif user_old.online and not user.online:
            print(f"User {display_name(user)} disconnected.", flush=True)
        if user.name != user_old.name:
            print(f"User {display_name(user_old)} renamed to {display_name(user)}.", flush=True)


def on_message_row_update(
    row_op: str, message_old: Message | None, message: Message | None, reducer_event: object
) -> None:
    # Without a reducer event it is part of the backlog, which is printed in order above.
    if reducer_event is not None and row_op == "insert" and message:
        print_message(message)


def on_set_name_reducer(sender: Identity, status: str, message: str | None, name: str) -> None:
    if sender == local_identity and status == "failed":
        print(f"Failed to set name: {message}", flush=True)


def on_send_message_reducer(sender: Identity, status: str, message: str | None, text: str) -> None:
    if sender == local_identity and status == "failed":
        print(f"Failed to send message: {message}", flush=True)


def check_commands() -> None:
    try:
        while True:
            command, argument = input_queue.get_nowait()
            if command == "name":
                set_name_reducer.set_name(argument)
            else:
                send_message_reducer.send_message(argument)
    except Empty:
        spacetime_client.schedule_event(0.1, check_commands)


def on_connect(auth_token: str, identity: Identity) -> None:
    global local_identity
    local_identity = identity
    local_config.set_string("auth_token", auth_token)


def register_callbacks(client: SpacetimeDBAsyncClient) -> None:
    client.register_on_subscription_applied(on_subscription_applied)
    User.register_row_update(on_user_row_update)
    Message.register_row_update(on_message_row_update)
    set_name_reducer.register_on_set_name(on_set_name_reducer)
    send_message_reducer.register_on_send_message(on_send_message_reducer)


def run_client(client: SpacetimeDBAsyncClient) -> None:
    try:
        run_with_token(client, local_config.get_string("auth_token"))
    except SpacetimeDBException as error:
        if not isinstance(error.__cause__, AuthError):
            raise
        # A development server forgets its keys when it ends, and with them who we were.
        print(f"SYSTEM: {error}. Starting anew.", flush=True)
        run_with_token(client, None)


def run_with_token(client: SpacetimeDBAsyncClient, token: str | None) -> None:
    client.schedule_event(0.1, check_commands)
    queries = ["SELECT * FROM User", "SELECT * FROM Message"]
    asyncio.run(client.run(token, HOST, DATABASE, False, on_connect, queries))


def input_loop() -> None:
    for line in sys.stdin:
        line = line.rstrip("\n")
        if not line:
            break
        if line.startswith("/name "):
            input_queue.put(("name", line.removeprefix("/name ")))
        else:
            input_queue.put(("message", line))


if __name__ == "__main__":
    local_config.init(".spacetimedb-python-quickstart")
    spacetime_client = SpacetimeDBAsyncClient(module_bindings)
    register_callbacks(spacetime_client)
    thread = Thread(target=run_client, args=(spacetime_client,))
    thread.start()
    input_loop()
    spacetime_client.force_close()
    thread.join()
