"""Values of every type as builtins and back, by `to_dict`, pydantic and pickle."""

from __future__ import annotations

import dataclasses
import json
import pickle
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto import json_default, types
from spacetime_proto.sats.from_plain import PlainReader
from spacetime_proto.sats.plain import to_plain
from spacetime_proto.server import sum_type
from spacetime_proto.testing.value_strategies import contexts, typed_values, values
from tests.proto.sats.examples import EXAMPLES, TYPES


@pytest.mark.parametrize(("ty", "value"), [(ty, value) for ty, value, *_ in EXAMPLES])
@pytest.mark.parametrize("form", ["json", "python"])
def test_an_example_of_every_type_comes_back(ty: Any, value: Any, form: Any) -> None:
    plain = to_plain(value, form)
    assert PlainReader(TYPES.shapes, "x").read(ty, plain) == value


@settings(max_examples=150, deadline=None)
@given(typed_values())
def test_every_value_comes_back(drawn: Any) -> None:
    """A NaN is equal to nothing, so the texts are compared."""
    context, ty, value = drawn
    for form in ("json", "python"):
        plain = to_plain(value, form)
        if form == "json":
            plain = json.loads(json.dumps(plain, allow_nan=False))
        assert repr(PlainReader(context.shapes, "x").read(ty, plain)) == repr(value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_row_comes_back(data: Any) -> None:
    """Through its own methods, through pydantic, and through pickle."""
    pydantic = pytest.importorskip("pydantic")
    context = data.draw(contexts())
    index = len(context.typespace.types) - 1
    row: Any = context.classes[index]
    value = data.draw(values(context, context.typespace.types[index]))
    value = row(*(getattr(value, name) for name in row.__struct_fields__))
    assert repr(row.from_dict(value.to_dict())) == repr(value)
    assert repr(row.from_dict(value.to_dict(values="python"))) == repr(value)
    found = pickle.loads(pickle.dumps(value))
    assert type(found) is row
    assert repr(found) == repr(value)
    rows = pydantic.TypeAdapter(row)
    assert repr(rows.validate_json(rows.dump_json(value))) == repr(value)
    assert repr(rows.validate_python(rows.dump_python(value))) == repr(value)
    assert rows.json_schema()["title"] == "Row" or "$ref" in rows.json_schema()
    assert hash(value) == hash(row(*(getattr(value, name) for name in row.__struct_fields__)))


def test_json_default_takes_what_programs_pass_around() -> None:
    @dataclasses.dataclass
    class Row:
        """As the rows of a module are."""

        owner: types.Identity

    @sum_type
    class Shape:
        Circle: float
        Nothing: None

    given: list[Any] = [
        Row(types.Identity(bytes(32))),
        Shape.Circle(1.0),
        Shape.Nothing(),  # type: ignore[misc]
        types.Ok(types.Uuid.from_int(1)),
        types.Err(b"\1"),
        types.Some(types.Some(None)),
        uuid.UUID(int=1),
        timedelta(seconds=1),
        datetime(1970, 1, 1, tzinfo=timezone.utc),  # noqa: UP017
        types.ConnectionId(bytes(16)),
    ]
    assert json.loads(json.dumps(given, default=json_default)) == [
        {"owner": 64 * "0"},
        {"Circle": 1.0},
        {"Nothing": None},
        {"ok": "00000000-0000-0000-0000-000000000001"},
        {"err": "01"},
        {"some": {"some": None}},
        "00000000-0000-0000-0000-000000000001",
        "PT1S",
        "1970-01-01T00:00:00.000000Z",
        32 * "0",
    ]


def test_what_is_no_value() -> None:
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        json.dumps([object()], default=json_default)
    with pytest.raises(TypeError, match="Object of type Row is not JSON serializable"):
        to_plain(type("Row", (), {})())
    with pytest.raises(ValueError, match="needs a datetime with a time zone"):
        to_plain(datetime(1970, 1, 1))
    with pytest.raises(TypeError, match="ScheduleAt is a sum type; a value is one of its variants"):
        types.ScheduleAt().to_dict()
