"""Callbacks that are told which reducer ran, who called it and how it went."""

import asyncio

import module_bindings
from module_bindings import send_message_reducer, set_name_reducer
from module_bindings.user import User

from spacetime_transports import SpacetimeDBAsyncClient


def main(host, database, show=print):
    client = SpacetimeDBAsyncClient(module_bindings)

    def who(identity):
        return "I" if identity == client.identity else "somebody"

    def on_set_name(caller_identity, caller_address, status, message, name):
        here = caller_address == client.address
        show(f"{who(caller_identity)} set_name({name!r}) {status} {message!r} here={here}")

    def on_send_message(caller_identity, status, message, text):
        show(f"{who(caller_identity)} send_message({text!r}) {status} {message!r}")
        client.force_close()

    def on_user(row_op, before, after, reducer_event):
        if row_op == "update" and after.identity == client.identity:
            event = reducer_event
            show(f"{row_op} by {who(event.caller_identity)}: {event.reducer_name}{event.args}")

    def on_event(transaction):
        event = transaction.reducer_event
        if event.caller_identity == client.identity:
            show(f"event {transaction.transaction_type} {event.reducer_name} {event.status}")

    def on_subscription_applied():
        set_name_reducer.set_name("Grace")
        set_name_reducer.set_name("")
        send_message_reducer.send_message("")

    User.register_row_update(on_user)
    set_name_reducer.register_on_set_name(on_set_name)
    send_message_reducer.register_on_send_message(on_send_message)
    client.register_on_event(on_event)
    client.register_on_subscription_applied(on_subscription_applied)
    asyncio.run(client.run(None, host, database, False, None, ["SELECT * FROM User"]))
