"""The same user at every start: the token is kept in a settings file."""

import asyncio

import module_bindings
from module_bindings.user import User

from spacetime_transports import SpacetimeDBAsyncClient, local_config


def main(host, database, show=print, root=None):
    local_config.init(".old-programs", "remember.ini", root, {"starts": "0"})
    starts = int(local_config.get_string("starts")) + 1
    local_config.set_string("starts", str(starts))
    client = SpacetimeDBAsyncClient(module_bindings)

    async def run():
        token, identity = await client.connect(
            local_config.get_string("auth_token"), host, database, False, ["SELECT * FROM User"]
        )
        local_config.set_string("auth_token", token)
        done = await client.call_reducer("set_name", f"start {starts}")
        me = User.filter_by_identity(identity)
        show(f"{done.reducer_event.status}: {me.data['name']}")
        await client.close()
        return str(identity)

    return asyncio.run(run())
