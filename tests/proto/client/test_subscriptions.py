"""Subscription handles by themselves."""

from __future__ import annotations

import pytest

from spacetime_proto.client.subscriptions import Subscription, query_text
from spacetime_proto.errors import LocalProtocolError
from tests.support.golden import golden_module


def test_query_text() -> None:
    assert query_text("SELECT 1") == "SELECT 1"
    assert query_text(golden_module("quickstart-chat").tables.user) == 'SELECT * FROM "user"'

    class WithText:
        sql = "SELECT 2"

    class WithMethod:
        def sql(self) -> str:
            return "SELECT 3"

    class WithNonsense:
        sql = 5

    assert query_text(WithText()) == "SELECT 2"
    assert query_text(WithMethod()) == "SELECT 3"
    with pytest.raises(LocalProtocolError, match="not WithNonsense"):
        query_text(WithNonsense())


def test_a_subscription_without_a_session_cannot_end() -> None:
    with pytest.raises(LocalProtocolError, match="no session"):
        Subscription(["q"]).unsubscribe()


def test_one_without_a_driver_takes_any_callback_at_its_end() -> None:
    asked: list[Subscription] = []
    subscription = Subscription(["SELECT * FROM user"])
    subscription.bind(asked.append)
    subscription.unsubscribe(lambda ctx: None)
    assert asked == [subscription]
