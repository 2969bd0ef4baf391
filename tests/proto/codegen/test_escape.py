"""Schema text inside source: whatever it is, it stays where it was put."""

from __future__ import annotations

import ast
import io
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.codegen.escape import WIDTH, docstring, literal, plain

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
EVIL = [
    '"""',
    "'''",
    "\\",
    '\\"""',
    "a\nb",
    "\r",
    "\x00",
    "\u2028",
    '" + evil() + "',
    "{x}",
    "\ud800",
]


@given(st.one_of(ANY_TEXT, st.sampled_from(EVIL)))
def test_a_literal_reads_back_as_the_same_text(text):
    written = literal(text)
    assert written.isascii()
    assert "\n" not in written
    assert ast.literal_eval(written) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("user", '"user"'),
        ('say "hi"', "'say \"hi\"'"),
        ("it's", '"it\'s"'),
        ("'\"", '"\'\\""'),
        ("\n\t\r\x07", '"\\n\\t\\r\\x07"'),
        ("é€𝄞", '"\\xe9\\u20ac\\U0001d11e"'),
    ],
)
def test_literals_are_quoted_as_formatters_do(text, written):
    assert literal(text) == written


@given(st.one_of(ANY_TEXT, st.sampled_from(EVIL)))
def test_plain_text_cannot_end_a_comment_or_a_docstring(text):
    shown = plain(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert '"' not in shown
    assert "\\" not in shown
    assert len(shown) <= 123


def test_plain_shortens_and_replaces():
    assert plain("x" * 200) == "x" * 120 + "..."
    assert plain('a"b\\cé') == "a?b?c?"


@given(st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_a_docstring_is_one_token(texts):
    shown = [plain(text) for text in texts]
    source = "\n".join([*docstring(*shown), "x = 1"]) + "\n"
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type in (tokenize.STRING, tokenize.NAME)
    ]
    assert [token.type for token in tokens] == [tokenize.STRING, tokenize.NAME]


def test_docstrings_are_wrapped_and_indented():
    assert docstring("One.", indent="    ") == ['    """One."""']
    assert docstring("") == ['""""""']
    lines = docstring("word " * 40, "First\n\nSecond", indent="    ")
    assert lines[0].startswith('    """word')
    assert lines[-5:] == ["", "    First", "", "    Second", '    """']
    assert max(map(len, lines)) <= WIDTH
