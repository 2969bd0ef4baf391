"""A web service with one client and one subscription that all requests share.

    spacetime-py serve examples/quickstart_chat/chat_module.py --database chat
    spacetime-py generate --host http://127.0.0.1:3000 --database chat --out-dir examples/module_bindings
    uvicorn --app-dir examples fastapi_app:app

Requests read from the cache, also while the server restarts; `/health` says how the client is.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import module_bindings as mb
from fastapi import Body, FastAPI, HTTPException, Response

from spacetime_transports import connect, errors

URL = os.environ.get("SPACETIMEDB_URL", "http://127.0.0.1:3000")
client = connect(URL, "chat", mb.MODULE, reconnect=True, wait_for_server=60)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    async with client:
        await client.subscribe(mb.tables.user, mb.tables.message)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/users")
async def users() -> list[mb.User]:
    return list(client.db.user)


@app.get("/messages")
async def messages(last: int = 50) -> list[mb.Message]:
    return sorted(client.db.message, key=lambda message: message.sent)[-last:]


@app.post("/messages", status_code=201)
async def send_message(text: Annotated[str, Body(embed=True)]) -> None:
    try:
        await client.call(mb.reducers.send_message(text=text), timeout=5)
    except errors.ReducerError as error:
        raise HTTPException(422, str(error)) from error
    except errors.Disconnected as error:
        raise HTTPException(503, str(error)) from error


@app.get("/health")
async def health(response: Response) -> dict[str, Any]:
    response.status_code = 200 if client.state == "connected" else 503
    stats = client.stats
    return {"state": client.state, "rows": stats.cached_rows, "connections": stats.connections}
