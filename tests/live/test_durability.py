"""What a client was told is on disk: with `confirmed` a crash of the server takes nothing back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_transports import blocking
from tests.conformance.kit import BATCHED
from tests.live.kit import short_name

if TYPE_CHECKING:
    from tests.live.target import OwnServer, Target

CALLS = 20


@pytest.mark.since("2.0", "1.x has no `confirmed` and answers before its log is on disk")
@pytest.mark.timeout(120)
def test_a_confirmed_answer_outlives_a_crash(
    protocol: str, own_server: OwnServer, own_target: Target
) -> None:
    """v2 and v3 confirm unless told not to, v1 if told to; a crash right after the answer."""
    own_target.call("clear_all")
    (name,) = (full for full in own_target.protocols if short_name(full) == protocol)
    options: dict[str, Any] = {} if protocol in BATCHED else {"confirmed": True}
    with blocking.connect(
        own_target.url, own_target.database, own_target.module, protocols={name}, **options
    ) as client:
        client.subscribe("SELECT * FROM pk_u_32")
        seen: list[int] = []
        client.db.pk_u_32.on_insert(lambda ctx, row: seen.append(row.key))
        for key in range(CALLS):
            client.call(client.module.reducers.insert_pk_u_32(key, 0))
        own_server.kill()
    assert seen == [*range(CALLS)]
    own_server.restart()
    there = own_target.sql("SELECT * FROM pk_u_32", "pk_u_32")
    assert sorted(row.key for row in there) == seen


@pytest.mark.parametrize("confirmed", [True, False])
def test_both_ways_give_the_same_rows(protocol: str, target: Target, confirmed: bool) -> None:
    (name,) = (full for full in target.protocols if short_name(full) == protocol)
    with blocking.connect(
        target.url, target.database, target.module, protocols={name}, confirmed=confirmed
    ) as client:
        client.subscribe("SELECT * FROM attempt")
        for text in ("a", "b"):
            client.call(client.module.reducers.insert_attempt(text))
        assert sorted(row.text for row in client.db.attempt) == ["a", "b"]
        assert len(client.query("SELECT * FROM attempt")) == 2
