"""Types with values of them, drawn for a judge, and the counting of what was judged."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

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
from spacetime_proto.testing import strategies as sts
from spacetime_proto.types import Err, Ok
from tests.support.type_bytes import encode_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spacetime_proto.sats.algebraic import AlgebraicType
    from spacetime_proto.sats.compile import Codec, TypeContext

#: A run takes minutes on a busy machine. Strategies for types have reprs as large as themselves.
LONG = [
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

SEED = 20261110
"""Of all drawings here: a run judges the same values as the one before."""

#: A judged run is one long test; Hypothesis' own clocks and database are no help in it.
JUDGED = settings(
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
    ],
)


class Case(msgspec.Struct):
    """A type, and encodings of different values of it."""

    context: TypeContext
    type: AlgebraicType
    values: list[Any]
    encoded: list[bytes]

    @property
    def codec(self) -> Codec[Any]:
        return self.context.codec(self.type)

    @property
    def typespace(self) -> bytes:
        """BSATN of the typespace."""
        types = self.context.typespace.types
        return len(types).to_bytes(4, "little") + b"".join(map(encode_type, types))


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    """Draw a type and values of it, no two with the same bytes."""
    # An example has room for many small values or for a few large ones.
    least = draw(st.sampled_from((2, 8, 30)))
    context = draw(sts.contexts())
    ty = draw(st.sampled_from(context.typespace.types))
    codec = context.codec(ty)
    found: dict[bytes, Any] = {}
    for value in draw(st.lists(sts.values(context, ty), min_size=least, max_size=2 * least)):
        found.setdefault(codec.encode(value), value)
    return Case(context, ty, list(found.values()), list(found))


class Count:
    """How many values a run has judged."""

    def __init__(self) -> None:
        self.values = 0


def plain(context: TypeContext, ty: AlgebraicType, value: Any) -> Any:
    """Return a value in the plain form of typescript/judge.mjs, which has no idea of SATS-JSON."""

    def inner(ty: AlgebraicType, value: Any) -> Any:
        return plain(context, ty, value)

    match context.shape(ty):
        case PrimitiveShape("Bool" | "String"):
            return value
        case PrimitiveShape("F32" | "F64"):
            return {"double": struct.pack(">d", value).hex()}
        case PrimitiveShape():
            return str(value)
        case BytesShape():
            return value.hex()
        case SpecialShape(_, special):
            held = getattr(value, special.attribute)
            return str(int.from_bytes(held, "big") if special.is_hex else held)
        case ArrayShape(element):
            return [inner(element, item) for item in value]
        case OptionShape(payload, is_nested):
            if value is None:
                return None
            return {"some": inner(payload, value.value if is_nested else value)}
        case ResultShape(ok, err):
            match value:
                case Ok(held):
                    return {"ok": inner(ok, held)}
                case Err(held):
                    return {"err": inner(err, held)}
        case EnumShape():
            return [value.value, []]
        case SumShape(_, variants):
            tag = value.__tag__
            variant = variants[tag]
            return [tag, [] if variant.is_unit else inner(variant.payload, value.value)]
        case ProductShape(_, _, attributes, types):
            return [
                inner(part, getattr(value, attribute))
                for attribute, part in zip(attributes, types, strict=True)
            ]
    raise AssertionError(ty)


def parts(value: Any) -> Iterator[Any]:
    """Yield a value in plain form and everything in it."""
    yield value
    for item in (
        value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    ):
        yield from parts(item)


def doubles(value: Any) -> Iterator[float]:
    """Yield the floats in a value in plain form."""
    for part in parts(value):
        if isinstance(part, dict) and "double" in part:
            yield double(part["double"])


def double(bits: str) -> float:
    """Return the float that these 16 hex digits say."""
    value: float = struct.unpack(">d", bytes.fromhex(bits))[0]
    return value
