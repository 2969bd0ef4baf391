"""Random types, modules of them, and values; shared by the tests of the codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from spacetime_proto import types
from spacetime_proto.limits import Limits
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    INTEGER_BITS,
    SCHEDULE_AT,
    TIME_DURATION,
    TIMESTAMP,
    UNIT,
    UUID,
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
from spacetime_proto.sats.shapes import (
    ArrayShape,
    BytesShape,
    EnumShape,
    OptionShape,
    PrimitiveShape,
    ProductShape,
    ResultShape,
    SpecialShape,
    SumShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PRIMITIVES = (
    "Bool", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "I128", "U128", "I256", "U256",
    "F32", "F64", "String",
)  # fmt: skip
SPECIALS = (IDENTITY, CONNECTION_ID, TIMESTAMP, TIME_DURATION, UUID, SCHEDULE_AT)

#: Names as hostile as a schema can make them, and some that clash once they are escaped.
NAMES = (
    "id", "name", "a-b", "a_b", "class", "__init__", "__class__", "mro", "value", "", "1st", "ﬁ",
    "é", "x\n    raise SystemExit  #", "') or exit(", "data", "pos", "k1", "_x_",
)  # fmt: skip

_leaves = st.one_of(
    st.sampled_from(PRIMITIVES).map(Primitive), st.sampled_from(SPECIALS), st.just(BYTES)
)
_names = st.none() | st.sampled_from(NAMES)


def _grow(inner: st.SearchStrategy[AlgebraicType]) -> st.SearchStrategy[AlgebraicType]:
    units = st.just(UNIT)
    return st.one_of(
        inner.map(ArrayType),
        inner.map(option),
        st.builds(result, inner, inner),
        st.lists(st.builds(Element, _names, inner), max_size=5).map(
            lambda elements: ProductType(tuple(elements))
        ),
        st.lists(st.builds(Variant, _names, inner | units), min_size=1, max_size=4).map(
            lambda variants: SumType(tuple(variants))
        ),
        st.lists(_names, min_size=1, max_size=3).map(
            lambda names: SumType(tuple(Variant(name, UNIT) for name in names))
        ),
    )


_types = st.recursive(_leaves | st.integers(0, 3).map(RefType), _grow, max_leaves=6)
_products = st.lists(st.builds(Element, _names, _types), max_size=6).map(
    lambda elements: ProductType(tuple(elements))
)


def _context(types: list[AlgebraicType], row: ProductType) -> TypeContext:
    # A reference to itself is no type: it must at least stand in a product.
    held = [ProductType((Element("r", ty),)) if isinstance(ty, RefType) else ty for ty in types]
    limits = Limits(nesting_depth=24)
    return TypeContext(Typespace((*held, row)), {len(held): "Row"}, limits=limits)


def contexts() -> st.SearchStrategy[TypeContext]:
    """Typespaces of a few types that refer to each other, also in circles; the last is a product."""
    return st.builds(_context, st.lists(_types, min_size=4, max_size=4), _products)


class Endless(Exception):
    """The type has no finite value within the depth allowed."""


def value_of(
    draw: Callable[..., Any], context: TypeContext, ty: AlgebraicType, fuel: int = 5
) -> Any:
    """Draw a value of `ty`; with no fuel left, prefer variants and lengths that end.

    Raises:
        Endless: there is none.
    """
    shape = context.shape(ty)
    if fuel < -8:
        raise Endless
    inner = fuel - 1
    match shape:
        case PrimitiveShape(name):
            return draw(primitive(name))
        case BytesShape():
            return draw(st.binary(max_size=6))
        case SpecialShape(_, special):
            number = draw(primitive(special.inner))
            return special.cls.from_int(number) if special.is_hex else special.cls(number)
        case ArrayShape(element):
            length = draw(st.integers(0, 3)) if fuel > 0 else 0
            return [value_of(draw, context, element, inner) for _ in range(length)]
        case OptionShape(payload, is_nested):
            if fuel <= 0 or draw(st.booleans()):
                return None
            held = value_of(draw, context, payload, inner)
            return types.Some(held) if is_nested else held
        case ResultShape(ok, err):
            order = draw(st.permutations(((types.Ok, ok), (types.Err, err))))
            return _first_that_ends(draw, context, order, fuel)
        case EnumShape(_, members):
            return draw(st.sampled_from(members))
        case SumShape(_, variants):
            units = [item for item in variants if item.is_unit]
            if units and fuel <= 0:
                return draw(st.sampled_from(units)).cls()
            choices = [
                (
                    (lambda cls: lambda _: cls())(item.cls) if item.is_unit else item.cls,
                    item.payload,
                )
                for item in draw(st.permutations(variants))
            ]
            return _first_that_ends(draw, context, choices, fuel)
        case ProductShape(cls, _, _, parts):
            fields = [value_of(draw, context, part, inner) for part in parts]
            return () if cls is None else cls(*fields)


def _first_that_ends(draw: Any, context: TypeContext, choices: Any, fuel: int) -> Any:
    for make, payload in choices:
        try:
            return make(value_of(draw, context, payload, fuel - 1))
        except Endless:
            continue
    raise Endless


def primitive(name: str) -> st.SearchStrategy[Any]:
    """Return values of a primitive type, the extremes often."""
    match name:
        case "Bool":
            return st.booleans()
        case "String":
            return st.text(st.characters(codec="utf-8"), max_size=6)
        case "F32":
            return st.floats(width=32)
        case "F64":
            return st.floats()
        case _:
            bits = INTEGER_BITS[name]
            low, high = (
                (-1 << bits - 1, (1 << bits - 1) - 1) if name[0] == "I" else (0, (1 << bits) - 1)
            )
            return st.sampled_from((low, high, 0, 1)) | st.integers(low, high)
