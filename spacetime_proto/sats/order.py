"""How SATS orders values (docs/protocol.md section 1.4), as Python sort keys.

Most column types need none: integers, strings (code points order as their UTF-8 bytes do), bytes,
booleans, identities and times already compare and hash in Python as SpacetimeDB compares them. For
the rest `sort_key` returns a function from a value to a key that does:

- floats: all NaN are one value, after every number; -0.0 equals 0.0;
- sums: by tag, then by payload, so *some* comes before *none* and *ok* before *err*;
- products and arrays: element by element, the shorter array first.

The result is also what an index hashes, so values without a Python hash (lists) can be keys.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..types import Ok, Some
from .algebraic import (
    BYTES,
    ArrayType,
    Primitive,
    ProductType,
    RefType,
    SumType,
    is_enum,
    option_payload,
    result_payloads,
    special_name,
)

if TYPE_CHECKING:
    from .algebraic import AlgebraicType, Typespace

    SortKey = Callable[[Any], Any]

#: The comparisons of SQL as functions on sort keys.
OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Top:
    """Greater than every other value: the end of the range of all keys that start with a prefix."""

    __slots__ = ()

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "TOP"


TOP: Final = _Top()

_NAN: Final = (1,)
_NONE: Final = (1,)


def sort_key(ty: AlgebraicType, typespace: Typespace) -> SortKey | None:
    """Return the function from a value of `ty` to its sort key, or None if the value is its own.

    Keys of one type compare in SATS order, are hashable, and are equal when the values are equal.
    """
    return _make(ty, typespace, {})


def _make(
    ty: AlgebraicType, typespace: Typespace, by_ref: dict[int, list[SortKey | None]]
) -> SortKey | None:
    if isinstance(ty, RefType):
        return _of_ref(ty.index, typespace, by_ref)
    if isinstance(ty, Primitive):
        return _float_key if ty.name in ("F32", "F64") else None
    if isinstance(ty, ArrayType):
        return None if ty == BYTES else _array_key(_make(ty.element, typespace, by_ref))
    if isinstance(ty, ProductType):
        if special_name(ty) is not None:
            return None
        return _product_key([_make(e.type, typespace, by_ref) for e in ty.elements])
    return _of_sum(ty, typespace, by_ref)


def _of_ref(
    index: int, typespace: Typespace, by_ref: dict[int, list[SortKey | None]]
) -> SortKey | None:
    known = by_ref.get(index)
    if known is None:
        # The list gets its one element after the types below were visited: a type that contains
        # itself finds the list empty, and looks into it when its key function is called.
        known = by_ref[index] = []
        known.append(_make(typespace.types[index], typespace, by_ref))
    if known:
        return known[0]
    cell = known

    def later(value: Any) -> Any:
        key = cell[0]
        return value if key is None else key(value)

    return later


def _of_sum(
    ty: SumType, typespace: Typespace, by_ref: dict[int, list[SortKey | None]]
) -> SortKey | None:
    payload = option_payload(ty)
    if payload is not None:
        return _option_key(_make(payload, typespace, by_ref))
    pair = result_payloads(ty)
    if pair is not None:
        good, bad = (_make(payload, typespace, by_ref) for payload in pair)
        return _result_key(good, bad)
    if is_enum(ty):
        return _enum_key
    return _sum_key([_make(variant.type, typespace, by_ref) for variant in ty.variants])


def _float_key(value: float) -> tuple[Any, ...]:
    return (0, value) if value == value else _NAN


def _enum_key(value: Any) -> Any:
    # The number is accepted in place of the member, so `find(2)` works as `find(Color.Blue)` does.
    return getattr(value, "value", value)


def _array_key(element: SortKey | None) -> SortKey:
    return tuple if element is None else lambda values: tuple([element(v) for v in values])


def _product_key(elements: list[SortKey | None]) -> SortKey:
    def key(value: Any) -> tuple[Any, ...]:
        # A product is a Struct; a plain tuple of the right length is accepted wherever one is.
        fields = value if isinstance(value, tuple) else msgspec.structs.astuple(value)
        return tuple(
            [
                field if element is None else element(field)
                for element, field in zip(elements, fields, strict=True)
            ]
        )

    return key


def _option_key(payload: SortKey | None) -> SortKey:
    def key(value: Any) -> tuple[Any, ...]:
        if value is None:
            return _NONE
        if type(value) is Some:
            value = value.value
        return (0, value if payload is None else payload(value))

    return key


def _result_key(good: SortKey | None, bad: SortKey | None) -> SortKey:
    def key(value: Any) -> tuple[Any, ...]:
        if isinstance(value, Ok):
            return (0, value.value if good is None else good(value.value))
        return (1, value.error if bad is None else bad(value.error))

    return key


def _sum_key(payloads: list[SortKey | None]) -> SortKey:
    def key(value: Any) -> tuple[Any, ...]:
        tag = value.__tag__
        payload = payloads[tag]
        held = getattr(value, "value", ())
        return (tag, held if payload is None else payload(held))

    return key
