"""The escape rule: every name becomes an identifier, once and for all."""

from __future__ import annotations

import keyword
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.sats.names import python_name, python_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("id", "id"),
        ("class", "class_"),
        ("None", "None_"),
        ("mro", "mro_"),
        ("match", "match"),
        ("", "unnamed"),
        ("__", "unnamed"),
        ("_", "unnamed"),
        ("_a", "_a"),
        ("__init__", "init__"),
        ("_x_", "x_"),
        ("__x", "x"),
        ("__1__", "_1"),
        ("__class", "class_"),
        ("1st", "_1st"),
        ("²", "_2"),
        ("a-b c", "a_b_c"),
        ("x\nimport os", "x_import_os"),
        ("é", "é"),
        ("ﬁ", "fi"),
        ("\ud800", "unnamed"),
        ("\ud800a", "_a"),
        ("namespace.table", "namespace_table"),
    ],
)
def test_rule(name: str, expected: str) -> None:
    """The rule by example."""
    assert python_name(name) == expected


@settings(deadline=None)
@given(st.text(st.characters()) | st.text("_1aé.", max_size=5))
def test_result_is_an_identifier(name: str) -> None:
    """For any text: an identifier as Python reads it, no keyword, never mangled, escaped once."""
    escaped = python_name(name)
    assert escaped.isidentifier()
    assert not keyword.iskeyword(escaped)
    assert not escaped.startswith("__")
    assert unicodedata.normalize("NFKC", escaped) == escaped
    assert python_name(escaped) == escaped


@settings(deadline=None)
@given(st.lists(st.none() | st.text("_1aé.", max_size=3)))
def test_names_side_by_side_are_distinct(names: list[str | None]) -> None:
    """Names that clash once escaped are kept apart."""
    found = python_names(names)
    assert len(set(found)) == len(found) == len(names)
    assert all(name.isidentifier() for name in found)
    assert not any(name.startswith("_") and name.endswith("_") for name in found)


def test_clashes_in_order() -> None:
    """The first keeps its name."""
    assert python_names(("a.b", "a_b", "a_b_", None)) == ("a_b", "a_b_", "a_b__", "field_3")
    assert python_names(("_a", "_a", "_a", "1")) == ("_a", "_a_2", "_a_3", "_1")
    assert python_names((None, "x"), prefix="arg_", reserved=["x"]) == ("arg_0", "x_")
