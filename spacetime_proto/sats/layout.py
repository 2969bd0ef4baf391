"""Sizes and recursion of types: what can be known before a byte is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import LimitExceeded, SchemaError
from ..limits import DEFAULT_LIMITS, Limits
from .algebraic import PRIMITIVE_SIZES, ArrayType, ProductType, RefType, SumType, parts
from .shapes import PrimitiveShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .algebraic import AlgebraicType
    from .shapes import Shapes

_WEIGHT_CAP: Final = 10_000


class Size(msgspec.Struct, frozen=True):
    """What is known about the encoded size of a type, in bytes."""

    minimum: int
    """No value is smaller (a lower bound where the type is recursive)."""
    fixed: int | None
    """The size of every value, or None if it varies."""
    height: int
    """Levels of nesting, a recursive reference counted once."""
    weight: int
    """About how many source lines a decoder needs when everything is written inline."""


class Layout:
    """Sizes and recursion of one module's types, each worked out when first asked for.

    Args:
        shapes: the module's types.
        limits: `nesting_depth` bounds types and the values of recursive ones, `zero_size_rows` the
            elements that take no bytes.

    Attributes:
        max_depth: levels of nesting that a type may have, and recursive references inside each
            other that a value may have.
        max_empty: elements without bytes that the arrays of one value may have together.
    """

    def __init__(self, shapes: Shapes, limits: Limits = DEFAULT_LIMITS) -> None:
        self.max_depth = limits.nesting_depth
        self.max_empty = limits.zero_size_rows
        self._shapes = shapes
        self._sizes: dict[AlgebraicType, Size] = {}
        self._open: set[int] = set()
        self._reachable: dict[int, frozenset[int]] = {}
        self._with_empty: dict[AlgebraicType, bool] = {}

    def size(self, ty: AlgebraicType, level: int = 0) -> Size:
        """Return what is known about the size of `ty`.

        Raises:
            SchemaError: the type is not valid or nests deeper than `max_depth`.
        """
        found = self._sizes.get(ty)
        if found is None:
            if level > self.max_depth:
                raise SchemaError(f"a type nests deeper than {self.max_depth} levels")
            # Right also for a type inside a cycle, which may have been measured while the type
            # that contains it still counted as 1 byte of no fixed size (`_measure`): no value of a
            # recursive type is smaller, so `minimum` is a lower bound, and no type of a cycle has a
            # fixed size.
            found = self._sizes[ty] = self._measure(ty, level + 1)
        if level + found.height > self.max_depth:
            raise SchemaError(f"a type nests deeper than {self.max_depth} levels")
        return found

    def is_recursive(self, index: int) -> bool:
        """Say whether the type at `index` contains itself."""
        return index in self._reach(index)

    def counts_empty(self, ty: AlgebraicType) -> bool:
        """Say whether a value of `ty` may hold arrays whose elements take no bytes.

        Nothing but `max_empty` bounds how many elements such an array may announce.
        """
        found = self._with_empty.get(ty)
        if found is None:
            types = self._shapes.typespace.types
            inside = set(_references(ty))
            for index in tuple(inside):
                inside |= self._reach(index)
            found = self._with_empty[ty] = any(
                isinstance(part, ArrayType) and self.size(part.element).fixed == 0
                for whole in (ty, *(types[index] for index in inside))
                for part in _parts(whole)
            )
        return found

    def too_deep(self) -> LimitExceeded:
        """Return the error for a value that nests deeper than `max_depth`."""
        return LimitExceeded(
            f"nested deeper than {self.max_depth} levels",
            limit="nesting_depth",
            maximum=self.max_depth,
        )

    def too_empty(self) -> LimitExceeded:
        """Return the error for more than `max_empty` elements or rows that take no bytes."""
        return LimitExceeded(
            f"more than {self.max_empty} elements or rows without a size",
            limit="zero_size_rows",
            maximum=self.max_empty,
        )

    def enter(
        self, ty: AlgebraicType, depth: int, fail: Callable[[LimitExceeded], Exception]
    ) -> int:
        """Return the depth for the parts of a value of `ty`, given the depth of the value itself.

        Only references to recursive types count; compiled functions count in the same way.

        Raises:
            The exception that `fail` makes of `LimitExceeded`: that would be more than `max_depth`.
        """
        _, index = self._shapes.resolve(ty)
        if index is None or not self.is_recursive(index):
            return depth
        if depth >= self.max_depth:
            raise fail(self.too_deep())
        return depth + 1

    def _reach(self, start: int) -> frozenset[int]:
        """Return the indices that can be reached from a typespace entry by one reference or more."""
        found = self._reachable.get(start)
        if found is None:
            seen: set[int] = set()
            todo = [start]
            types = self._shapes.typespace.types
            while todo:
                index = todo.pop()
                if not 0 <= index < len(types):
                    raise SchemaError(f"type reference {index} leads nowhere")
                fresh = set(_references(types[index])) - seen
                seen |= fresh
                todo.extend(fresh)
            found = self._reachable[start] = frozenset(seen)
        return found

    def _measure(self, reference: AlgebraicType, level: int) -> Size:
        ty, index = self._shapes.resolve(reference)
        if index is None:
            return self._measure_inline(ty, level)
        if index in self._open:
            return Size(1, None, 1, 1)
        self._open.add(index)
        try:
            return self._measure_inline(ty, level)
        finally:
            self._open.remove(index)

    def _measure_inline(self, ty: AlgebraicType, level: int) -> Size:
        match ty:
            case ArrayType(element):
                inner = self.size(element, level)
                return Size(4, None, inner.height + 1, _cap(inner.weight + 5))
            case ProductType(elements):
                sizes = [self.size(element.type, level) for element in elements]
                fixed = [size.fixed for size in sizes if size.fixed is not None]
                return Size(
                    sum(size.minimum for size in sizes),
                    sum(fixed) if len(fixed) == len(sizes) else None,
                    1 + max((size.height for size in sizes), default=0),
                    _cap(1 + sum(size.weight for size in sizes)),
                )
            case SumType(variants):
                sizes = [self.size(variant.type, level) for variant in variants]
                first = sizes[0].fixed if sizes else None
                same = first is not None and all(size.fixed == first for size in sizes)
                return Size(
                    1 + min((size.minimum for size in sizes), default=0),
                    1 + first if same and first is not None else None,
                    1 + max((size.height for size in sizes), default=0),
                    _cap(1 + sum(size.weight + 1 for size in sizes)),
                )
            case _:
                shape = self._shapes.shape(ty)
                assert isinstance(shape, PrimitiveShape)
                fixed_size = PRIMITIVE_SIZES.get(shape.name)
                return Size(fixed_size or 4, fixed_size, 1, 1)


def _cap(weight: int) -> int:
    return min(weight, _WEIGHT_CAP)


def _references(ty: AlgebraicType) -> Iterator[int]:
    """Yield the indices of the references written in a type, without following them."""
    return (part.index for part in _parts(ty) if isinstance(part, RefType))


def _parts(ty: AlgebraicType) -> Iterator[AlgebraicType]:
    """Yield a type and all that is written inside of it, without following references."""
    todo = [ty]
    while todo:
        part = todo.pop()
        yield part
        todo.extend(parts(part))
