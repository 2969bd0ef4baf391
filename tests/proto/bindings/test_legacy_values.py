"""Values in the forms of the 0.7 SDK."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.bindings.legacy_registry import old_arguments
from spacetime_proto.bindings.legacy_values import from_old, to_old
from spacetime_proto.client.pending_call import Call
from spacetime_proto.errors import EncodeError
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    TIMESTAMP,
    UNIT,
    UUID,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Variant,
    option,
    result,
)
from spacetime_proto.schema.model import ReducerDef
from spacetime_proto.types import ConnectionId, Err, Identity, Ok, Some, Timestamp, Uuid
from tests.support.modules import make_module, product

U8, STRING = Primitive("U8"), Primitive("String")
POINT = product(x=Primitive("I32"), y=Primitive("I32"))
TYPES = {
    "Point": POINT,
    "Color": SumType((Variant("Red", UNIT), Variant("Green", UNIT))),
    "Shape": SumType((Variant("Dot", UNIT), Variant("At", RefType(0)))),
    "Path": product(**{"class": STRING, "points": ArrayType(RefType(0))}),
}
MODULE = dynamic_module(
    make_module(TYPES, {}, [ReducerDef("draw", "draw", product(path=RefType(3), note=STRING))])
)
CLASSES = MODULE.bound.types.classes
Point, Color, Shape, Path = (CLASSES[ref] for ref in range(4))
ME = Identity.from_int(7)
HERE = ConnectionId.from_int(8)


@pytest.mark.parametrize(
    ("ty", "value", "old"),
    [
        (STRING, "x", "x"),
        (U8, 3, 3),
        (IDENTITY, ME, ["00" * 31 + "07"]),
        (CONNECTION_ID, HERE, ["00" * 15 + "08"]),
        (UUID, Uuid.from_int(1), ["00" * 15 + "01"]),
        (TIMESTAMP, Timestamp(5), 5),
        (BYTES, b"\x01\xff", "01ff"),
        (ArrayType(RefType(0)), [Point(1, 2)], [[1, 2]]),
        (option(STRING), "x", {"0": "x"}),
        (option(STRING), None, {"1": []}),
        (option(option(U8)), Some(None), {"0": {"1": []}}),
        (result(U8, STRING), Ok(1), {"0": 1}),
        (result(U8, STRING), Err("no"), {"1": "no"}),
        (RefType(1), Color.Green, {"1": []}),
        (RefType(2), Shape.Dot(), {"0": []}),
        (RefType(2), Shape.At(Point(1, 2)), {"1": [1, 2]}),
        (RefType(3), Path("a", [Point(1, 2)]), ["a", [[1, 2]]]),
    ],
)
def test_what_a_row_is_written_as(ty: Any, value: Any, old: Any) -> None:
    assert to_old(MODULE.bound.types, ty, value) == old


@pytest.mark.parametrize(
    ("ty", "given", "value"),
    [
        (STRING, "x", "x"),
        (RefType(0), {"x": 1, "y": 2}, Point(1, 2)),
        (RefType(0), [1, 2], Point(1, 2)),
        (RefType(0), Point(1, 2), Point(1, 2)),
        (RefType(3), {"class": "a", "points": [{"x": 1, "y": 2}]}, Path("a", [Point(1, 2)])),
        (RefType(3), {"class_": "a", "points": ({"x": 1, "y": 2},)}, Path("a", [Point(1, 2)])),
        (option(RefType(0)), {"x": 1, "y": 2}, Point(1, 2)),
        (option(RefType(0)), None, None),
        (option(option(U8)), Some(1), Some(1)),
        (IDENTITY, ME, ME),
        (IDENTITY, "00" * 31 + "07", ME),
        (IDENTITY, ["00" * 31 + "07"], ME),
        (CONNECTION_ID, "00" * 15 + "08", HERE),
        (TIMESTAMP, 5, Timestamp(5)),
        (TIMESTAMP, Timestamp(5), Timestamp(5)),
        (RefType(1), Color.Red, Color.Red),
        (ArrayType(U8), b"ab", b"ab"),
        (ArrayType(STRING), "ab", "ab"),  # no list: the codec says so
        (UNIT, [], []),
    ],
)
def test_what_a_reducer_takes(ty: Any, given: Any, value: Any) -> None:
    assert from_old(MODULE.bound.types, ty, given, "it") == value


@pytest.mark.parametrize(
    ("ty", "given", "said"),
    [
        (RefType(0), {"x": 1}, "field 'y' is missing in it"),
        (RefType(0), {"x": 1, "y": 2, "z": 3}, "there is no field 'z' in it"),
        (RefType(0), [1], "2 fields, not 1 in it"),
        (ArrayType(RefType(0)), [[1, 2], [1]], r"2 fields, not 1 in it\[1\]"),
        (IDENTITY, "zz", "no Identity: .* in it"),
        (RefType(3), {"class": "a", "points": [{"x": 1}]}, r"'y' is missing in it.points\[0\]"),
    ],
)
def test_what_does_not_fit_is_named(ty: Any, given: Any, said: str) -> None:
    with pytest.raises(EncodeError, match=said):
        from_old(MODULE.bound.types, ty, given, "it")


def test_the_arguments_of_a_call() -> None:
    call: Call[Any] = Call("reducer", "draw", ({"class": "a", "points": []}, "x"))
    assert old_arguments(MODULE, call) == Call("reducer", "draw", (Path("a", []), "x"))
    short: Call[Any] = Call("reducer", "draw", ())
    assert old_arguments(MODULE, short) is short
    with pytest.raises(EncodeError, match="'points' is missing in path of arguments of draw"):
        old_arguments(MODULE, Call("reducer", "draw", ({"class": "a"}, "x")))
