"""Scheduled events: one that repeats itself, one that is late, and one that is never reached."""

import asyncio

import module_bindings
from module_bindings import send_message_reducer
from module_bindings.message import Message

from spacetime_transports import SpacetimeDBAsyncClient


def main(host, database, show=print):
    client = SpacetimeDBAsyncClient(module_bindings)
    left = [3, 2, 1]

    def tick(word):
        send_message_reducer.send_message(f"{word} {left.pop(0)}")
        if left:
            client.schedule_event(0.01, tick, word)
        else:
            client.schedule_event(0.01, send_message_reducer.send_message, "lift-off")

    def on_message(row_op, before, after, reducer_event):
        if after.sender == client.identity:
            show(after.text)
            if after.text == "lift-off":
                client.force_close()

    Message.register_row_update(on_message)
    client.register_on_subscription_applied(lambda: client.schedule_event(0, tick, "in"))
    client.schedule_event(3600, show, "never")
    asyncio.run(client.run(None, host, database, False, None, ["SELECT * FROM Message"]))
