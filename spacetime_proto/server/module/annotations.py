"""Python annotations -> SATS types: how a module's classes and functions describe its schema.

| annotation | type |
|---|---|
| ``bool``, ``str``, ``bytes`` | Bool, String, Array(U8) |
| ``int``, ``float`` | I64, F64; other widths through the aliases ``U8`` .. ``F32`` below |
| ``list[T]``, ``T | None`` | Array(T), Option(T) |
| ``Some[T | None] | None`` | Option(Option(T)) |
| ``Ok[T] | Err[E]`` | Result(T, E) |
| ``None``, ``tuple[()]`` | unit |
| an ``enum.Enum`` class | a simple enum, tags in definition order whatever the member values |
| a class made by `sum_type` | a sum with payloads |
| a dataclass, a `msgspec.Struct`, a table class | a named product |
| ``Identity``, ``Timestamp`` ... | the special types (docs/protocol.md section 1.3) |

Enums, sums and products become named types in the module's typespace, each class once; that is also
what makes recursive types possible.
"""

from __future__ import annotations

import dataclasses
import enum
import types as pytypes
import typing
from typing import Annotated, Any, TypeAlias, TypeVar, Union

import msgspec

from ... import types
from ...errors import SchemaError
from ...sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
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
    is_enum,
    option,
    result,
)
from ...sats.pytypes import has_class
from ...schema.model import TypeDef

U8: TypeAlias = Annotated[int, Primitive("U8")]
U16: TypeAlias = Annotated[int, Primitive("U16")]
U32: TypeAlias = Annotated[int, Primitive("U32")]
U64: TypeAlias = Annotated[int, Primitive("U64")]
U128: TypeAlias = Annotated[int, Primitive("U128")]
U256: TypeAlias = Annotated[int, Primitive("U256")]
I8: TypeAlias = Annotated[int, Primitive("I8")]
I16: TypeAlias = Annotated[int, Primitive("I16")]
I32: TypeAlias = Annotated[int, Primitive("I32")]
I64: TypeAlias = Annotated[int, Primitive("I64")]
I128: TypeAlias = Annotated[int, Primitive("I128")]
I256: TypeAlias = Annotated[int, Primitive("I256")]
F32: TypeAlias = Annotated[float, Primitive("F32")]
F64: TypeAlias = Annotated[float, Primitive("F64")]

_PLAIN: dict[object, AlgebraicType] = {
    bool: Primitive("Bool"),
    int: Primitive("I64"),
    float: Primitive("F64"),
    str: Primitive("String"),
    bytes: BYTES,
    None: UNIT,
    type(None): UNIT,
    types.Identity: IDENTITY,
    types.ConnectionId: CONNECTION_ID,
    types.Timestamp: TIMESTAMP,
    types.TimeDuration: TIME_DURATION,
    types.Uuid: UUID,
    types.ScheduleAt: SCHEDULE_AT,
}

#: Marks a sum class and holds its variants' annotations: variant name -> annotation.
_SUM_FIELDS = "__sum_annotations__"

C = TypeVar("C", bound=type)


class Field(msgspec.Struct, frozen=True):
    """One field of a product class: its attribute in Python and its name on the wire."""

    attribute: str
    name: str
    annotation: Any


def sum_type(cls: C) -> C:
    """Turn a class of annotations into a sum type; each annotation is a variant and its payload.

    ::

        @sum_type
        class Shape:
            Circle: F64
            Square: Rect
            Nothing: None

        Shape.Circle(1.5); Shape.Nothing()

    Values are of `types.SumValue` subclasses, so ``match shape: case Shape.Circle(value=r)`` works.
    """
    shape = msgspec.defstruct(
        cls.__name__,
        [],
        bases=(types.SumValue,),
        module=cls.__module__,
        namespace={"__doc__": cls.__doc__},
        frozen=True,
        gc=False,
    )
    variants = []
    for tag, (name, annotation) in enumerate(cls.__annotations__.items()):
        unit = annotation is None or annotation == "None"
        variant = msgspec.defstruct(
            f"{cls.__name__}_{name}",
            [] if unit else [("value", Any)],
            bases=(shape,),
            module=cls.__module__,
            namespace={"__tag__": tag},
            frozen=True,
            gc=False,
        )
        setattr(shape, name, variant)
        variants.append(variant)
    sum_class: Any = shape
    sum_class.__variants__ = tuple(variants)
    setattr(sum_class, _SUM_FIELDS, dict(cls.__annotations__))
    return typing.cast("C", shape)


class TypeRegistry:
    """Collects the classes that annotations mention and numbers them; one per module.

    Args:
        scope: extra names for resolving string annotations (classes defined inside functions).
    """

    def __init__(self, scope: dict[str, Any] | None = None) -> None:
        self._scope = scope if scope is not None else {}
        self._refs: dict[type, int] = {}
        self._types: list[AlgebraicType] = []

    @property
    def typespace(self) -> Typespace:
        """Everything collected so far, in the order of first mention."""
        return Typespace(tuple(self._types))

    @property
    def classes(self) -> dict[int, type]:
        """The Python class of every typespace entry."""
        return {ref: cls for cls, ref in self._refs.items()}

    def type_defs(self) -> tuple[TypeDef, ...]:
        """The named types, sorted by name.

        Raises:
            SchemaError: if two classes have the same name.
        """
        names: dict[str, type] = {}
        for cls in self._refs:
            other = names.setdefault(cls.__name__, cls)
            if other is not cls:
                raise SchemaError(f"two different classes of this module are named {cls.__name__}")
        return tuple(TypeDef(name, self._refs[names[name]]) for name in sorted(names))

    def hints(self, thing: Any) -> dict[str, Any]:
        """Return the resolved annotations of a class or function, `Annotated` kept.

        Raises:
            SchemaError: if an annotation names something that cannot be found.
        """
        try:
            return typing.get_type_hints(thing, localns=self._scope, include_extras=True)
        except NameError as error:
            raise SchemaError(f"{error} in the annotations of {_name(thing)}") from error

    def ref(self, cls: type) -> int:
        """Return the typespace index of a class, entering it at its first mention."""
        known = self._refs.get(cls)
        if known is not None:
            return known
        ref = self._refs[cls] = len(self._types)
        self._types.append(UNIT)  # a place holder: the class may mention itself
        self._types[ref] = self._definition(cls)
        return ref

    def convert(self, annotation: Any, where: str) -> AlgebraicType:
        """Return the type that an annotation stands for.

        Args:
            annotation: a resolved annotation (no strings in it).
            where: what is annotated, for error messages.

        Raises:
            SchemaError: if it stands for nothing that SATS can hold.
        """
        try:
            plain = _PLAIN.get(annotation)
        except TypeError:  # unhashable: certainly not one of the plain ones
            plain = None
        if plain is not None:
            return plain
        origin = typing.get_origin(annotation)
        args = typing.get_args(annotation)
        if origin is Annotated:
            marks = [mark for mark in args[1:] if isinstance(mark, Primitive)]
            return marks[0] if marks else self.convert(args[0], where)
        if origin is list:
            return ArrayType(self.convert(args[0], where))
        if origin is tuple and args == ():
            return UNIT
        if origin is Union or origin is pytypes.UnionType:
            return self._union(args, where)
        if isinstance(annotation, type) and _is_nameable(annotation):
            return RefType(self.ref(annotation))
        raise SchemaError(f"{where}: {_name(annotation)} has no counterpart in SpacetimeDB's types")

    def _union(self, args: tuple[Any, ...], where: str) -> AlgebraicType:
        rest = [arg for arg in args if arg is not type(None)]
        if len(rest) == 1 and len(args) == 2:
            inner = rest[0]
            if typing.get_origin(inner) is types.Some:
                inner = typing.get_args(inner)[0]
            return option(self.convert(inner, where))
        if [typing.get_origin(arg) for arg in args] == [types.Ok, types.Err]:
            ok, err = (typing.get_args(arg)[0] for arg in args)
            return result(self.convert(ok, where), self.convert(err, where))
        raise SchemaError(
            f"{where}: of unions only `T | None` and `Ok[T] | Err[E]` exist; use sum_type for others"
        )

    def _definition(self, cls: type) -> AlgebraicType:
        if issubclass(cls, enum.Enum):
            return SumType(tuple(Variant(member.name, UNIT) for member in cls))
        if issubclass(cls, types.SumValue):
            made = SumType(
                tuple(
                    Variant(name, self.convert(annotation, f"{cls.__name__}.{name}"))
                    for name, annotation in self.sum_annotations(cls).items()
                )
            )
            if is_enum(made) or not has_class(made):
                raise SchemaError(
                    f"{cls.__name__}: write this as an Enum, Option, Ok | Err or ScheduleAt"
                )
            return made
        return ProductType(
            tuple(
                Element(
                    field.name, self.convert(field.annotation, f"{cls.__name__}.{field.attribute}")
                )
                for field in fields_of(cls, self)
            )
        )

    def sum_annotations(self, cls: type) -> dict[str, Any]:
        """Return the resolved payload annotations of a `sum_type` class, by variant name."""
        carrier: Any = type(cls.__name__, (), {"__module__": cls.__module__})
        carrier.__annotations__ = getattr(cls, _SUM_FIELDS)
        return self.hints(carrier)


def fields_of(cls: type, registry: TypeRegistry) -> list[Field]:
    """Return the fields of a product class in definition order."""
    hints = registry.hints(cls)
    if dataclasses.is_dataclass(cls):
        return [
            Field(field.name, field.metadata.get("name") or field.name, hints[field.name])
            for field in dataclasses.fields(cls)
        ]
    return [
        Field(field.name, field.encode_name, hints[field.name])
        for field in msgspec.structs.fields(cls)
    ]


def _is_nameable(cls: type) -> bool:
    """Say whether a class can be a named type of the module."""
    if issubclass(cls, types.SumValue):
        return hasattr(cls, _SUM_FIELDS)
    if issubclass(cls, msgspec.Struct):
        return cls.__module__ != types.__name__
    return issubclass(cls, enum.Enum) or dataclasses.is_dataclass(cls)


def _name(thing: Any) -> str:
    return getattr(thing, "__qualname__", None) or str(thing)
