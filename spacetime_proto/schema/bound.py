"""A module description with classes and codecs bound to it; everything is made on first use."""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, EncodeError, LimitExceeded, SchemaError
from ..limits import DEFAULT_LIMITS
from ..sats.algebraic import Primitive
from ..sats.compile import TypeContext
from ..sats.sats_json import dumps, from_json, loads, to_json
from .case import parameter_names
from .model import ProcedureDef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..limits import Limits
    from ..sats.algebraic import AlgebraicType
    from ..sats.compile import Codec, RowCodec
    from .model import ModuleDef, ReducerDef, TableDef

_STRING = Primitive("String")


class BoundTable:
    """A table or view, its row class and its codec.

    Attributes:
        definition: what the schema says of it.
        name: its canonical name.
        types: the types of its module.
    """

    def __init__(self, definition: TableDef, types: TypeContext) -> None:
        self.definition = definition
        self.name = definition.name
        self.types = types

    def __repr__(self) -> str:
        return f"BoundTable({self.name!r})"

    @cached_property
    def codec(self) -> RowCodec[Any]:
        """The codec of its rows."""
        return self.types.row_codec(self.definition.row_ref)

    @cached_property
    def row_class(self) -> type:
        """The class of its rows; `tuple` for a table whose row type is the nameless unit."""
        return self.types.classes.get(self.definition.row_ref, tuple)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The attribute of each column on `row_class`."""
        return self.codec.names


class BoundFunction:
    """A reducer or procedure and the codecs of what goes in and comes out.

    Attributes:
        definition: what the schema says of it.
        name: its canonical name.
        is_procedure: which of the two it is.
    """

    def __init__(self, definition: ReducerDef | ProcedureDef, types: TypeContext) -> None:
        self.definition = definition
        self.name = definition.name
        self.is_procedure = isinstance(definition, ProcedureDef)
        self._types = types
        self._expected = len(definition.params.elements)

    def __repr__(self) -> str:
        return f"BoundFunction({self.name!r})"

    @cached_property
    def param_names(self) -> tuple[str, ...]:
        """The parameters as Python names."""
        return parameter_names(self.definition.params)

    @cached_property
    def _arguments(self) -> str:
        return f"arguments of {self.name}"

    @cached_property
    def _args(self) -> Codec[Any]:
        return self._types.codec(self.definition.params)

    @property
    def return_type(self) -> AlgebraicType:
        """The type of a good outcome."""
        definition = self.definition
        if isinstance(definition, ProcedureDef):
            return definition.return_type
        return definition.ok_type

    @property
    def error_type(self) -> AlgebraicType:
        """The type of a reducer's error value; so far, String in every module."""
        definition = self.definition
        if isinstance(definition, ProcedureDef):
            return _STRING
        return definition.err_type or _STRING

    # --- BSATN

    def encode_args(self, args: Sequence[Any]) -> bytes:
        """Encode arguments, one per parameter, in order.

        Raises:
            EncodeError: there are too few or too many, or one does not fit its type.
        """
        self._count(args)
        return self._args.encode(tuple(args), what=self._arguments) if args else b""

    def decode_args(self, data: bytes) -> tuple[Any, ...]:
        """Decode arguments.

        Raises:
            DecodeError: they are damaged.
        """
        value = self._args.decode_exact(data, what=self._arguments)
        return self._in_order(value)

    def decode_return(self, data: bytes) -> Any:
        """Decode what the function returned.

        Raises:
            DecodeError: it is damaged.
        """
        codec = self._types.codec(self.return_type)
        return codec.decode_exact(data, what=f"return value of {self.name}")

    def decode_error(self, data: bytes) -> Any:
        """Decode the error value of a reducer.

        Raises:
            DecodeError: it is damaged.
        """
        codec = self._types.codec(self.error_type)
        return codec.decode_exact(data, what=f"error of {self.name}")

    # --- JSON

    def args_to_json(self, args: Sequence[Any]) -> str:
        """Return arguments as a JSON array.

        Raises:
            EncodeError: there are too few or too many, or one does not fit its type.
        """
        self._count(args)
        try:
            value = to_json(self.definition.params, self._types, tuple(args), style="positional")
        except EncodeError as error:
            raise error.within(self._arguments) from error.__cause__
        return dumps(value)

    def args_from_json(self, text: str) -> tuple[Any, ...]:
        """Read arguments from a JSON array, or an object by parameter name.

        Raises:
            DecodeError: they are not valid.
        """
        return self._in_order(self._read(self.definition.params, text, self._arguments))

    def return_from_json(self, text: str) -> Any:
        """Read what the function returned from JSON text.

        Raises:
            DecodeError: it is not valid.
        """
        return self._read(self.return_type, text, f"return value of {self.name}")

    def _read(self, ty: AlgebraicType, text: str, what: str) -> Any:
        try:
            return from_json(ty, self._types, loads(text))
        except (DecodeError, LimitExceeded) as error:
            raise error.within(what) from error.__cause__

    def _count(self, args: Sequence[Any]) -> None:
        if len(args) != self._expected:
            raise EncodeError(f"{self.name} takes {self._expected} arguments, not {len(args)}")

    def _in_order(self, value: Any) -> tuple[Any, ...]:
        shape: Any = self._types.shape(self.definition.params)
        return tuple(getattr(value, attribute) for attribute in shape.attributes)


class BoundModule:
    """A module, ready to encode and decode.

    Args:
        definition: the description.
        classes: classes to use, by type name (`TypeDef.name`); dynamic ones are made for the rest.
        limits: of values: `nesting_depth` and `zero_size_rows`.

    Raises:
        SchemaError: a class is given for a type that does not exist, or does not fit its type.

    Attributes:
        definition: the description.
        types: the classes and codecs of its types.
        tables: tables and views by canonical name.
        reducers: reducers by canonical name.
        procedures: procedures by canonical name.
    """

    def __init__(
        self,
        definition: ModuleDef,
        classes: Mapping[str, type] | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.definition = definition
        refs = {named.name: named.ref for named in definition.types}
        unknown = sorted(set(classes or {}) - set(refs))
        if unknown:
            raise SchemaError(f"classes are given for types that do not exist: {unknown}")
        types = TypeContext(
            definition.typespace,
            {ref: name for name, ref in refs.items()},
            {refs[name]: cls for name, cls in (classes or {}).items()},
            limits=limits,
        )
        self._bind(types, {_value_limits(limits): self})

    def _bind(self, types: TypeContext, siblings: dict[tuple[int, int], BoundModule]) -> None:
        definition = self.definition
        self.types = types
        self._siblings = siblings
        self.tables: Mapping[str, BoundTable] = MappingProxyType(
            {table.name: BoundTable(table, self.types) for table in definition.tables}
        )
        self.reducers: Mapping[str, BoundFunction] = MappingProxyType(
            {one.name: BoundFunction(one, self.types) for one in definition.reducers}
        )
        self.procedures: Mapping[str, BoundFunction] = MappingProxyType(
            {one.name: BoundFunction(one, self.types) for one in definition.procedures}
        )

    def within(self, limits: Limits) -> BoundModule:
        """Return this module with the same classes and codecs that keep other limits.

        One is kept for each pair of `nesting_depth` and `zero_size_rows`, because these numbers are
        part of the generated code: types that cannot exceed a limit are not checked at all.
        """
        key = _value_limits(limits)
        found = self._siblings.get(key)
        if found is None:
            found = BoundModule.__new__(BoundModule)
            found.definition = self.definition
            found._bind(self.types.within(limits), self._siblings)
            self._siblings[key] = found
        return found


def _value_limits(limits: Limits) -> tuple[int, int]:
    """Return the limits that codecs keep."""
    return limits.nesting_depth, limits.zero_size_rows
