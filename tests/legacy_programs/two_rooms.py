"""Several subscriptions: each takes the place of the one before."""

import asyncio

import module_bindings
from module_bindings import send_message_reducer
from module_bindings.message import Message
from module_bindings.user import User

from spacetime_transports import SpacetimeDBAsyncClient


def main(host, database, show=print):
    client = SpacetimeDBAsyncClient(module_bindings)
    steps = [
        ["SELECT * FROM User", "SELECT * FROM Message"],
        ["SELECT * FROM Message"],
        ["SELECT * FROM User WHERE User.online = true"],
    ]

    def on_message(row_op, before, after, reducer_event):
        row = before if row_op == "delete" else after
        if row.sender == client.identity:
            why = "subscription" if reducer_event is None else reducer_event.reducer_name
            show(f"{row_op} {row.text} ({why})")

    def next_step():
        mine = [message for message in Message.iter() if message.sender == client.identity]
        me = User.filter_by_identity(client.identity)
        show(f"{'with' if me else 'without'} me, {len(mine)} of my messages")
        if steps:
            client.subscribe(steps.pop(0))
        else:
            client.force_close()

    def after_sending(reducer_event):
        show(f"{reducer_event.reducer_name} {reducer_event.status}")
        next_step()

    def on_subscription_applied():
        if len(steps) == 3:
            steps.pop(0)
            send_message_reducer.send_message("hello", then=after_sending)
        else:
            next_step()

    Message.register_row_update(on_message)
    client.register_on_subscription_applied(on_subscription_applied)
    asyncio.run(client.run(None, host, database, False, None, steps[0]))
