"""The demo's module where it meets a user that the database has lost."""

from __future__ import annotations

import pytest

from spacetime_proto.errors import ReducerError
from spacetime_transports import HttpClient, blocking
from spacetime_transports.server import serve_in_thread
from spacetime_transports.server.chat_module import module


def test_a_user_who_was_deleted() -> None:
    with serve_in_thread(module, database="chat") as server:
        with (
            HttpClient(server.url, token=server.server.owner_token) as owner,
            blocking.connect(server.url, "chat") as client,
        ):
            owner.sql("chat", "DELETE FROM user")
            with pytest.raises(ReducerError, match="unknown user"):
                client.call(client.module.reducers.set_name("Ada"))
        with blocking.connect(server.url, "chat") as client:
            rows = client.query("SELECT * FROM user")
    assert [row.online for row in rows] == [True]
