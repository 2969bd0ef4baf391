"""Classes made at run time are known by their definition, in every process."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import weakref
from typing import Any

import pytest

from spacetime_proto.sats import dynamic_classes
from spacetime_proto.sats.algebraic import (
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.dynamic_classes import DynamicClasses
from tests.proto.sats.examples import COLOR, POINT, SHAPE, STRING, U8, product
from tests.support.imports import ROOT

INNER = product(x=U8, y=U8)


def row(name: str, ref: int, *before: Any, **more: Any) -> Any:
    """Return the class of a row whose column is type `ref`, after other types."""
    types = (*before, INNER, product(at=RefType(ref), **more))
    return DynamicClasses(Typespace(types), {len(types) - 1: name, ref: "At"}).all()[len(types) - 1]


def test_a_definition_is_what_a_type_mentions_and_nothing_else() -> None:
    one, two = row("Row", 0), row("Row", 2, STRING, COLOR)
    assert one is two
    assert row("Other", 0) is not one
    assert row("Row", 0, z=U8) is not one


def test_names_of_what_is_mentioned_count() -> None:
    def made(name: str) -> type:
        types = Typespace((product(at=RefType(1)), INNER))
        return DynamicClasses(types, {0: "Row", 1: name}).all()[0]

    assert made("Place") is made("Place")
    assert made("Place") is not made("Point")


def test_classes_go_when_nobody_uses_them() -> None:
    gone = weakref.ref(row("Passing", 0))
    import gc

    gc.collect()
    assert gone() is None


def test_a_value_outlives_the_module_that_it_came_from() -> None:
    """Later a class of the same definition is made, and values are equal to the new ones."""
    made = row("Kept", 0)
    data = pickle.dumps(made(1))
    definition = made.__definition__
    del made
    found = pickle.loads(data)
    assert type(found).__definition__ == definition
    assert found == row("Kept", 0)(1)


def test_types_inside_others_have_shared_classes_too() -> None:
    def context() -> TypeContext:
        inline = SumType((Variant("a", UNIT), Variant("b", ArrayType(RefType(0)))))
        colors = SumType((Variant("a", UNIT), Variant("b", UNIT)))
        return TypeContext(Typespace((product(p=POINT, i=inline, c=colors),)), {0: "Row"})

    one, two = context(), context()
    ty = one.typespace.types[0]
    assert isinstance(ty, ProductType)
    for element in ty.elements:
        assert one.python_class(element.type) is two.python_class(element.type)
    sum_class: Any = one.python_class(ty.elements[1].type)
    enum_class: Any = one.python_class(ty.elements[2].type)
    point: Any = one.python_class(POINT)
    made = one.classes[0](point(1, 2), sum_class.b([]), enum_class.b)
    assert pickle.loads(pickle.dumps(made)) == made
    assert made.from_dict(made.to_dict()) == made
    assert point.from_dict({"x": 1, "y": 2}) == point(1, 2)


def test_what_mentions_a_given_class_is_not_shared() -> None:
    import msgspec

    class At(msgspec.Struct, frozen=True):
        x: int
        y: int

    space = Typespace((product(at=RefType(1)), INNER))
    made: Any = DynamicClasses(space, {0: "Row", 1: "At"}, {1: At}).all()
    assert made[1] is At
    assert made[0].__definition__ is None
    assert made[0] is not DynamicClasses(space, {0: "Row", 1: "At"}).all()[0]


def test_references_to_nowhere_are_left_to_whoever_uses_them() -> None:
    made: Any = DynamicClasses(Typespace((product(at=RefType(7)),)), {}).all()
    assert made[0].__definition__ is None


def test_a_schema_of_any_size_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long chain: every type mentions all that follow."""
    monkeypatch.setattr(dynamic_classes, "_MAX_STEPS", 100)
    chain = [product(next=RefType(at + 1)) for at in range(50)]
    classes: Any = DynamicClasses(Typespace((*chain, UNIT)), {}).all()
    assert classes[0].__definition__ is None
    assert len(classes) == 50
    short: Any = DynamicClasses(Typespace((UNIT,)), {0: "Empty"})
    short._steps = 0
    assert short.named(0).__definition__ is None


def test_the_budget_is_spent_by_the_last_type_too() -> None:
    made: Any = DynamicClasses(Typespace((product(at=RefType(1)), INNER)), {})
    made._steps = 3
    assert made.named(0).__definition__ is None


def test_hashes_follow_references_to_lists() -> None:
    """To an array, an option of one, and in circles."""
    space = Typespace(
        (
            product(a=RefType(1), b=RefType(2)),
            option(RefType(3)),
            option(RefType(2)),
            ArrayType(U8),
            ArrayType(STRING),
            product(a=RefType(4)),
            ProductType((Element("a", RefType(99)),)),
        )
    )
    classes: Any = DynamicClasses(space, {}).all()
    assert hash(classes[0](b"x", None)) == hash(classes[0](b"x", None))
    assert hash(classes[5](["x"])) == hash(classes[5](["x"]))
    assert hash(classes[6](1)) == hash(classes[6](1))


def test_copies_keep_the_definition() -> None:
    classes: Any = DynamicClasses(Typespace((SHAPE, COLOR)), {0: "Shape", 1: "Color"}).all()
    assert copy.deepcopy(classes[0].circle(1.0)) == classes[0].circle(1.0)
    assert copy.deepcopy(classes[1].__definition__) is classes[1].__definition__
    assert Primitive("U8") == U8


PROGRAM = """
import multiprocessing, operator, pickle, sys
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from spacetime_proto.bindings import dynamic_module
    from tests.support.values_module import MODULE, PLAYER_DICT, player

    types = dynamic_module(MODULE).types
    rows = [player(types, level=level) for level in range(3)]
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            dicts = [*pool.map(operator.methodcaller("to_dict"), rows)]
            colors = [*pool.map(operator.attrgetter("color"), rows)]
            assert [*pool.map(operator.itemgetter(0), [[row] for row in rows])] == rows
        assert dicts == [row.to_dict() for row in rows]
        assert colors == [types.Color.green] * 3
    print("done")
"""


def test_pools_of_processes(tmp_path: Any) -> None:
    (tmp_path / "pool.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "pool.py"), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
    )
    assert done.stdout == "done\n", done.stderr
