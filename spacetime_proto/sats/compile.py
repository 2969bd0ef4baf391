"""From a type to a codec: functions written, compiled and cached on first use.

`TypeContext` belongs to one module and hands out a `Codec` per type and a `RowCodec` per row type.
The functions themselves come from `source_decode`, `source_encode` and `source_columns`; what they
raise is turned into `DecodeError` and `EncodeError` here, with the interpreted codec (`bsatn`) asked
where exactly the damage is.
"""

from __future__ import annotations

from functools import cached_property
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ..errors import DecodeError, EncodeError, LimitExceeded, SchemaError
from ..limits import DEFAULT_LIMITS, Limits
from . import bsatn
from .algebraic import RefType
from .bsatn import RAW_DECODE_ERRORS, RAW_ENCODE_ERRORS
from .layout import Layout
from .program import Program
from .shapes import ProductShape, Shapes
from .source_columns import column_function, fixed_keys_function, keys_function
from .source_decode import decode_function
from .source_encode import encode_function
from .source_rows import equal_rows_function, row_function, rows_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .algebraic import AlgebraicType, Typespace
    from .program import GeneratedFunction
    from .rows import RowList
    from .shapes import Shape

__all__ = ["RAW_DECODE_ERRORS", "Codec", "RowCodec", "TypeContext"]

T = TypeVar("T")

_FEW_ROWS: Final = 4
"""Below this many rows a loop costs less than setting up an iterator."""
_MAX_UNPACKERS: Final = 256
"""Row sizes for which a key reader keeps its `Struct`; strings make many row sizes."""


class Codec(Generic[T]):
    """Encodes and decodes values of one type; made by `TypeContext.codec`.

    Attributes:
        type: the type.
        fixed_size: the size in bytes of every value, or None if it varies.
        min_size: no value takes fewer bytes.
    """

    def __init__(self, context: TypeContext, ty: AlgebraicType) -> None:
        size = context.layout.size(ty)
        self.type = ty
        self.fixed_size = size.fixed
        self.min_size = size.minimum
        self._context = context

    def _finish(
        self, write: Callable[[Program, AlgebraicType], GeneratedFunction]
    ) -> Callable[..., Any]:
        return self._context.program.finish(write(self._context.program, self.type))

    @cached_property
    def decode(self) -> Callable[[bytes, int], tuple[T, int]]:
        """``(data, pos) -> (value, position after it)``; raises `RAW_DECODE_ERRORS`."""
        return self._finish(decode_function)

    @cached_property
    def _encode(self) -> Callable[[T, bytearray], None]:
        return self._finish(encode_function)

    def decode_first(self, data: bytes, *, what: str = "") -> tuple[T, int]:
        """Decode the value that `data` begins with; return it and the position after it.

        Args:
            data: the bytes.
            what: what they are, for the error.

        Raises:
            DecodeError: they are damaged or cut short.
        """
        try:
            return self.decode(data, 0)
        except RAW_DECODE_ERRORS as error:
            raise self._damage(data, 0, what, error) from error

    def decode_exact(self, data: bytes, *, what: str = "") -> T:
        """Decode `data`, which must hold one value and nothing else; arguments as `decode_first`.

        Raises:
            DecodeError: they are damaged, cut short or too many.
            LimitExceeded: the value nests too deep, or has too many elements without bytes.
        """
        try:
            value, pos = self.decode(data, 0)
        except RAW_DECODE_ERRORS as error:
            raise self._damage(data, 0, what, error) from error
        if pos != len(data):
            raise DecodeError(f"{len(data) - pos} bytes too many", what=what, offset=pos)
        return value

    def encode_into(self, value: T, out: bytearray) -> None:
        """Append the encoding of `value` to `out`, which is left as it was on an error.

        Raises:
            EncodeError: the value does not fit the type; it names the path of the field.
        """
        mark = len(out)
        try:
            self._encode(value, out)
        except RAW_ENCODE_ERRORS:
            del out[mark:]
            context = self._context
            out += bsatn.encode(self.type, context.shapes, context.layout, value)

    def encode(self, value: T, *, what: str = "") -> bytes:
        """Return the encoding of `value`.

        Raises:
            EncodeError: the value does not fit the type; it names the path of the field.
        """
        out = bytearray()
        try:
            self._encode(value, out)
        except RAW_ENCODE_ERRORS:
            context = self._context
            try:
                return bsatn.encode(self.type, context.shapes, context.layout, value)
            except EncodeError as error:
                raise (error.within(what) if what else error) from error.__cause__
        return bytes(out)

    def _damage(
        self, data: bytes, pos: int, what: str, raw: Exception
    ) -> DecodeError | LimitExceeded:
        """Return the error that says where the value at `pos` is damaged."""
        context = self._context
        try:
            bsatn.decode(self.type, context.shapes, context.layout, data, pos)
        except (DecodeError, LimitExceeded) as error:
            return error.within(what) if what else error
        except RAW_DECODE_ERRORS as error:
            raw = error
        return DecodeError(str(raw) or type(raw).__name__, what=what, offset=pos)


class RowCodec(Codec[T]):
    """A codec for the rows of a table: products, often many of them in one `RowList`."""

    def __init__(self, context: TypeContext, ty: AlgebraicType, shape: ProductShape) -> None:
        super().__init__(context, ty)
        self.columns = shape.types
        """The type of each column."""
        self.names = shape.attributes
        """The Python name of each column."""
        self._column_decoders: dict[int, Callable[[bytes, int], Any]] = {}
        self._key_readers: dict[int, Callable[..., list[Any]]] = {}
        self._fixed_key_readers: dict[int, _KeyReader | None] = {}

    # --- whole rows

    def decode_rows(self, rows: RowList, *, what: str = "") -> list[T]:
        """Decode all rows of a list.

        Raises:
            DecodeError: a row is damaged, or its length is not what the list says.
            LimitExceeded: a row nests too deep, or there are too many rows or elements without bytes.
        """
        self.check_empty_rows(rows, what=what)
        try:
            size = rows.row_size
            start, end = rows.start, rows.end
            if size and end - start >= _FEW_ROWS * size:
                equal = self._equal_rows
                if equal is not None and (self.fixed_size is None or size == self.fixed_size):
                    return cast("list[T]", equal(rows.data, start, end, size))
            return cast("list[T]", self._rows(rows.data, start, rows.ends()))
        except RAW_DECODE_ERRORS as error:
            raise self._damaged_row(rows, what, error) from error

    def check_empty_rows(self, rows: RowList, *, what: str = "") -> None:
        """Check that there are not too many rows, if rows have no columns.

        Raises:
            LimitExceeded: there are more than ``zero_size_rows``.
        """
        layout = self._context.layout
        if self.fixed_size == 0 and len(rows) > layout.max_empty:
            raise layout.too_empty().within(what)

    # --- single columns

    def column_codec(self, column: int) -> Codec[Any]:
        """Return the codec of a column's values."""
        return self._context.codec(self.columns[column])

    def column_offset(self, column: int) -> int | None:
        """Return where a column starts in every row, or None if that varies."""
        offset = 0
        for ty in self.columns[:column]:
            size = self._context.layout.size(ty).fixed
            if size is None:
                return None
            offset += size
        return offset

    def column_decoder(self, column: int) -> Callable[[bytes, int], Any]:
        """Return ``(data, position of the row) -> value`` that decodes one column only.

        It raises `RAW_DECODE_ERRORS`.
        """
        found = self._column_decoders.get(column)
        if found is None:
            program = self._context.program
            found = program.finish(column_function(program, self.columns, column))
            self._column_decoders[column] = found
        return found

    def keys(self, rows: RowList, column: int, *, what: str = "") -> list[Any]:
        """Decode one column of all rows of a list.

        Raises:
            DecodeError: the column of a row is damaged or lies beyond the row.
        """
        try:
            size = rows.row_size
            if size and rows.end - rows.start >= _FEW_ROWS * size:
                reader = self._fixed_keys(column)
                if reader is not None and reader.size <= size:
                    start, end = rows.start, rows.end
                    items = reader.unpacker(size)(memoryview(rows.data)[start:end])
                    return reader.read(rows.data, start, end, size, items)
            return self._keys(column)(rows.data, rows.start, rows.ends())
        except RAW_DECODE_ERRORS as error:
            raise self._damaged_row(rows, what, error) from error

    # --- functions, made when first needed

    @cached_property
    def _rows(self) -> Callable[..., list[Any]]:
        return self._finish(rows_function)

    @cached_property
    def decode_row(self) -> Callable[[bytes], T]:
        """``(bytes of one row) -> row``; raises `RAW_DECODE_ERRORS`, also for bytes too many."""
        return self._finish(row_function)

    @cached_property
    def _equal_rows(self) -> Callable[..., list[Any]] | None:
        program = self._context.program
        function = equal_rows_function(program, self.type)
        return None if function is None else program.finish(function)

    def _keys(self, column: int) -> Callable[..., list[Any]]:
        found = self._key_readers.get(column)
        if found is None:
            program = self._context.program
            found = program.finish(keys_function(program, self.columns, column))
            self._key_readers[column] = found
        return found

    def _fixed_keys(self, column: int) -> _KeyReader | None:
        if column not in self._fixed_key_readers:
            program = self._context.program
            offset = self.column_offset(column)
            made = None
            if offset is not None:
                made = fixed_keys_function(program, self.columns[column], offset)
            self._fixed_key_readers[column] = (
                None if made is None else _KeyReader(program.finish(made[0]), *made[1:])
            )
        return self._fixed_key_readers[column]

    def _damaged_row(self, rows: RowList, what: str, raw: Exception) -> DecodeError | LimitExceeded:
        """Return the error that says which row is damaged, and where."""
        context = self._context
        for number, (start, end) in enumerate(rows.bounds()):
            place = f"row {number}" + (f" of {what}" if what else "")
            try:
                _, pos = bsatn.decode(self.type, context.shapes, context.layout, rows.data, start)
            except (DecodeError, LimitExceeded) as error:
                return error.within(place)
            except RAW_DECODE_ERRORS as error:
                return DecodeError(str(error) or type(error).__name__, what=place, offset=start)
            if pos != end:
                message = f"{end - start} bytes where its type takes {pos - start}"
                return DecodeError(message, what=place, offset=start)
        return DecodeError(str(raw) or type(raw).__name__, what=what, offset=rows.start)


class _KeyReader:
    """Reads a column at one offset out of rows of one size, whatever that size is.

    Attributes:
        read: ``(data, start, end, step, items) -> keys``.
        size: rows must have at least so many bytes.
    """

    def __init__(self, read: Callable[..., list[Any]], layout: str, size: int) -> None:
        self.read = read
        self.size = size
        self._layout = layout
        self._unpackers: dict[int, Callable[..., Any]] = {}

    def unpacker(self, row_size: int) -> Callable[..., Any]:
        """Return ``iter_unpack`` for rows of `row_size` bytes."""
        found = self._unpackers.get(row_size)
        if found is None:
            if len(self._unpackers) >= _MAX_UNPACKERS:
                self._unpackers.clear()
            found = Struct(f"<{self._layout}{row_size - self.size}x").iter_unpack
            self._unpackers[row_size] = found
        return found


class TypeContext:
    """The types of one module: their classes and codecs, each made when first asked for.

    Args:
        typespace: what references point into.
        names: class names by typespace index.
        classes: classes to use instead of dynamic ones, by typespace index.
        limits: `nesting_depth` and `zero_size_rows` apply.

    Raises:
        SchemaError: a given class does not fit its type.

    Attributes:
        classes: the class of each type that has one, by typespace index.
    """

    def __init__(
        self,
        typespace: Typespace,
        names: Mapping[int, str] | None = None,
        classes: Mapping[int, type] | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._bind(Shapes(typespace, names, classes), limits)

    def _bind(self, shapes: Shapes, limits: Limits) -> None:
        self.typespace = shapes.typespace
        self.shapes = shapes
        self.classes = shapes.classes
        self.layout = Layout(shapes, limits)
        self.program = Program(self.shapes, self.layout)
        self._codecs: dict[AlgebraicType, Codec[Any]] = {}
        self._row_codecs: dict[int, RowCodec[Any]] = {}

    def within(self, limits: Limits) -> TypeContext:
        """Return codecs of the same types and classes that keep other limits."""
        context = TypeContext.__new__(TypeContext)
        context._bind(self.shapes, limits)
        return context

    def shape(self, ty: AlgebraicType) -> Shape:
        """Return what `ty` looks like in Python.

        Raises:
            SchemaError: the type is not valid.
        """
        return self.shapes.shape(ty)

    def codec(self, ty: AlgebraicType) -> Codec[Any]:
        """Return the codec of a type.

        Raises:
            SchemaError: the type is not valid or nests too deep.
        """
        found = self._codecs.get(ty)
        if found is None:
            found = self._codecs[ty] = Codec(self, ty)
        return found

    def row_codec(self, ref: int) -> RowCodec[Any]:
        """Return the codec of the rows whose product stands at typespace index `ref`.

        Raises:
            SchemaError: there is no product.
        """
        found = self._row_codecs.get(ref)
        if found is None:
            ty = RefType(ref)
            shape = self.shapes.shape(ty)
            if not isinstance(shape, ProductShape):
                raise SchemaError(f"type {ref} is no product, so it cannot be the row of a table")
            found = self._row_codecs[ref] = RowCodec(self, ty, shape)
        return found

    def python_class(self, ty: AlgebraicType) -> type | None:
        """Return the class of the values of a product, enum or sum; None for any other type."""
        return getattr(self.shapes.shape(ty), "cls", None)
