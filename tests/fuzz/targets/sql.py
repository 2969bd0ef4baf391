"""SQL of the embedded server, from text to rows."""

from __future__ import annotations

import contextlib
from itertools import count

from spacetime_proto.errors import QueryError
from spacetime_proto.server import F32, I8, U64, Database, Module, column
from spacetime_proto.server.sql.parse import parse
from spacetime_proto.server.sql.run import run_sql
from spacetime_proto.types import ConnectionId, Identity, Timestamp, Uuid


def _database() -> Database:
    module = Module()

    @module.table(public=True)
    class Item:
        id: U64 = column(primary_key=True)
        name: str = column(index=True)
        small: I8
        real: F32
        is_on: bool
        data: bytes
        owner: Identity
        peer: ConnectionId
        at: Timestamp
        uuid: Uuid
        maybe: str | None = None

    @module.table(public=True)
    class Tag:
        item: U64 = column(index=True)
        label: str

    numbers = count(1)
    database = Database(
        module,
        name="fuzz",
        identity=Identity.from_int(1),
        entropy=lambda size: next(numbers).to_bytes(size, "big"),
        owner=Identity.from_int(2),
    )
    database.publish(Timestamp(0))
    return database


_DATABASE = _database()
_CALLER = _DATABASE.caller(Identity.from_int(2))


def check(data: bytes) -> None:
    """Only `QueryError`; what parses runs or is refused."""
    text = data.decode("utf-8", "replace")
    try:
        parse(text)
        run_sql(_DATABASE, text, _CALLER, Timestamp(0))
    except QueryError:
        pass
    with contextlib.suppress(QueryError):
        _DATABASE.queries.one_off(text, _CALLER)
