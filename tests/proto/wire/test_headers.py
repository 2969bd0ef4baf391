from __future__ import annotations

from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.wire.headers import Headers, check_target, head_size


def test_a_mapping_pairs_and_headers_are_all_accepted() -> None:
    expected = Headers([("Accept", "text/plain"), ("X-A", "")])
    assert Headers({"Accept": "text/plain", "X-A": ""}) == expected
    assert Headers(expected) == expected
    assert hash(Headers(expected)) == hash(expected)
    assert expected != [("Accept", "text/plain")]
    assert len(expected) == 2
    assert list(expected) == [("Accept", "text/plain"), ("X-A", "")]


@pytest.mark.parametrize("fields", [5, {"X": 5}, {5: "x"}, [("X",)], [("X", b"y")], None])
def test_what_is_no_pairs_of_text_is_refused(fields: Any) -> None:
    with pytest.raises(LocalProtocolError, match="headers must be a mapping of text to text"):
        Headers(fields)


def test_lookup_ignores_case_and_tokens_join_fields() -> None:
    headers = Headers([("Connection", "keep-alive, Upgrade"), ("connection", "X,, y ")][:1])
    more = Headers.received([(b"Connection", b"keep-alive, Upgrade"), (b"connection", b"x,,y")])
    assert headers.get("connection") == "keep-alive, Upgrade"
    assert headers.get("upgrade") is None
    assert headers.get("upgrade", "?") == "?"
    assert more.tokens("CONNECTION") == ["keep-alive", "Upgrade", "x", "y"]
    assert "CONNECTION" in more
    assert "nothing" not in more
    assert 3 not in more


def test_received_headers_are_lower_case_and_latin_1() -> None:
    headers = Headers.received([(b"X-Name", b"caf\xe9")])
    assert list(headers) == [("x-name", "caf\u00e9")]
    assert headers.raw() == [(b"x-name", b"caf\xe9")]


@pytest.mark.parametrize(
    "value",
    ["secret\r\nX: y", "secret\ny", "secret\0", " secret", "secret ", "secret\u00e9", "secret\x7f"],
)
def test_a_value_that_could_break_a_line_is_refused_and_not_quoted(value: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Headers([("Authorization", value)])
    assert "secret" not in str(caught.value)
    assert "Authorization" in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\n", "caf\u00e9", "(x)"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="not a name"):
        Headers([(name, "x")])


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=20)), max_size=3))
def test_whatever_is_given_no_line_break_gets_through(fields: list[tuple[str, str]]) -> None:
    try:
        headers = Headers(fields)
    except LocalProtocolError:
        return
    h11.Request(method="GET", target="/", headers=[*headers.raw(), (b"Host", b"x")][-1:])
    for name, value in headers.raw():
        assert not set(name + value) & set(b"\r\n\0")


def test_secrets_are_hidden_in_the_repr() -> None:
    headers = Headers(
        {"Authorization": "Bearer abc", "spacetime-identity-token": "abc", "Accept": "x"}
    )
    assert "abc" not in repr(headers)
    assert "('Accept', 'x')" in repr(headers)


def test_targets() -> None:
    assert check_target("/v1/a%20b?c=d") == "/v1/a%20b?c=d"
    for bad in ("", "/a b", "/a\r\n", "/\u00e9"):
        with pytest.raises(LocalProtocolError, match="%-encoded"):
            check_target(bad)


def test_head_size_counts_names_values_and_separators() -> None:
    event = h11.Request(method="GET", target="/", headers=[("Host", "ab"), ("X", "")])
    assert head_size(event) == (4 + 2 + 4) + (1 + 0 + 4)
