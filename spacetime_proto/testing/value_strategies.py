"""Hypothesis strategies for SATS types and the values of a type."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hypothesis import strategies as st

from ..limits import Limits
from ..sats.algebraic import (
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
    integer_range,
    option,
    result,
)
from ..sats.compile import TypeContext
from ..sats.shapes import (
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
from ..types import Err, Ok, Some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Strategies without a context are cached: Hypothesis validates each new one, which is slow.

__all__ = [
    "HOSTILE_NAMES",
    "algebraic_types",
    "contexts",
    "names",
    "primitive_values",
    "typed_values",
    "values",
]

PartT = TypeVar("PartT", Element, Variant)

_PRIMITIVES: Final = (*INTEGER_BITS, "Bool", "F32", "F64", "String")
_SPECIALS: Final = (IDENTITY, CONNECTION_ID, TIMESTAMP, TIME_DURATION, UUID, SCHEDULE_AT)

#: Names as hostile as a schema can make them, and some that clash once they are escaped.
HOSTILE_NAMES: Final = (
    "id", "name", "a-b", "a_b", "A_b", "class", "None", "self", "__init__", "__class__", "mro",
    "value", "", "1st", "ﬁ", "fi", "é", "x\n    raise SystemExit  #", "') or exit(", '"""', "\\",
    "../../x", "data", "pos", "_x_", "print", "_type",
)  # fmt: skip


@cache
def names(*, hostile: bool = True) -> st.SearchStrategy[str]:
    """Return names of things in a schema: plain ones, and hostile ones if wanted."""
    plain = st.from_regex(r"[a-z][a-z0-9_]{0,7}", fullmatch=True)
    return plain | st.sampled_from(HOSTILE_NAMES) if hostile else plain


@cache
def algebraic_types(
    refs: int = 0, *, max_leaves: int = 8, hostile: bool = True
) -> st.SearchStrategy[AlgebraicType]:
    """Return types of every kind.

    Args:
        refs: references to the typespace entries ``0 .. refs - 1`` are drawn too.
        max_leaves: about how large they get.
        hostile: whether names of fields and variants may be hostile.
    """
    leaves: st.SearchStrategy[AlgebraicType] = st.one_of(
        st.sampled_from(_PRIMITIVES).map(Primitive), st.sampled_from(_SPECIALS), st.just(BYTES)
    )
    if refs:
        leaves |= st.integers(0, refs - 1).map(RefType)
    field_names = st.none() | names(hostile=hostile)
    # Units and plain enums are leaves too: `max_leaves` counts leaves only, so types without any
    # could become as large as they like.
    leaves |= st.just(UNIT)
    leaves |= st.lists(field_names, min_size=1, max_size=3, unique=True).map(
        lambda given: SumType(tuple(Variant(name, UNIT) for name in given))
    )
    return st.recursive(leaves, lambda inner: _grow(inner, field_names), max_leaves=max_leaves)


def _grow(
    inner: st.SearchStrategy[AlgebraicType], field_names: st.SearchStrategy[str | None]
) -> st.SearchStrategy[AlgebraicType]:
    return st.one_of(
        inner.map(ArrayType),
        inner.map(option),
        st.builds(result, inner, inner),
        # Not `unique_by`: each time it draws again it formats this whole strategy as text.
        st.lists(st.builds(Element, field_names, inner), min_size=1, max_size=5).map(
            lambda elements: ProductType(_distinct(elements))
        ),
        st.lists(st.builds(Variant, field_names, inner), min_size=1, max_size=4).map(
            lambda variants: SumType(_distinct(variants))
        ),
    )


def _distinct(parts: list[PartT]) -> tuple[PartT, ...]:
    """Leave out parts whose name an earlier one has."""
    seen: set[str] = set()
    kept = []
    for part in parts:
        if part.name is not None:
            if part.name in seen:
                continue
            seen.add(part.name)
        kept.append(part)
    return tuple(kept)


@st.composite
def contexts(draw: Callable[..., Any], *, max_types: int = 4, hostile: bool = True) -> TypeContext:
    """Draw a typespace of a few types that refer to each other, also in circles.

    The last entry is a product, fit for the rows of a table.
    """
    count = draw(st.integers(1, max_types))
    inner = algebraic_types(count, hostile=hostile)
    types: list[AlgebraicType] = []
    for _ in range(count):
        made = draw(inner)
        # An entry that only refers to itself is not a type, so references stand in a product.
        types.append(ProductType((Element("r", made),)) if isinstance(made, RefType) else made)
    columns = st.lists(st.builds(Element, names(hostile=hostile), inner), max_size=6)
    types.append(ProductType(_distinct(draw(columns))))
    called = {len(types) - 1: "Row"}
    return TypeContext(Typespace(tuple(types)), called, limits=Limits(nesting_depth=24))


def values(context: TypeContext, ty: AlgebraicType) -> st.SearchStrategy[Any]:
    """Return values of `ty`; types without a finite value are rejected by Hypothesis."""
    return _values(context, ty)


@st.composite
def typed_values(draw: Callable[..., Any]) -> tuple[TypeContext, AlgebraicType, Any]:
    """Draw a context, one of its types, and a value of that."""
    context = draw(contexts())
    ty = draw(st.sampled_from(context.typespace.types))
    return context, ty, draw(values(context, ty))


class _Endless(Exception):
    """The type has no finite value within the depth allowed."""


@st.composite
def _values(draw: Callable[..., Any], context: TypeContext, ty: AlgebraicType) -> Any:
    from hypothesis import reject

    try:
        return _value(draw, context, ty, 5)
    except _Endless:
        reject()


def _value(draw: Callable[..., Any], context: TypeContext, ty: AlgebraicType, fuel: int) -> Any:
    """Draw a value; with no fuel left, prefer variants and lengths that end."""
    if fuel < -8:
        raise _Endless
    inner = fuel - 1
    match context.shape(ty):
        case PrimitiveShape(name):
            return draw(primitive_values(name))
        case BytesShape():
            return draw(st.binary(max_size=6))
        case SpecialShape(_, special):
            number = draw(primitive_values(special.inner))
            cls: Any = special.cls
            return cls.from_int(number) if special.is_hex else cls(number)
        case ArrayShape(element):
            length = draw(st.integers(0, 3)) if fuel > 0 else 0
            return [_value(draw, context, element, inner) for _ in range(length)]
        case OptionShape(payload, is_nested):
            if fuel <= 0 or draw(st.booleans()):
                return None
            held = _value(draw, context, payload, inner)
            return Some(held) if is_nested else held
        case ResultShape(ok, err):
            choices: list[tuple[Any, AlgebraicType]] = [(Ok, ok), (Err, err)]
            return _first_that_ends(draw, context, draw(st.permutations(choices)), fuel)
        case EnumShape(_, members):
            return draw(st.sampled_from(members))
        case SumShape(_, variants):
            units = [variant for variant in variants if variant.is_unit]
            if units and (fuel <= 0 or draw(st.booleans())):
                made: Any = draw(st.sampled_from(units)).cls
                return made()
            rest = [(item.cls, item.payload) for item in variants if not item.is_unit]
            return _first_that_ends(draw, context, draw(st.permutations(rest)), fuel)
        case shape:
            assert isinstance(shape, ProductShape)
            fields = [_value(draw, context, part, inner) for part in shape.types]
            made = shape.cls
            return () if made is None else context.shapes.constructor(made)(*fields)


def _first_that_ends(
    draw: Callable[..., Any],
    context: TypeContext,
    choices: Iterable[tuple[Any, AlgebraicType]],
    fuel: int,
) -> Any:
    for make, payload in choices:
        try:
            return make(_value(draw, context, payload, fuel - 1))
        except _Endless:
            continue
    raise _Endless


@cache
def primitive_values(name: str) -> st.SearchStrategy[Any]:
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
            low, high = integer_range(name)
            return st.sampled_from((low, high, 0, 1)) | st.integers(low, high)
