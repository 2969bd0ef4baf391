"""A bot that runs for months: it answers "ping" in the chat, as the same user after every start.

    spacetime-py serve examples/quickstart_chat/chat_module.py --database chat
    spacetime-py generate --host http://127.0.0.1:3000 --database chat --out-dir examples/module_bindings
    python examples/bot.py

It may be started before the server, survives restarts of it, logs what happens and some numbers
every minute, and ends in order on SIGTERM.
"""

import asyncio
import logging
import os
import signal

import module_bindings as mb

from spacetime_transports import TokenFile, connect, errors

URL = os.environ.get("SPACETIMEDB_URL", "http://127.0.0.1:3000")
log = logging.getLogger("bot")


def answer(ctx: mb.Context, message: mb.Message) -> None:
    if message.text == "ping" and message.sender != ctx.identity:
        ctx.submit(mb.reducers.send_message(text="pong"))


async def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    async with connect(
        URL,
        "chat",
        mb.MODULE,
        token=TokenFile("~/.spacetimedb-bot"),
        reconnect=True,
        wait_for_server=3600,
        on_callback_error=lambda error: log.error("a callback failed", exc_info=error),
    ) as client:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, client.close_soon)
        await client.subscribe(mb.tables.message)
        client.db.message.on_insert(answer)  # from now on: what was there is not news
        await client.call(mb.reducers.set_name(name="Bot"))
        log.info("ready")
        while client.state != "closed":
            try:
                await client.wait_closed(timeout=60)
            except errors.CallTimeout:
                stats = client.stats
                log.info(
                    "%s, %d messages, %d connections",
                    client.state,
                    stats.messages_received,
                    stats.connections,
                )
    log.info("ended")


asyncio.run(main())
