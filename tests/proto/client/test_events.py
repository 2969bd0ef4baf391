"""Events as values."""

from __future__ import annotations

from spacetime_proto.client.meaning import Greeting
from tests.support.script import CONNECTION_ID, IDENTITY, TOKEN


def test_no_repr_of_a_greeting_has_the_token() -> None:
    assert TOKEN not in repr(Greeting(IDENTITY, CONNECTION_ID, TOKEN))
