"""What pydantic asks of the classes of values: how to validate, write and describe them.

Containers are pydantic's own, so that its errors say where in the data a fault is; single values are
read by `from_plain`, and everything is written by `plain`. So the dictionaries are those of
`to_dict` and `from_dict`. pydantic is imported here when it asks, never before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, assert_never, cast

from ..errors import EncodeError
from ..types import ConnectionId, Err, Identity, Ok, Some, TimeDuration, Timestamp, Uuid
from .algebraic import (
    CONNECTION_ID,
    IDENTITY,
    TIME_DURATION,
    TIMESTAMP,
    UUID,
    RefType,
    Typespace,
    integer_range,
)
from .from_plain import PlainReader, type_of
from .plain import NONFINITE, to_plain, variant_name
from .shapes import (
    ArrayShape,
    BytesShape,
    EnumShape,
    OptionShape,
    PrimitiveShape,
    ProductShape,
    ResultShape,
    Shapes,
    SpecialShape,
    SumShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .algebraic import AlgebraicType

_LEAVES: Final[dict[Any, AlgebraicType]] = {
    Identity: IDENTITY,
    ConnectionId: CONNECTION_ID,
    Uuid: UUID,
    Timestamp: TIMESTAMP,
    TimeDuration: TIME_DURATION,
}
_NUMBER_OR_TEXT: Final = {"anyOf": [{"type": "number"}, {"enum": list(NONFINITE)}]}
_DESCRIPTIONS: Final[dict[str, dict[str, Any]]] = {
    "Bool": {"type": "boolean"},
    "String": {"type": "string"},
    "F32": _NUMBER_OR_TEXT,
    "F64": _NUMBER_OR_TEXT,
    "Identity": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
    "ConnectionId": {"type": "string", "pattern": "^[0-9a-fA-F]{32}$"},
    "Uuid": {"type": "string", "format": "uuid"},
    "Timestamp": {"type": "string", "format": "date-time"},
    "TimeDuration": {"type": "string", "format": "duration"},
}


def core_schema_of(cls: Any) -> Any:
    """Return pydantic's core schema of a class of values.

    Raises:
        LocalProtocolError: the class is part of no module, so its types are not known.
    """
    from pydantic_core import core_schema

    leaf = _LEAVES.get(cls)
    if leaf is not None:
        return _Schemas(Shapes(Typespace()), core_schema).leaf(leaf, cls.__name__)
    shapes, ty = type_of(cls)
    schemas = _Schemas(shapes, core_schema)
    schema = schemas.of(ty)
    shape: Any = shapes.shape(ty)
    if shape.cls is not cls:
        # One variant of a sum.
        schema = core_schema.no_info_after_validator_function(_only(cls), schema)
    return core_schema.definitions_schema(schema, list(schemas.definitions.values()))


def _only(cls: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, cls):
            raise ValueError(f"a {cls.__name__} expected, not a {type(value).__name__}")
        return value

    return check


def _write(value: Any, info: Any) -> Any:
    return to_plain(value, "json" if info.mode == "json" else "python")


def _keep(value: Any, info: Any) -> Any:
    return to_plain(value) if info.mode == "json" else value


def _described(**words: Any) -> dict[str, Any]:
    return {"pydantic_js_functions": [lambda schema, handler: handler(schema) | words]}


class _Schemas:
    """Writes the schemas of one module's types; each class gets one definition.

    Attributes:
        definitions: the schemas of classes, by the name that others refer to them by.
    """

    def __init__(self, shapes: Shapes, core_schema: Any) -> None:
        self._shapes = shapes
        self._core = core_schema
        self.definitions: dict[str, Any] = {}

    def of(self, ty: AlgebraicType) -> Any:
        """Return the schema of a type."""
        shape = self._shapes.shape(ty)
        match shape:
            case PrimitiveShape(name) | SpecialShape(name):
                return self.leaf(ty, name)
            case BytesShape():
                return self.leaf(ty, "Bytes")
            case ProductShape(cls=None):
                return self.leaf(ty, "Unit")
            case ArrayShape() | OptionShape() | ResultShape():
                if not isinstance(ty, RefType):
                    return self._container(shape)
                _, index = self._shapes.resolve(ty)
                ref = f"spacetimedb.Type{index}:{id(self._shapes)}"
                return self._defined(ref, lambda: self._container(shape) | {"ref": ref})
            case EnumShape(cls):
                return self._of_class(cls, lambda ref: self._enum(ty, shape, ref))
            case SumShape(cls):
                return self._of_class(cls, lambda ref: self._sum(shape, ref))
            case ProductShape(cls):
                return self._of_class(cls, lambda ref: self._product(shape, ref))
            case _:
                assert_never(shape)

    def _of_class(self, cls: Any, make: Callable[[str], Any]) -> Any:
        ref = f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"
        return self._defined(ref, lambda: make(ref))

    def _defined(self, ref: str, make: Callable[[], Any]) -> Any:
        """Return a reference to a definition, which is made once: types may mention themselves."""
        if ref not in self.definitions:
            self.definitions[ref] = None
            self.definitions[ref] = make()
        return self._core.definition_reference_schema(ref)

    def _container(self, shape: ArrayShape | OptionShape | ResultShape) -> Any:
        core = self._core
        match shape:
            case ArrayShape(element):
                return core.list_schema(self.of(element))
            case OptionShape(payload, is_nested):
                inner = self.of(payload)
                if is_nested:
                    some = self._one_of([("some", inner)], "Some")
                    inner = self._made(some, Some, lambda fields: Some(fields["some"]))
                return core.nullable_schema(inner)
            case ResultShape(ok, err):
                schema = self._one_of([("ok", self.of(ok)), ("err", self.of(err))], "Result")
                return self._made(
                    schema,
                    (Ok, Err),
                    lambda fields: Ok(fields["ok"]) if "ok" in fields else Err(fields["err"]),
                )
            case _:
                assert_never(shape)

    def leaf(self, ty: AlgebraicType, name: str) -> Any:
        """Return the schema of a type whose values `from_plain` reads in one piece."""
        if name[1:].isdecimal() and name[0] in "IU":
            low, high = integer_range(name)
            # Readers of schemas hold bounds as floats: those that would be rounded are left out.
            bounds = {"minimum": low, "maximum": high}
            exact = {key: bound for key, bound in bounds.items() if abs(bound) < 1 << 53}
            description: dict[str, Any] = {"type": "integer", **exact}
        elif name == "Bytes":
            description = {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"}
        elif name == "Unit":
            description = {"type": "array", "maxItems": 0}
        else:
            description = _DESCRIPTIONS[name]
        return self._read(ty, _keep, description)

    def _read(self, ty: AlgebraicType, write: Any, description: dict[str, Any], **more: Any) -> Any:
        core = self._core

        def read(value: Any) -> Any:
            try:
                return PlainReader(self._shapes, "").read(ty, value)
            except EncodeError as error:
                raise ValueError(error.detail) from None

        return core.no_info_plain_validator_function(
            read,
            serialization=core.plain_serializer_function_ser_schema(write, info_arg=True),
            metadata={"pydantic_js_functions": [lambda schema, handler: dict(description)]},
            **more,
        )

    def _enum(self, ty: AlgebraicType, shape: EnumShape, ref: str) -> Any:
        names = [member.name for member in shape.members]
        description = {"type": "string", "enum": names, "title": shape.cls.__name__}
        return self._read(ty, _keep, description, ref=ref)

    def _product(self, shape: ProductShape, ref: str) -> Any:
        fields = {
            name: self._core.typed_dict_field(self.of(ty))
            for name, ty in zip(shape.attributes, shape.types, strict=True)
        }
        cls = cast("type", shape.cls)
        return self._made(
            self._dict(fields, cls.__name__),
            cls,
            lambda found: self._shapes.build(shape, [found[name] for name in shape.attributes]),
            ref=ref,
            serialization=self._core.plain_serializer_function_ser_schema(_write, info_arg=True),
        )

    def _sum(self, shape: SumShape, ref: str) -> Any:
        variants = {variant_name(variant.cls): variant for variant in shape.variants}
        choices = [
            (name, self._core.none_schema() if variant.is_unit else self.of(variant.payload))
            for name, variant in variants.items()
        ]

        def make(found: dict[str, Any]) -> Any:
            ((name, payload),) = found.items()
            variant = variants[name]
            return variant.cls() if variant.is_unit else variant.cls(payload)

        return self._made(
            self._one_of(choices, shape.cls.__name__),
            shape.cls,
            make,
            ref=ref,
            serialization=self._core.plain_serializer_function_ser_schema(_write, info_arg=True),
        )

    def _dict(self, fields: dict[str, Any], title: str) -> Any:
        # pydantic itself says the latter from 2.12 on.
        words = _described(title=title, additionalProperties=False)
        return self._core.typed_dict_schema(fields, extra_behavior="forbid", metadata=words)

    def _one_of(self, choices: Sequence[tuple[str, Any]], title: str) -> Any:
        """Return the schema of a dictionary with one of these keys, with what each key holds."""
        dicts = {
            name: self._dict({name: self._core.typed_dict_field(schema)}, name)
            for name, schema in choices
        }
        return self._core.tagged_union_schema(
            dicts, discriminator=_one_key, metadata=_described(title=title)
        )

    def _made(self, schema: Any, classes: Any, make: Callable[[Any], Any], **more: Any) -> Any:
        """Return a schema that takes instances of `classes`, and makes them of what is read."""

        def read(value: Any, handler: Any) -> Any:
            return value if isinstance(value, classes) else make(handler(value))

        return self._core.no_info_wrap_validator_function(read, schema, **more)


def _one_key(value: Any) -> Any:
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    return next(iter(value))
