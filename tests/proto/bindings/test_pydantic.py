"""Rows in pydantic models and in FastAPI programs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest

from spacetime_proto import Rows
from spacetime_proto.types import (
    ConnectionId,
    Identity,
    Ok,
    ScheduleAt,
    Some,
    TimeDuration,
    Timestamp,
    Uuid,
)
from tests.support.values_module import PLAYER_DICT, player

pydantic = pytest.importorskip("pydantic")


def adapter(cls: Any) -> Any:
    return pydantic.TypeAdapter(cls)


def test_rows_are_validated_from_everything(types):
    row = player(types)
    rows = adapter(types.Player)
    assert rows.validate_python(row) is row
    assert rows.validate_python(PLAYER_DICT) == row
    assert rows.validate_python(row.to_dict(values="python")) == row
    assert rows.validate_json(json.dumps(PLAYER_DICT)) == row


def test_rows_are_written_as_to_dict_says(types):
    row = player(types, deep=Some(3), outcome=Ok(1), wake=ScheduleAt.Time(Timestamp(0)))
    rows = adapter(types.Player)
    assert rows.dump_python(row, mode="json") == row.to_dict()
    assert rows.dump_python(row) == row.to_dict(values="python")
    assert json.loads(rows.dump_json(row)) == row.to_dict()
    assert rows.validate_json(rows.dump_json(row)) == row
    assert rows.validate_python(rows.dump_python(row)) == row


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        ({"level": 256}, ["level"], "number out of range for U8"),
        ({"position": {"x": 1}}, ["position", "y"], "Field required"),
        ({"position": {"x": 1, "y": 2, "z": 3}}, ["position", "z"], "Extra inputs"),
        ({"shape": {"Path": [{"x": 1, "y": "2"}]}}, ["shape", "Path", "Path", 0, "y"], "an int"),
        ({"shape": {"Square": 1}}, ["shape"], "Circle"),
        ({"shape": {}}, ["shape"], "discriminator"),
        ({"color": "blue"}, ["color"], "Color has no 'blue'; there are: red, green"),
        ({"identity": "x"}, ["identity"], "64 hexadecimal digits"),
        ({"tree": {"name": "", "children": [{}]}}, ["tree", "children", 0, "name"], "required"),
        ({"nothing": 1}, ["nothing"], "an empty list expected"),
    ],
)
def test_errors_say_where(types, change, place, message):
    with pytest.raises(pydantic.ValidationError) as caught:
        adapter(types.Player).validate_python(PLAYER_DICT | change)
    assert [*caught.value.errors()[0]["loc"]] == place
    assert message in caught.value.errors()[0]["msg"]


def test_fields_of_models(types):
    class Team(pydantic.BaseModel):
        captain: types.Player
        others: list[types.Player]
        shape: types.Shape | None = None
        color: types.Color
        owner: Identity
        since: Timestamp

    row = player(types)
    team = Team(
        captain=row, others=[PLAYER_DICT], color="red", owner=row.identity, since=row.since,
        shape={"Empty": None},
    )  # fmt: skip
    assert team.others == [row]
    assert team.color is types.Color.red
    assert team.model_dump(mode="json") == {
        "captain": PLAYER_DICT,
        "others": [PLAYER_DICT],
        "shape": {"Empty": None},
        "color": "red",
        "owner": PLAYER_DICT["identity"],
        "since": PLAYER_DICT["since"],
    }
    kept = team.model_dump()
    assert (kept["color"], kept["owner"]) == (types.Color.red, row.identity)
    assert Team.model_validate_json(team.model_dump_json()) == team


@pytest.mark.parametrize(
    ("value", "form", "schema"),
    [
        (Identity(bytes(32)), "0" * 64, {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}),
        (ConnectionId(bytes(16)), "0" * 32, {"type": "string", "pattern": "^[0-9a-fA-F]{32}$"}),
        (Uuid.from_int(1), "00000000-0000-0000-0000-000000000001", {"type": "string", "format": "uuid"}),
        (Timestamp(0), "1970-01-01T00:00:00.000000Z", {"type": "string", "format": "date-time"}),
        (TimeDuration(1), "PT0.000001S", {"type": "string", "format": "duration"}),
    ],
)  # fmt: skip
def test_single_values(value, form, schema):
    values = adapter(type(value))
    assert values.validate_python(form) == value
    assert values.validate_python(value) == value
    assert values.dump_python(value, mode="json") == form
    assert values.dump_python(value) is value
    assert values.json_schema() == schema
    with pytest.raises(pydantic.ValidationError):
        values.validate_python("nonsense")


def test_schedule_at():
    values = adapter(ScheduleAt)
    assert values.validate_python({"Interval": "PT1S"}) == ScheduleAt.Interval(TimeDuration(10**6))
    assert values.dump_python(ScheduleAt.Time(Timestamp(0)), mode="json") == {
        "Time": "1970-01-01T00:00:00.000000Z"
    }


def test_one_variant_of_a_sum(types):
    circles = adapter(types.Shape.Circle)
    assert circles.validate_python({"Circle": 1}) == types.Shape.Circle(1.0)
    with pytest.raises(
        pydantic.ValidationError, match="a Shape_Circle expected, not a Shape_Empty"
    ):
        circles.validate_python({"Empty": None})


def test_rows_of_a_query_are_a_list(types):
    rows = Rows([types.Position(1, 2)])
    assert adapter(Rows[types.Position]).dump_python(rows, mode="json") == [{"x": 1, "y": 2}]
    assert adapter(Rows[types.Position]).validate_python([{"x": 1, "y": 2}]) == rows
    assert adapter(Rows).validate_python([1]) == [1]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_json_schema(types, mode):
    schema = adapter(list[types.Player]).json_schema(mode=mode)
    assert schema["items"] == {"$ref": "#/$defs/Player"}
    definitions = schema["$defs"]
    assert {"Player", "Position", "Color", "Shape", "Tree", "ScheduleAt"} <= set(definitions)
    assert definitions["Color"] == {"enum": ["red", "green"], "title": "Color", "type": "string"}
    fields = definitions["Player"]["properties"]
    assert definitions["Player"]["additionalProperties"] is False
    assert definitions["Player"]["required"] == list(types.Player.__struct_fields__)
    assert fields["position"] == {"$ref": "#/$defs/Position"}
    assert (fields["level"]["minimum"], fields["level"]["maximum"]) == (0, 255)
    assert "maximum" not in fields["gold"]
    assert fields["since"]["format"] == "date-time"
    assert [one["title"] for one in definitions["Shape"]["oneOf"]] == ["Circle", "Path", "Empty"]
    assert definitions["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_a_program_of_fastapi(types):
    fastapi = pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    app = fastapi.FastAPI()

    @app.get("/plain")
    def plain():
        return {"rows": [player(types)]}

    @app.get("/players", response_model=list[types.Player])
    def players():
        return [player(types)]

    def one():
        return player(types)

    one.__annotations__["return"] = types.Player
    app.get("/one")(one)

    def move(player, at):
        return [player, at]

    body = fastapi.Body()
    move.__annotations__.update(
        player=Annotated[types.Player, body], at=Annotated[types.Position, body]
    )
    app.post("/move")(move)

    client = testclient.TestClient(app)
    assert client.get("/plain").json() == {"rows": [PLAYER_DICT]}
    assert client.get("/players").json() == [PLAYER_DICT]
    assert client.get("/one").json() == PLAYER_DICT
    good = {"player": PLAYER_DICT, "at": {"x": 1, "y": 2}}
    assert client.post("/move", json=good).json() == [PLAYER_DICT, {"x": 1, "y": 2}]
    bad = client.post("/move", json=good | {"at": {"x": "1", "y": 2}})
    assert bad.status_code == 422
    assert bad.json()["detail"][0]["loc"] == ["body", "at", "x"]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert {"Position", "Color", "Shape", "ScheduleAt"} <= set(schemas)
    assert schemas["Color"] == {"enum": ["red", "green"], "title": "Color", "type": "string"}
    # FastAPI tells apart what goes in and out where a type mentions itself, as Tree does.
    for name in ("Player-Input", "Player-Output"):
        assert schemas[name]["properties"]["shape"] == {"$ref": "#/components/schemas/Shape"}
