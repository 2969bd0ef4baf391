"""`environment_headers`: what the official parser and encoder make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LocalProtocolError
from spacetime_proto.wire.environment_headers import (
    ENVIRONMENT,
    decode_environment,
    decode_removals,
    encode_environment,
    encode_removals,
    parse_assignments,
)
from spacetime_proto.wire.headers import Headers
from tests.support.golden import GOLDEN

CASES = json.loads((GOLDEN / "environment" / "headers.json").read_text())


def result_of(case: dict[str, Any]) -> Any:
    """Return what we make of the headers, in the form of the official parser's result."""
    try:
        if case["header"] == ENVIRONMENT:
            return decode_environment(case["values"])
        removals = decode_removals(case["values"])
    except DecodeError:
        return None
    return "All" if removals == "all" else {"Keys": list(removals)} if removals else "No"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['header']} {case['values']}")
def test_every_case_of_the_official_parser(case: dict[str, Any]) -> None:
    assert result_of(case) == case["result"]


def test_the_official_encoding() -> None:
    values = {
        "PEM": "a\nb\0",
        "API_KEY": "abc123",
        "EMPTY": "",
        "GREETING": 'h\u00e9llo, "w" \\ \U0001f600\r\t\x7f',
        "QUOTE": "it's",
        "URL": "https://x.io/a?b=1&c=%20",
        "_PADDED": "  padded  ",
    }
    fields = encode_environment(values)
    assert {name for name, _ in fields} == {ENVIRONMENT}
    assert [text for _, text in fields] == [
        "API_KEY=abc123",
        "EMPTY=",
        'GREETING="h\\u00e9llo, \\"w\\" \\\\ \\ud83d\\ude00\\r\\t\\u007f"',
        'PEM="a\\nb\\u0000"',
        'QUOTE="it\'s"',
        "URL=https://x.io/a?b=1&c=%20",
        '_PADDED="  padded  "',
    ]
    assert decode_environment(", ".join(text for _, text in fields).split("\n")) == values


@given(
    st.dictionaries(
        st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True),
        st.text(st.characters(codec="utf-8"), max_size=40),
        max_size=5,
    )
)
def test_what_is_written_is_read_and_may_stand_in_a_header(values: dict[str, str]) -> None:
    fields = Headers(encode_environment(values))
    assert decode_environment(text for _, text in fields) == values


def test_removals_are_written_in_one_header() -> None:
    assert encode_removals(["FOO", "_bar"]) == [("spacetime-environment-remove", "FOO, _bar")]
    assert encode_removals("all") == [("spacetime-environment-remove", "*")]
    assert encode_removals(()) == []
    with pytest.raises(LocalProtocolError, match="a list of them"):
        encode_removals("FOO")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("", "x", 'key "": invalid name'),
        ("1A", "x", 'key "1A": invalid name'),
        ("A-B", "x", "invalid name"),
        ("\u00c4", "x", "invalid name"),
        ("A\n", "x", r'"A\\n": invalid name'),
        (7, "x", "invalid name"),
        ("A" * 257, "x", "invalid name"),
        ("A", 5, "the value must be a str, not int"),
        ("A", "\ud800", "no Unicode text"),
        ("A", "s3cret" + "\u20ac" * 2800, r"value exceeds size limit \(8406 bytes"),
    ],
)
def test_what_cannot_be_sent(key: Any, value: Any, text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text) as raised:
        encode_environment({key: value})
    assert "s3cret" not in str(raised.value)
    assert encode_environment({"A" * 256: "x" * 8192})


@pytest.mark.parametrize(
    "text",
    [
        "s3cret",
        "A=s3cret 2",
        "A='s3cret",
        'A="s3cret',
        "A='s3cret'x",
        'A="s3cret\\q"',
        "A=s3cret\u20ac",
        "A='s3cret\u20ac'",
        'A="s3cret\\ud800"',
        "A=" + "s3cret" * 1366,
        "A" * 257 + "=s3cret",
    ],
)
def test_errors_do_not_tell_values(text: str) -> None:
    with pytest.raises(DecodeError, match=ENVIRONMENT) as raised:
        decode_environment([text])
    assert "s3cret" not in str(raised.value)


def test_a_header_of_removals_holds_ascii_only() -> None:
    for text in ("\u00c4", "A" * 257, "A B"):
        with pytest.raises(DecodeError):
            decode_removals([text])


def test_text_outside_of_headers_may_be_unicode_in_quotes() -> None:
    assert parse_assignments("A='\u20ac' , B=\"\u20ac\"", "line 1") == [
        ("A", "\u20ac"),
        ("B", "\u20ac"),
    ]
    with pytest.raises(DecodeError, match="line 1"):
        parse_assignments("A=\u20ac", "line 1")
