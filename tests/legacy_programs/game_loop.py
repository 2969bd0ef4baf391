"""A program with a loop of its own, such as a game: `update` is called once per frame."""

import module_bindings
from module_bindings import set_name_reducer
from module_bindings.user import User

from spacetime_transports import SpacetimeDBClient


def main(host, database, show=print, frame=lambda: None):
    state = {"running": True}

    def on_connect():
        show("connected")

    def on_identity(auth_token, identity, address):
        client = SpacetimeDBClient.instance
        show(f"known: {identity == client.identity}, {address == client.address}")
        client.subscribe(["SELECT * FROM User"])

    def on_subscription_applied():
        me = User.filter_by_identity(SpacetimeDBClient.instance.identity)
        show(f"online: {me.online}")
        set_name_reducer.set_name("Ada")

    def on_event(transaction):
        events = transaction.events.get("user", [])
        for event in events:
            if event.row_pk == SpacetimeDBClient.instance.identity:
                show(f"{event.row_op}: {event.old_value.name} -> {event.decoded_value.name}")
                state["running"] = False

    def on_disconnect(message):
        show(f"disconnected: {message!r}")

    SpacetimeDBClient.init(
        None, host, database, False, module_bindings,
        on_connect=on_connect, on_disconnect=on_disconnect,
        on_identity=on_identity, on_error=lambda message: show(f"error: {message}"),
    )  # fmt: skip
    client = SpacetimeDBClient.instance
    client.register_on_subscription_applied(on_subscription_applied)
    client.register_on_event(on_event)
    while state["running"]:
        client.update()
        frame()
    client.close()
