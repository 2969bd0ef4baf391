"""Module values <-> wire values.

A module works with its own classes (keyword-only dataclasses, enums with any member values), the
codecs with the classes that `sats` makes from the schema. `Converter` holds one function per
direction for an annotation, or None where both sides use the same value, which is the usual case.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, Union

import msgspec

from ... import types
from ...errors import EncodeError
from ...sats.algebraic import RefType
from .annotations import TypeRegistry, fields_of

if typing.TYPE_CHECKING:
    from ...sats.algebraic import Typespace
    from ...sats.compile import TypeContext

Convert: TypeAlias = Callable[[Any], Any]


class Converter(msgspec.Struct, frozen=True):
    """The two functions between the values of one annotation and those of the codec."""

    to_wire: Convert | None = None
    from_wire: Convert | None = None


_SAME = Converter()


class Converters:
    """Makes the converters of one module; each class is worked out once.

    Args:
        registry: the module's classes.
        context: the codecs made from the module's typespace.
    """

    def __init__(self, registry: TypeRegistry, context: TypeContext) -> None:
        self._registry = registry
        self._context = context
        self._classes: dict[type, Converter] = {}

    def of(self, annotation: Any) -> Converter:
        """Return the converter for values of a (resolved) annotation."""
        origin = typing.get_origin(annotation)
        args = typing.get_args(annotation)
        if origin is Annotated:
            return self.of(args[0])
        if origin is list:
            return _lifted(self.of(args[0]), _mapped)
        if args and (origin is Union or origin is _UNION):
            return self._union(args)
        if isinstance(annotation, type) and annotation in self._registry.classes.values():
            return self._class(annotation)
        return _SAME

    @property
    def typespace(self) -> Typespace:
        """The module's types."""
        return self._registry.typespace

    def columns(self, cls: type) -> list[Convert | None]:
        """Return, per field of a product class, the function from its values to wire values."""
        return [self.of(field.annotation).to_wire for field in fields_of(cls, self._registry)]

    def product(self, cls: type) -> tuple[Convert, Convert]:
        """Return (row object -> tuple of wire values, wire row -> row object) of a product class."""
        converter = self._class(cls)
        if converter.to_wire is None or converter.from_wire is None:  # pragma: no cover
            raise AssertionError("products always have both")
        return converter.to_wire, converter.from_wire

    def _union(self, args: tuple[Any, ...]) -> Converter:
        if type(None) in args:
            inner = next(arg for arg in args if arg is not type(None))
            if typing.get_origin(inner) is types.Some:
                inside = _lifted(self.of(typing.get_args(inner)[0]), _wrapped)
            else:
                inside = self.of(inner)
            return _lifted(inside, _optional)
        ok, err = (self.of(typing.get_args(arg)[0]) for arg in args)
        return _result(ok, err)

    def _class(self, cls: type) -> Converter:
        known = self._classes.get(cls)
        if known is not None:
            return known
        # A placeholder for recursive types: it looks up the real converter when it is called.
        self._classes[cls] = Converter(
            lambda value: self._classes[cls].to_wire(value),  # type: ignore[misc]
            lambda value: self._classes[cls].from_wire(value),  # type: ignore[misc]
        )
        wire: Any = self._context.python_class(RefType(self._registry.ref(cls)))
        if issubclass(cls, enum.Enum):
            made = _enum(cls, wire)
        elif issubclass(cls, types.SumValue):
            payloads = [self.of(hint) for hint in self._registry.sum_annotations(cls).values()]
            made = _sum(cls, wire, payloads)
        else:
            made = self._product(cls)
        self._classes[cls] = made
        return made

    def _product(self, cls: type) -> Converter:
        fields = fields_of(cls, self._registry)
        plan = [(field.attribute, self.of(field.annotation)) for field in fields]
        outward = [(name, converter.to_wire) for name, converter in plan]
        inward = [(name, converter.from_wire) for name, converter in plan]

        def to_wire(value: Any) -> tuple[Any, ...]:
            if type(value) is not cls:
                raise EncodeError(f"{type(value).__name__} is not a {cls.__name__}")
            return tuple(
                getattr(value, name) if convert is None else convert(getattr(value, name))
                for name, convert in outward
            )

        def from_wire(value: Any) -> Any:
            values = msgspec.structs.astuple(value) if inward else ()
            return cls(
                **{
                    name: item if convert is None else convert(item)
                    for (name, convert), item in zip(inward, values, strict=True)
                }
            )

        return Converter(to_wire, from_wire)


_UNION: Any = type(int | None)


def _lifted(inner: Converter, lift: Callable[[Convert], Convert]) -> Converter:
    """Return the converter of a container of `inner`; `lift` makes one direction of it."""
    if inner.to_wire is None or inner.from_wire is None:
        return _SAME
    return Converter(lift(inner.to_wire), lift(inner.from_wire))


def _mapped(convert: Convert) -> Convert:
    return lambda items: [convert(item) for item in items]


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _wrapped(convert: Convert) -> Convert:
    return lambda value: types.Some(convert(value.value))


def _result(ok: Converter, err: Converter) -> Converter:
    if ok is _SAME and err is _SAME:
        return _SAME

    def convert(good: Convert | None, bad: Convert | None) -> Convert:
        def apply(value: Any) -> Any:
            if isinstance(value, types.Ok):
                return value if good is None else types.Ok(good(value.value))
            return value if bad is None else types.Err(bad(value.error))

        return apply

    return Converter(convert(ok.to_wire, err.to_wire), convert(ok.from_wire, err.from_wire))


def _enum(cls: type[enum.Enum], wire: Any) -> Converter:
    wire_members = list(wire)
    to_wire = dict(zip(cls, wire_members, strict=True))
    from_wire = dict(zip(wire_members, cls, strict=True))

    def outward(value: Any) -> Any:
        try:
            return to_wire[value]
        except (KeyError, TypeError):
            raise EncodeError(f"{value!r} is not a {cls.__name__}") from None

    return Converter(outward, from_wire.__getitem__)


def _sum(cls: type[types.SumValue], wire: Any, payloads: list[Converter]) -> Converter:
    def convert(
        source: type, variants: tuple[type, ...], converts: list[Convert | None]
    ) -> Convert:
        def apply(value: Any) -> Any:
            if not isinstance(value, source):
                raise EncodeError(f"{type(value).__name__} is not a {cls.__name__}")
            tag: int = type(value).__tag__  # type: ignore[attr-defined]
            if not hasattr(value, "value"):
                return variants[tag]()
            convert = converts[tag]
            return variants[tag](value.value if convert is None else convert(value.value))

        return apply

    return Converter(
        convert(cls, wire.__variants__, [payload.to_wire for payload in payloads]),
        convert(wire, cls.__variants__, [payload.from_wire for payload in payloads]),
    )
