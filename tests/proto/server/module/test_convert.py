"""`convert`: module values to wire values and back."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from spacetime_proto.errors import EncodeError
from spacetime_proto.sats.algebraic import RefType
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.server import U8, sum_type
from spacetime_proto.server.module.annotations import TypeRegistry
from spacetime_proto.server.module.convert import Converters
from spacetime_proto.types import Err, Ok, Some


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


@dataclass(frozen=True, kw_only=True)
class Leaf:
    color: Color
    weight: U8


@sum_type
class Thing:
    One: Leaf
    Number: int
    Nothing: None


@dataclass(frozen=True, kw_only=True)
class Empty:
    pass


@dataclass(frozen=True, kw_only=True)
class Everything:
    plain: int
    maybe: Color | None
    many: list[Leaf]
    thing: Thing
    nested: Some[Color | None] | None
    good: Ok[Color] | Err[Leaf]
    simple: Ok[int] | Err[str]
    numbers: list[int]
    noted: Annotated[Color, "a remark"]
    again: list[Everything]
    empty: Empty


THING: Any = Thing
LEAF = Leaf(color=Color.GREEN, weight=3)


def everything(**changes: Any) -> Everything:
    values: dict[str, Any] = {
        "plain": 1,
        "maybe": Color.RED,
        "many": [LEAF],
        "thing": THING.One(LEAF),
        "nested": Some(Color.GREEN),
        "good": Ok(Color.RED),
        "simple": Ok(1),
        "numbers": [1, 2],
        "noted": Color.GREEN,
        "again": [],
        "empty": Empty(),
    }
    return Everything(**{**values, **changes})


def converters() -> tuple[Converters, Any]:
    registry = TypeRegistry()
    ref = registry.ref(Everything)
    names = {definition.ref: definition.name for definition in registry.type_defs()}
    context = TypeContext(registry.typespace, names)
    return Converters(registry, context), context.codec(RefType(ref))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"maybe": None, "nested": None, "many": [], "thing": THING.Nothing()},
        {"nested": Some(None), "good": Err(LEAF), "simple": Err("no"), "thing": THING.Number(5)},
        {"again": [everything(), everything(maybe=None)]},
    ],
)
def test_values_survive_the_wire(changes: dict[str, Any]) -> None:
    value = everything(**changes)
    made, codec = converters()
    to_wire, from_wire = made.product(Everything)
    assert from_wire(codec.decode_exact(codec.encode(to_wire(value)))) == value


def test_plain_types_need_no_conversion() -> None:
    made, _ = converters()
    for annotation in (
        int,
        str,
        list[int],
        int | None,
        Some[int | None] | None,
        Ok[int] | Err[str],
    ):
        converter = made.of(annotation)
        assert (converter.to_wire, converter.from_wire) == (None, None)


def test_columns_have_a_conversion_where_they_need_one() -> None:
    made, _ = converters()
    needs = [convert is not None for convert in made.columns(Everything)]
    assert needs == [False, True, True, True, True, True, False, False, True, True, True]
    assert len(made.typespace.types) == 5


@pytest.mark.parametrize(
    "changes",
    [{"noted": "g"}, {"noted": []}, {"thing": LEAF}, {"many": [Empty()]}],
)
def test_values_of_other_classes_are_refused(changes: dict[str, Any]) -> None:
    made, _ = converters()
    to_wire, _ = made.product(Everything)
    with pytest.raises(EncodeError, match=r"is not a (Color|Thing|Leaf)"):
        to_wire(everything(**changes))
