"""A module that has a column of every kind of type, and rows of it."""

from __future__ import annotations

from typing import Any

from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    SCHEDULE_AT,
    TIME_DURATION,
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
from spacetime_proto.types import (
    ConnectionId,
    Err,
    Identity,
    ScheduleAt,
    Some,
    TimeDuration,
    Timestamp,
    Uuid,
)
from tests.support.modules import make_module, product

U8, U64, I32, F32, F64, STRING, BOOL, U256, I128 = map(
    Primitive, ("U8", "U64", "I32", "F32", "F64", "String", "Bool", "U256", "I128")
)

POSITION, COLOR, SHAPE, TREE, PLAYER, CLASH = map(RefType, range(6))

MODULE = make_module(
    {
        "Position": product(x=I32, y=I32),
        "Color": SumType((Variant("red", UNIT), Variant("green", UNIT))),
        "Shape": SumType(
            (
                Variant("Circle", F64),
                Variant("Path", ArrayType(POSITION)),
                Variant("Empty", UNIT),
            )
        ),
        "Tree": product(name=STRING, children=ArrayType(TREE)),
        "Player": product(
            identity=IDENTITY,
            connection=CONNECTION_ID,
            name=STRING,
            level=U8,
            gold=U256,
            debt=I128,
            online=BOOL,
            speed=F32,
            weight=F64,
            avatar=BYTES,
            position=POSITION,
            color=COLOR,
            shape=SHAPE,
            since=TIMESTAMP,
            played=TIME_DURATION,
            key=UUID,
            wake=SCHEDULE_AT,
            nick=option(STRING),
            deep=option(option(U8)),
            outcome=result(U8, STRING),
            tags=ArrayType(STRING),
            nothing=UNIT,
            tree=TREE,
        ),
        "Clash": product(to_dict=STRING, from_dict=U8, keys=ArrayType(U64)),
    },
    {"player": "Player", "clash": "Clash", "position": "Position"},
)

#: What `to_dict` makes of `player`.
PLAYER_DICT: dict[str, Any] = {
    "identity": "c2" + 62 * "0",
    "connection": 31 * "0" + "7",
    "name": "né",
    "level": 200,
    "gold": (1 << 256) - 1,
    "debt": -(1 << 127),
    "online": True,
    "speed": 0.5,
    "weight": "-Infinity",
    "avatar": "00ff",
    "position": {"x": 1, "y": -2},
    "color": "green",
    "shape": {"Path": [{"x": 3, "y": 4}]},
    "since": "2024-05-01T12:00:00.000001Z",
    "played": "-PT90.5S",
    "key": "00000000-0000-0000-0000-000000000102",
    "wake": {"Interval": "PT1S"},
    "nick": None,
    "deep": {"some": None},
    "outcome": {"err": "no"},
    "tags": ["a", "b"],
    "nothing": [],
    "tree": {"name": "root", "children": [{"name": "leaf", "children": []}]},
}


def player(types: Any, **changes: Any) -> Any:
    """Return a row of table ``player``; `types` has the classes of a module as attributes."""
    fields: dict[str, Any] = {
        "identity": Identity(b"\xc2" + bytes(31)),
        "connection": ConnectionId.from_int(7),
        "name": "né",
        "level": 200,
        "gold": (1 << 256) - 1,
        "debt": -(1 << 127),
        "online": True,
        "speed": 0.5,
        "weight": float("-inf"),
        "avatar": b"\0\xff",
        "position": types.Position(x=1, y=-2),
        "color": types.Color.green,
        "shape": types.Shape.Path([types.Position(3, 4)]),
        "since": Timestamp(1_714_564_800_000_001),
        "played": TimeDuration(-90_500_000),
        "key": Uuid.from_int(258),
        "wake": ScheduleAt.Interval(TimeDuration(1_000_000)),
        "nick": None,
        "deep": Some(None),
        "outcome": Err("no"),
        "tags": ["a", "b"],
        "nothing": (),
        "tree": types.Tree("root", [types.Tree("leaf", [])]),
    }
    return types.Player(**fields | changes)


__all__ = ["MODULE", "PLAYER_DICT", "player"]
