"""Case conversion as the host does it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.schema.case import (
    camel_case,
    pascal_case,
    python_name,
    python_names,
    snake_case,
    split_words,
)


@pytest.mark.parametrize(
    ("name", "snake", "pascal", "camel"),
    [
        ("player1", "player_1", "Player1", "player1"),
        ("one_u8", "one_u_8", "OneU8", "oneU8"),
        ("Player1Id", "player_1_id", "Player1Id", "player1Id"),
        ("currentLevel2", "current_level_2", "CurrentLevel2", "currentLevel2"),
        ("HTTPRequest", "http_request", "HttpRequest", "httpRequest"),
        ("BannedUntil", "banned_until", "BannedUntil", "bannedUntil"),
        ("Active1", "active_1", "Active1", "active1"),
        ("BTreeU32", "b_tree_u_32", "BTreeU32", "bTreeU32"),
        ("__a-b c__", "a_b_c", "ABC", "aBC"),
        ("2fast", "2_fast", "2Fast", "2Fast"),
        ("URL", "url", "Url", "url"),
        ("aB", "a_b", "AB", "aB"),
        ("日本", "日本", "日本", "日本"),
        ("日2", "日2", "日2", "日2"),
        ("", "", "", ""),
        ("_", "", "", ""),
    ],
)
def test_conversions(name: str, snake: str, pascal: str, camel: str) -> None:
    """The examples of docs/protocol.md section 8.5 and the corners of its rule."""
    assert (snake_case(name), pascal_case(name), camel_case(name)) == (snake, pascal, camel)


@settings(deadline=None)
@given(st.text("aB1_- é", max_size=8))
def test_snake_case_settles(name: str) -> None:
    """A converted name stays as it is, and keeps every character but separators."""
    once = snake_case(name)
    assert snake_case(once) == once
    assert "".join(split_words(name)) == "".join(char for char in name if char not in "_- ")


def test_the_escape_rule_is_here_too() -> None:
    """For those who look for it beside the conversions."""
    assert python_name("class") == "class_"
    assert python_names(("a", "a")) == ("a", "a_")
