from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis.errors import Unsatisfiable

from spacetime_proto.sats.algebraic import (
    IDENTITY,
    INTEGER_BITS,
    SCHEDULE_AT,
    TIMESTAMP,
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
    result,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.testing.value_strategies import (
    HOSTILE_NAMES,
    algebraic_types,
    contexts,
    names,
    primitive_values,
    typed_values,
    values,
)

SLOW = settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@SLOW
@given(typed_values())
def test_a_drawn_value_is_a_value_of_its_type(
    drawn: tuple[TypeContext, AlgebraicType, Any],
) -> None:
    context, ty, value = drawn
    codec = context.codec(ty)
    data = codec.encode(value)
    assert codec.encode(codec.decode_exact(data)) == data


@pytest.mark.parametrize("name", [*INTEGER_BITS, "Bool", "F32", "F64", "String"])
def test_primitive_values_fit(name: str) -> None:
    context = TypeContext(Typespace())
    codec = context.codec(Primitive(name))

    @settings(max_examples=20)
    @given(primitive_values(name))
    def check(value: Any) -> None:
        codec.encode(value)

    check()


@SLOW
@given(contexts())
def test_the_last_type_of_a_context_is_a_row(context: TypeContext) -> None:
    types = context.typespace.types
    assert isinstance(types[-1], ProductType)
    assert len(context.row_codec(len(types) - 1).names) == len(types[-1].elements)


def depends(ty: AlgebraicType) -> set[int]:
    """Return the references in a type."""
    match ty:
        case RefType(index):
            return {index}
        case ArrayType(element):
            return depends(element)
        case ProductType(elements):
            return set().union(*(depends(element.type) for element in elements))
        case SumType(variants):
            return set().union(*(depends(variant.type) for variant in variants))
        case _:
            return set()


@given(algebraic_types(3))
def test_references_stay_inside(ty: AlgebraicType) -> None:
    assert depends(ty) <= {0, 1, 2}


@given(algebraic_types())
def test_without_a_typespace_there_are_no_references(ty: AlgebraicType) -> None:
    assert not depends(ty)


def test_names() -> None:
    hostile = find(names(), lambda name: name in HOSTILE_NAMES)
    assert hostile in HOSTILE_NAMES

    @given(names(hostile=False))
    def check(name: str) -> None:
        assert name.isidentifier()

    check()


@pytest.mark.parametrize(
    "ty",
    [
        SumType((Variant("a", ProductType()), Variant("b", ProductType()))),
        SumType((Variant("a", ProductType()), Variant("b", Primitive("U8")))),
        SumType((Variant("a", Primitive("Bool")), Variant("b", Primitive("U8")))),
        option(option(Primitive("U8"))),
        result(Primitive("U8"), Primitive("String")),
        ArrayType(Primitive("U8")),
        ArrayType(IDENTITY),
        TIMESTAMP,
        SCHEDULE_AT,
        ProductType(),
    ],
)
def test_values_of_every_kind_of_type(ty: AlgebraicType) -> None:
    context = TypeContext(Typespace())
    codec = context.codec(ty)

    @settings(SLOW, max_examples=30)
    @given(values(context, ty))
    def check(value: Any) -> None:
        codec.encode(value)

    check()


# --- recursive types --------------------------------------------------------------------------

U8 = Primitive("U8")
LIST = SumType(
    (
        Variant("cons", ProductType((Element("head", U8), Element("tail", RefType(0))))),
        Variant("end", ProductType()),
    )
)


def test_recursive_values_end() -> None:
    context = TypeContext(Typespace((LIST,)))
    codec = context.codec(RefType(0))
    found = find(values(context, RefType(0)), lambda value: len(codec.encode(value)) > 4)
    assert codec.encode(found)


def test_recursion_through_a_result_ends() -> None:
    # Ok never ends, Err does.
    ty = result(RefType(0), U8)
    context = TypeContext(Typespace((ty,)))

    @settings(SLOW, max_examples=20)
    @given(values(context, RefType(0)))
    def check(value: Any) -> None:
        context.codec(RefType(0)).encode(value)

    check()


def test_recursion_through_arrays_ends() -> None:
    ty = ProductType((Element("children", ArrayType(RefType(0))),))
    context = TypeContext(Typespace((ty,)))

    @settings(max_examples=20)
    @given(values(context, RefType(0)))
    def check(value: Any) -> None:
        context.codec(RefType(0)).encode(value)

    check()


def test_a_type_without_a_finite_value_has_none() -> None:
    ty = ProductType((Element("again", RefType(0)),))
    context = TypeContext(Typespace((ty,)))

    @SLOW
    @given(values(context, RefType(0)))
    def check(value: Any) -> None:
        raise AssertionError

    with pytest.raises(Unsatisfiable):
        check()


def test_a_sum_whose_variants_never_end_has_no_value() -> None:
    ty = SumType((Variant("again", RefType(0)),))
    context = TypeContext(Typespace((ProductType((Element("x", ty),)),)))
    with pytest.raises(Unsatisfiable):
        find(values(context, RefType(0)), lambda value: True)
