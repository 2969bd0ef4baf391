"""`functions`: arguments and results in both encodings."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from spacetime_proto.errors import EncodeError
from spacetime_proto.server import U8, Context, Database, Module, ProcedureContext
from spacetime_proto.server.module.functions import ArgumentError
from tests.proto.server.support import make_database


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"


def database() -> Database:
    module = Module()

    @module.reducer
    def paint(ctx: Context, color: Color, times: U8) -> None: ...

    @module.reducer
    def set_name(ctx: Context, newName: str, HTTPCode2: U8) -> None: ...

    @module.reducer
    def crossed(ctx: Context, A: U8, a: U8) -> None: ...

    @module.init
    def start(ctx: Context) -> None: ...

    @module.procedure
    def mix(ctx: ProcedureContext, colors: list[Color]) -> Color:
        return colors[0]

    @module.procedure
    def nothing(ctx: ProcedureContext) -> None: ...

    return make_database(module)


def test_facts() -> None:
    made = database()
    paint, mix = made.reducers["paint"], made.procedures.get("mix")
    assert (paint.name, paint.kind, paint.index, paint.lifecycle) == ("paint", "reducer", 1, None)
    assert made.reducers["start"].lifecycle == "init"
    assert mix is not None
    assert (mix.kind, mix.lifecycle) == ("procedure", None)


def test_arguments_in_both_encodings() -> None:
    paint = database().reducers["paint"]
    assert paint.encode([Color.GREEN, 7]) == b"\1\7"
    assert paint.decode(b"\1\7") == [Color.GREEN, 7]
    assert paint.decode(b"\1\7 and more") == [Color.GREEN, 7]
    assert paint.args_json(b"\1\7") == "[[1,[]],7]"
    assert paint.decode_json('[{"GREEN":[]}, 7]') == [Color.GREEN, 7]
    assert paint.decode_json('{"times": 7, "color": [1, []]}') == [Color.GREEN, 7]


def test_damaged_arguments() -> None:
    paint = database().reducers["paint"]
    with pytest.raises(ArgumentError) as caught:
        paint.decode(b"\1")
    words = "data too short for u8: Expected 1, given 0"
    assert str(caught.value) == words
    assert caught.value.chain == (
        f"{words}: invalid arguments for function paint: {words}: {words}"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "invalid length 0, expected reducer args for paint with 2 elements at line 1 col"),
        ("5", "arguments are an array, or an object by parameter name"),
        ("nope", "not valid JSON"),
        ('[5, "x"]', "color"),
        ('{"color": [1, []]}', "missing reducer argument `times`"),
        ('{"nope": 1}', "unknown reducer argument `nope`, expected , `color`, `times`"),
    ],
)
def test_damaged_json_arguments(text: str, problem: str) -> None:
    paint = database().reducers["paint"]
    with pytest.raises(ArgumentError, match=problem) as caught:
        paint.decode_json(text)
    assert caught.value.chain == (f".: invalid arguments for function paint: .: .: {caught.value}")


@pytest.mark.parametrize(
    "text",
    [
        '{"newName": "a", "HTTPCode2": 5}',
        '{"new_name": "a", "http_code_2": 5}',
        '{"HTTPCode2": 5, "new_name": "a"}',
        '["a", 5]',
    ],
)
def test_named_arguments_in_both_spellings(text: str) -> None:
    set_name = database().reducers["set_name"]
    params = set_name.definition.params.elements
    assert [element.name for element in params] == ["new_name", "http_code_2"]
    assert set_name.source_params == ("newName", "HTTPCode2")
    assert set_name.decode_json(text) == ["a", 5]


def test_a_source_name_goes_before_a_canonical_one() -> None:
    assert database().reducers["crossed"].decode_json('{"a": 1, "A": 2}') == [2, 1]


def test_named_arguments_that_are_refused() -> None:
    set_name = database().reducers["set_name"]
    with pytest.raises(ArgumentError, match="duplicate reducer argument `newName`"):
        set_name.decode_json('{"new_name": "a", "newName": "b"}')
    both = (
        "unknown reducer argument `nope`, expected , `newName``new_name`, `HTTPCode2``http_code_2`"
    )
    with pytest.raises(ArgumentError, match=both):
        set_name.decode_json('{"nope": 1}')


def test_results_in_both_encodings() -> None:
    made = database()
    mix: Any = made.procedures.get("mix")
    nothing: Any = made.procedures.get("nothing")
    assert mix.encode_result(Color.GREEN) == b"\1"
    assert mix.result_json(b"\1") == "[1,[]]"
    assert nothing.encode_result(None) == b""
    assert nothing.result_json(b"") == "[]"
    with pytest.raises(EncodeError):
        mix.encode_result(None)
    with pytest.raises(EncodeError):
        nothing.encode_result(5)
