"""What rows, structs and sums can do, of generated bindings and of those made at run time."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import uuid
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from spacetime_proto import json_default
from spacetime_proto.bindings import Struct, dynamic_module
from spacetime_proto.errors import EncodeError, LocalProtocolError
from spacetime_proto.types import Identity, Ok, ScheduleAt, Some, TimeDuration, Timestamp
from tests.support.values_module import MODULE, PLAYER_DICT, player

# --- dictionaries -------------------------------------------------------------------------------


def test_a_row_becomes_builtins(types):
    assert player(types).to_dict() == PLAYER_DICT
    assert json.loads(json.dumps(player(types).to_dict(), allow_nan=False)) == PLAYER_DICT


def test_and_comes_back(types):
    row = player(types)
    assert types.Player.from_dict(row.to_dict()) == row
    assert types.Player.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_python_objects_are_kept_if_wanted(types):
    row = player(types)
    found = row.to_dict(values="python")
    assert (
        found
        | {
            "identity": row.identity,
            "connection": row.connection,
            "color": types.Color.green,
            "avatar": b"\0\xff",
            "weight": float("-inf"),
            "since": datetime(2024, 5, 1, 12, 0, 0, 1, tzinfo=timezone.utc),  # noqa: UP017
            "played": timedelta(seconds=-90.5),
            "key": uuid.UUID(int=258),
            "wake": {"Interval": timedelta(seconds=1)},
        }
        == found
    )
    assert types.Player.from_dict(found) == row
    assert json.dumps(found | {"weight": 0}, default=json_default) == json.dumps(
        row.to_dict() | {"weight": 0}
    )


def test_a_timestamp_beyond_datetime_stays_one(types):
    row = player(types, since=Timestamp(2**63 - 1))
    assert row.to_dict()["since"] == "+294247-01-10T04:00:54.775807Z"
    assert row.to_dict(values="python")["since"] == row.since
    for form in ("json", "python"):
        assert types.Player.from_dict(row.to_dict(values=form)) == row


def test_structs_and_sums_have_the_same(types):
    assert types.Position(1, 2).to_dict() == {"x": 1, "y": 2}
    assert types.Position.from_dict({"x": 1, "y": 2}) == types.Position(1, 2)
    for shape, form in [
        (types.Shape.Circle(1.5), {"Circle": 1.5}),
        (types.Shape.Empty(), {"Empty": None}),
        (types.Shape.Path([types.Position(1, 2)]), {"Path": [{"x": 1, "y": 2}]}),
    ]:
        assert shape.to_dict() == form
        assert types.Shape.from_dict(form) == shape
        assert type(shape).from_dict(form) == shape
    with pytest.raises(EncodeError, match="a Shape_Empty expected, not a Shape_Circle"):
        types.Shape.Empty.from_dict({"Circle": 1})


def test_columns_named_like_the_methods_get_an_underscore(types):
    row = types.Clash(to_dict_="a", from_dict_=1, keys=[2])
    assert row.to_dict() == {"to_dict_": "a", "from_dict_": 1, "keys": [2]}
    assert types.Clash.from_dict(row.to_dict()) == row


def test_instances_may_stand_for_their_dictionaries(types):
    data = PLAYER_DICT | {"position": types.Position(5, 6), "identity": Identity(bytes(32))}
    row = types.Player.from_dict(data)
    assert row.position.x == 5
    assert types.Player.from_dict(row) is row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": {"x": 1 << 31, "y": 0}}, r"number out of range for I32 .* in Player\.position\.x"),
        ({"shape": {"Path": [{"x": 1, "y": "2"}]}}, r"an int expected, not str in Player.shape.Path\[0\]\.y"),
        ({"position": {"x": 1}}, r"the fields of Position do not fit \(missing: y\) in Player.position"),
        ({"nam": "x"}, r"the fields of Player do not fit \(unknown: nam\) in Player"),
        ({"level": True}, "an int expected, not bool in Player.level"),
        ({"level": -1}, "out of range for U8"),
        ({"online": 1}, "a bool expected, not int in Player.online"),
        ({"name": 1}, "a str expected, not int"),
        ({"name": "\ud800"}, "surrogates not allowed in Player.name"),
        ({"speed": "1"}, "a number expected, not str in Player.speed"),
        ({"speed": 1e39}, "number out of range for F32"),
        ({"weight": 10**400}, "number out of range for F64"),
        ({"avatar": "0"}, "an even number of hexadecimal digits expected in Player.avatar"),
        ({"avatar": 1}, "bytes or hexadecimal text expected, not int"),
        ({"color": "blue"}, "Color has no 'blue'; there are: red, green in Player.color"),
        ({"color": 1}, "the name of a Color expected, not int"),
        ({"shape": {"Square": 1}}, "one key of Circle, Path, Empty expected, not 'Square'"),
        ({"shape": {}}, "one key of Circle, Path, Empty expected, not none"),
        ({"shape": "Empty"}, r"a dict of one key \(Circle, Path, Empty\) expected, not str"),
        ({"shape": {"Empty": 1}}, "Empty takes no value: None expected"),
        ({"deep": 1}, r"a dict of one key \(some\) expected, not int"),
        ({"deep": {"some": 256}}, "in Player.deep.some"),
        ({"outcome": {"ok": 256}}, "in Player.outcome.ok"),
        ({"tags": "ab"}, "a list expected, not str in Player.tags"),
        ({"nothing": [1]}, "an empty list expected"),
        ({"position": 1}, "a dict of the fields of Position expected, not int"),
        ({"identity": "xy"}, "Identity takes 64 hexadecimal digits: 'xy' in Player.identity"),
        ({"connection": 1}, "hexadecimal text expected, not int in Player.connection"),
        ({"key": "x"}, "not a UUID: 'x'"),
        ({"since": "yesterday"}, "a time as 2024-05-01T12:00:00.000000Z expected"),
        ({"since": "2024-02-30T00:00:00Z"}, "there is no such day or time in Player.since"),
        ({"since": datetime(2024, 1, 1)}, "a datetime without time zone names no point in time"),
        ({"since": "+299999-01-01T00:00:00Z"}, "out of range for I64"),
        ({"played": "P1Y"}, "a duration as PT90S or P1DT0.5S expected"),
    ],
)  # fmt: skip
def test_faults_are_named_with_their_path(types, change, message):
    with pytest.raises(EncodeError, match=message):
        types.Player.from_dict(PLAYER_DICT | change)


def test_lenient_where_nothing_is_lost(types):
    """Any text of RFC 3339 and ISO 8601, any spelling of an id, tuples, other sides of unions."""
    row = types.Player.from_dict(
        PLAYER_DICT
        | {
            "identity": "0xC2" + 62 * "0",
            "connection": player(types).connection,
            "since": "2024-05-01 14:00:00.000001+02:00",
            "played": "-P0DT1M30.5S",
            "key": player(types).key,
            "avatar": bytearray(b"\0\xff"),
            "tags": ("a", "b"),
            "nothing": {},
            "speed": 0.1,
            "weight": 3,
            "deep": Some(None),
            "outcome": Ok(1),
            "shape": player(types).shape,
            "wake": {"Time": Timestamp(5)},
        }
    )
    assert row.speed == 0.10000000149011612
    expected = player(
        types, speed=row.speed, weight=3.0, outcome=Ok(1), wake=ScheduleAt.Time(Timestamp(5))
    )
    assert row == expected
    assert types.Player.from_dict(row.to_dict() | {"outcome": player(types).outcome}) == player(
        types, speed=row.speed, weight=3.0, wake=row.wake
    )
    assert types.Player.from_dict(row.to_dict() | {"deep": {"some": 5}}).deep == Some(5)


def test_errors_quote_only_so_much(types):
    with pytest.raises(EncodeError, match=r"Color has no 'xxx.*\.\.\. in Player\.color") as caught:
        types.Player.from_dict(PLAYER_DICT | {"color": "x" * 5000})
    assert len(str(caught.value)) < 400


def test_too_deep(types):
    data = {"name": "", "children": []}
    for _ in range(5000):
        data = {"name": "", "children": [data]}
    with pytest.raises(EncodeError, match="nested too deep"):
        types.Tree.from_dict(data)


def test_a_class_of_no_module():
    class Alone(Struct, frozen=True):
        x: int

    assert Alone(1).to_dict() == {"x": 1}
    with pytest.raises(LocalProtocolError, match="Alone is part of no module's bindings"):
        Alone.from_dict({"x": 1})


def test_form_is_checked(types):
    with pytest.raises(ValueError, match='values is "json" or "python", not \'xml\''):
        types.Position(1, 2).to_dict(values="xml")


def test_schedule_at_belongs_to_every_module():
    assert ScheduleAt.Interval(TimeDuration(1)).to_dict() == {"Interval": "PT0.000001S"}
    assert ScheduleAt.from_dict({"Time": "1970-01-01T00:00:00Z"}) == ScheduleAt.Time(Timestamp(0))


# --- what Python itself offers ------------------------------------------------------------------


def test_json_dumps(types):
    rows = [player(types), player(types, name="b")]
    assert json.loads(json.dumps({"rows": rows}, default=json_default)) == {
        "rows": [PLAYER_DICT, PLAYER_DICT | {"name": "b"}]
    }


def test_dict_and_vars(types):
    row = player(types)
    assert dict(row) == row.to_dict()
    assert vars(row) == msgspec.structs.asdict(row)
    assert dict(types.Shape.Circle(1.0)) == {"Circle": 1.0}


def test_msgspec_says_which_variant_it_is(types):
    assert msgspec.to_builtins([types.Shape.Circle(1.0), types.Shape.Empty()]) == [
        {"variant": "Shape_Circle", "value": 1.0},
        {"variant": "Shape_Empty"},
    ]


def test_match(types):
    match types.Shape.Circle(2.0):
        case types.Shape.Circle(radius):
            assert radius == 2.0
    match player(types):
        case types.Player(name=name, position=types.Position(x, y)):
            assert (name, x, y) == ("né", 1, -2)


def test_repr_and_comparison(types):
    assert repr(types.Position(1, 2)) == "Position(x=1, y=2)"
    assert player(types) == player(types) != player(types, level=1)
    with pytest.raises(TypeError, match="'<' not supported between instances of 'Position'"):
        sorted([types.Position(1, 2), types.Position(0, 2)])


def test_rows_are_values(types):
    """Those with lists, and with structs and sums that have lists, can be hashed too."""
    row, same = player(types), player(types)
    assert hash(row) == hash(same)
    assert len({row, same, player(types, tags=[])}) == 2
    assert hash(types.Shape.Path([types.Position(1, 2)])) == hash(
        types.Shape.Path([types.Position(1, 2)])
    )
    assert hash(Some([1])) == hash(Some([1]))
    assert {types.Tree("a", [types.Tree("b", [])]): 1}[types.Tree("a", [types.Tree("b", [])])] == 1


def test_hashes_of_rows_without_lists_are_msgspecs_own(types):
    assert types.Position.__hash__ is msgspec.Struct.__hash__
    assert types.Shape.Circle.__hash__ is msgspec.Struct.__hash__
    assert types.Player.__hash__ is not msgspec.Struct.__hash__


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(types, protocol):
    values = [
        player(types),
        types.Position(1, 2),
        types.Color.green,
        types.Shape.Circle(1.0),
        types.Shape.Empty(),
        Some(types.Position(1, 2)),
    ]
    found = pickle.loads(pickle.dumps(values, protocol))
    assert found == values
    assert [*map(type, found)] == [*map(type, values)]
    assert [*map(hash, found)] == [*map(hash, values)]


def test_copy(types):
    row = player(types)
    assert copy.copy(row) == row
    deep = copy.deepcopy(row)
    assert deep == row
    assert type(deep) is type(row)
    assert deep.tags is not row.tags
    assert copy.deepcopy(types.Shape.Empty()) == types.Shape.Empty()
    assert copy.deepcopy(types.Color.red) is types.Color.red
    assert msgspec.structs.replace(row, level=1).level == 1
    if sys.version_info >= (3, 13):
        assert copy.replace(row, level=1) == player(types, level=1)


def test_two_clients_without_bindings_share_their_classes():
    one, two = dynamic_module(MODULE).types, dynamic_module(MODULE).types
    assert one.Player is two.Player
    assert player(one) == player(two)
