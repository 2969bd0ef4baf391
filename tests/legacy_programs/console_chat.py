"""A chat client for the console: the network in one thread, the keyboard in another.

``/name x`` chooses a name, an empty line ends the program, anything else is said to everybody.
"""

import asyncio
import queue
import threading

import module_bindings
import module_bindings.send_message_reducer as send_message_reducer
import module_bindings.set_name_reducer as set_name_reducer
from module_bindings.message import Message
from module_bindings.user import User

from spacetime_transports import SpacetimeDBAsyncClient, local_config


def main(host, database, read_line=input, show=print):
    lines = queue.Queue()
    client = SpacetimeDBAsyncClient(module_bindings)

    def name_of(user):
        return user.name or "somebody"

    def show_message(message):
        author = User.filter_by_identity(message.sender)
        show(f"{name_of(author)}: {message.text}")

    def on_connect(auth_token, identity):
        local_config.set_string("auth_token", auth_token)

    def on_user(row_op, before, after, reducer_event):
        if row_op != "update" or after.identity != client.identity:
            return
        if before.name != after.name:
            show(f"{name_of(before)} is now {name_of(after)}")

    def on_message(row_op, before, after, reducer_event):
        if reducer_event is not None and row_op == "insert":
            show_message(after)

    def on_set_name(sender, status, message, name):
        if sender == client.identity and status == "failed":
            show(f"cannot be called {name!r}: {message}")

    def on_send_message(sender, address, status, message, text):
        if sender == client.identity and status == "failed":
            show(f"cannot say {text!r}: {message}")

    def on_subscription_applied():
        show("connected")
        for message in sorted(Message.iter(), key=lambda message: message.sent):
            show_message(message)

    def check_lines():
        while not lines.empty():
            line = lines.get()
            if line.startswith("/name"):
                set_name_reducer.set_name(line[5:].strip())
            else:
                send_message_reducer.send_message(line.strip())
        client.schedule_event(0.01, check_lines)

    local_config.init(".old-chat")
    User.register_row_update(on_user)
    Message.register_row_update(on_message)
    set_name_reducer.register_on_set_name(on_set_name)
    send_message_reducer.register_on_send_message(on_send_message)
    client.register_on_subscription_applied(on_subscription_applied)
    client.schedule_event(0.01, check_lines)

    def network():
        queries = ["SELECT * FROM User", "SELECT * FROM Message"]
        token = local_config.get_string("auth_token")
        asyncio.run(client.run(token, host, database, False, on_connect, queries))

    thread = threading.Thread(target=network)
    thread.start()
    while line := read_line():
        lines.put(line)
    client.force_close()
    thread.join()
