"""`query_value`: a view's result as SQL."""

from __future__ import annotations

from typing import get_args, get_origin

from spacetime_proto.server import Query


def test_a_query_is_a_value_and_an_annotation() -> None:
    assert Query("SELECT 1") == Query("SELECT 1")
    assert (get_origin(Query[int]), get_args(Query[int])) == (Query, (int,))
