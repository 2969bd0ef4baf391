"""The classes of run-time bindings, each known by its definition.

A class made at run time cannot be imported, so its values are pickled with what the class was made
from: its `Definition`. The same definition gives the same class wherever and whenever it is used:
rows of two clients of one module are equal, and so are rows that come back from a pickle or from
another process.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakValueDictionary

import msgspec

from .algebraic import UNIT, AlgebraicType, ProductType, RefType, Typespace, is_enum, map_parts
from .names import python_name
from .pytypes import check_class, enum_members, has_class, make_class

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_STEPS: Final = 100_000
"""How many types the definitions of one module's classes may mention in all. Classes beyond are
those of one client alone and cannot be pickled; it keeps the work within bounds for any schema."""


class Definition(msgspec.Struct, frozen=True, cache_hash=True):
    """A named type with all it mentions, apart from the rest of its module."""

    types: tuple[AlgebraicType, ...]
    """The type itself, then what it mentions; references point into this tuple."""
    class_names: tuple[str | None, ...]
    """The names of their classes."""

    @property
    def names(self) -> dict[int, str]:
        """The names of the classes by position."""
        return {at: name for at, name in enumerate(self.class_names) if name is not None}

    def __deepcopy__(self, memo: object) -> Definition:
        return self


_CLASSES: Final[WeakValueDictionary[Definition, type]] = WeakValueDictionary()


class DynamicClasses:
    """Makes the classes of one typespace.

    Args:
        typespace: the types; a reference to another entry shares its class.
        names: class names by index; an entry without a name is called ``Type<index>``.
        given: classes to use instead, by index. What mentions one of them is not shared.
    """

    def __init__(
        self,
        typespace: Typespace,
        names: Mapping[int, str],
        given: Mapping[int, type] | None = None,
    ) -> None:
        self._typespace = typespace
        self._names = names
        self._given = given or {}
        self._steps = _MAX_STEPS

    def all(self) -> dict[int, type]:
        """Return a class for every type of the typespace that has one.

        Those are products and sums that are not special: no class is made for an option, a result,
        a special type, an array, a primitive, or a nameless unit.

        Raises:
            SchemaError: a given class does not have the fields or variants of its type.
        """
        classes: dict[int, type] = {}
        types = self._typespace.types
        for index, ty in enumerate(types):
            own = self._given.get(index)
            if own is not None and has_class(ty):
                check_class(own, ty)
                classes[index] = own
            elif self._has_class(index):
                classes[index] = self.named(index)
        for index, ty in enumerate(types):
            if isinstance(ty, RefType):
                # A reference that leads nowhere is reported when the type is used.
                with suppress(ValueError, KeyError):
                    classes[index] = classes[self._typespace.follow(ty)[1]]
        return classes

    def named(self, index: int) -> type:
        """Return the class of an entry of the typespace that has one."""
        return self._make(self._typespace.types[index], self._name(index), index)

    def anonymous(self, ty: AlgebraicType) -> type:
        """Return the class of a type that stands inside another one."""
        return self._make(ty, "Anonymous", None)

    def _name(self, index: int) -> str:
        return self._names.get(index) or f"Type{index}"

    def _has_class(self, index: int) -> bool:
        ty = self._typespace.types[index]
        return has_class(ty) and (ty != UNIT or index in self._names)

    def _make(self, ty: AlgebraicType, name: str, index: int | None) -> type:
        definition = self._define(ty, name, index)
        found = None if definition is None else _CLASSES.get(definition)
        if found is not None:
            return found
        cls: Any = make_class(ty, python_name(name), self._typespace)
        if definition is None:
            return cast("type", cls)
        cls.__definition__ = definition
        if isinstance(ty, ProductType):
            cls.__reduce__ = _reduce_struct
        elif is_enum(ty):
            cls.__reduce_ex__ = _reduce_member
        else:
            for variant in cls.__variants__:
                variant.__reduce__ = _reduce_variant
        return _CLASSES.setdefault(definition, cls)

    def _define(self, ty: AlgebraicType, name: str, index: int | None) -> Definition | None:
        """Return the definition of a class, or None if the class is this typespace's own."""
        origins = [-1 if index is None else index]
        places = {origins[0]: 0}

        def renumbered(part: AlgebraicType) -> AlgebraicType:
            self._steps -= 1
            if not isinstance(part, RefType):
                return map_parts(part, renumbered)
            if part.index not in places:
                places[part.index] = len(origins)
                origins.append(part.index)
            return RefType(places[part.index])

        types = [renumbered(ty)]
        names: list[str | None] = [name]
        entries = self._typespace.types
        for origin in islice(origins, 1, None):  # which grows meanwhile
            if self._steps < 0 or not 0 <= origin < len(entries) or origin in self._given:
                return None
            types.append(renumbered(entries[origin]))
            names.append(self._name(origin) if self._has_class(origin) else None)
        return Definition(tuple(types), tuple(names)) if self._steps >= 0 else None


# --- pickling


def _class_of(definition: Definition) -> Any:
    found = _CLASSES.get(definition)
    return found or DynamicClasses(Typespace(definition.types), definition.names).named(0)


def restore_struct(definition: Definition, *values: Any) -> Any:
    """Return a row or struct that was pickled."""
    return _class_of(definition)(*values)


def restore_variant(definition: Definition, tag: int, *values: Any) -> Any:
    """Return a value of a sum that was pickled."""
    return _class_of(definition).__variants__[tag](*values)


def restore_member(definition: Definition, tag: int) -> Any:
    """Return a member of an enum that was pickled."""
    return enum_members(_class_of(definition))[tag]


def _reduce_struct(value: Any) -> tuple[Any, ...]:
    return restore_struct, (value.__definition__, *msgspec.structs.astuple(value))


def _reduce_variant(value: Any) -> tuple[Any, ...]:
    fields = msgspec.structs.astuple(value)
    return restore_variant, (value.__definition__, value.__tag__, *fields)


def _reduce_member(member: Any, protocol: object) -> tuple[Any, ...]:
    return restore_member, (type(member).__definition__, member.value)
