"""Reading schema JSON: paths in every error."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import (
    BYTES,
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Variant,
    option,
)
from spacetime_proto.schema.reader import Reader, type_to_json

U8 = Primitive("U8")


@pytest.mark.parametrize(
    "ty",
    [
        U8,
        UNIT,
        BYTES,
        RefType(3),
        option(Primitive("String")),
        ProductType((Element("a", U8), Element(None, RefType(0)))),
        SumType((Variant("a", UNIT), Variant(None, ArrayType(U8)))),
    ],
)
def test_types(ty: Any) -> None:
    """To JSON and back."""
    assert Reader(type_to_json(ty)).type() == ty


def test_values() -> None:
    """What each method returns."""
    top = Reader({"a": [1, 2], "b": {"some": "x"}, "c": {"none": []}, "d": None, "e": True})
    assert top["a"].numbers() == (1, 2)
    assert top["b"].optional_text() == "x"
    assert (
        top["c"].optional_text() is top["d"].optional_text() is top["c"].optional_number() is None
    )
    assert Reader({"some": 5}).optional_number() == 5
    assert top["e"].flag() is True
    assert top.get("e", False).flag() is True
    assert top.get("f", False).flag() is False
    assert (top.has("a"), top.has("f"), top["a"].has("a")) == (True, False, False)
    assert Reader("00ff").hex() == Reader([0, 255]).hex() == b"\0\xff"
    name, payload = Reader({"Unique": {"columns": [0]}}).variant()
    assert (name, payload["columns"].numbers(), payload.path) == ("Unique", (0,), "Unique")


def _at(*path: Any) -> Any:
    def read(top: Reader) -> Reader:
        for step in path:
            top = list(top.items())[step] if isinstance(step, int) else top[step]
        return top

    return read


@pytest.mark.parametrize(
    ("value", "read", "message"),
    [
        ([], lambda top: top["a"], "an object expected at the top, not list"),
        ({}, lambda top: top["a"], "no 'a'"),
        ({"a": [{"b": {}}]}, lambda top: _at("a", 0, "b")(top)["c"], r"no 'c' at a\[0\]\.b"),
        ({"a": None}, lambda top: top["a"].text(), "a string expected at a, not null"),
        ({"a": 1}, lambda top: top["a"].text(), "a string expected at a, not int"),
        ({"a": True}, lambda top: top["a"].number(), "an integer expected at a, not bool"),
        ({"a": 1.5}, lambda top: top["a"].number(), "an integer expected at a, not float"),
        ({"a": 1}, lambda top: top["a"].flag(), "a boolean expected at a, not int"),
        ({"a": {}}, lambda top: list(top["a"].items()), "an array expected at a, not dict"),
        ({"a": 1, "b": 2}, lambda top: top.variant(), "an object with one key expected at the top"),
        ({"maybe": 1}, lambda top: top.option(), "some or none expected at the top"),
        ({"a": "0x00"}, lambda top: top["a"].hex(), "hexadecimal digits expected at a"),
        ({"a": [256]}, lambda top: top["a"].hex(), "hexadecimal digits expected at a"),
        ({"U7": []}, lambda top: top.type(), "unknown type 'U7' at "),
        ({"Ref": "x"}, lambda top: top.type(), "an integer expected at Ref"),
        (
            {"Product": {"elements": [{"name": {"none": []}}]}},
            lambda top: top.type(),
            r"no 'algebraic_type' at Product\.elements\[0\]",
        ),
    ],
)
def test_errors_have_a_path(value: Any, read: Any, message: str) -> None:
    """Whatever is wrong, the sentence says where."""
    with pytest.raises(SchemaError, match=message):
        read(Reader(value))


def test_types_may_nest_128_levels() -> None:
    """Not more; the path in the error is cut."""
    value: Any = {"U8": []}
    for _ in range(128):
        value = {"Array": value}
    Reader(value).type()
    for wrap in (
        {"Array": value},
        {"Product": {"elements": [{"name": {"none": []}, "algebraic_type": value}]}},
        {"Sum": {"variants": [{"name": {"none": []}, "algebraic_type": value}]}},
    ):
        with pytest.raises(SchemaError, match="types nest too deep at") as refused:
            Reader(wrap).type()
        assert len(str(refused.value)) < 200
