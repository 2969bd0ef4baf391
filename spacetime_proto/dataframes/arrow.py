"""Rows as Arrow columns, made from their bytes without a Python object per value.

All rows are walked at once, column by column: `_Cursor` holds, for each row, the position that has
been read up to, and every reader takes its values there with a few NumPy operations and moves the
positions on. The payload of an option or sum is read only from the rows that have it.

Needs ``pyarrow`` and ``numpy`` (extra ``arrow``). Types: integers up to 64 bits, floats, bool,
string, binary, timestamp and duration in microseconds as such; Identity and ConnectionId as
hexadecimal text, UUIDs as text with dashes; 128-bit integers as decimal of 39 digits; 256-bit ones,
which no decimal of Arrow holds, as text in base ten; enums as dictionary; options as nullable; arrays
as list; products as struct; other sums as a struct of ``variant`` and one nullable field per variant;
types that contain themselves as BSATN bytes. docs/results.md shows each of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ..errors import DecodeError
from ..sats.algebraic import (
    BYTES,
    PRIMITIVE_SIZES,
    UNIT,
    AlgebraicType,
    ArrayType,
    Primitive,
    ProductType,
    RefType,
    SumType,
    is_enum,
    option_payload,
    special_name,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..sats.compile import TypeContext
    from ..schema.bound import BoundTable

__all__ = ["rows_to_arrow"]

#: Largest offset that the ordinary string and list types of Arrow can hold.
MAX_OFFSET: Final = 0x7FFFFFFF
#: Elements without any bytes that all arrays of a column may have together.
MAX_EMPTY_ELEMENTS: Final = 1 << 24

_ID_SIZES: Final = {"Identity": 32, "ConnectionId": 16, "Uuid": 16}
#: Where the dashes of a UUID's text stand.
_DASHES: Final = (8, 13, 18, 23)
#: Digits of the largest 128-bit integer: one more than the smaller decimal of Arrow holds.
_DIGITS_OF_128_BITS: Final = 39
_NUMPY_NAMES: Final = {
    "I8": "i1", "U8": "u1", "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8",
    "U64": "<u8", "F32": "<f4", "F64": "<f8",
}  # fmt: skip


def rows_to_arrow(
    table: BoundTable, rows: Collection[bytes], *, checked: bool = False, decimals: bool = True
) -> Any:
    """Return a `pyarrow.Table` of encoded rows, its columns named as the attributes of rows.

    Args:
        table: the table that they are rows of.
        rows: BSATN of each row.
        checked: whether rows of a type of fixed size are known to have that size, as those in the
            cache are; checking each of them would take a quarter of the time.
        decimals: False writes 128-bit integers as text, like 256-bit ones: for readers without a
            decimal of 39 digits, such as Polars.

    Raises:
        ModuleNotFoundError: ``pyarrow`` or ``numpy`` is not installed.
        DecodeError: the bytes are no rows of this table.
    """
    try:
        numpy, pyarrow = import_module("numpy"), import_module("pyarrow")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Arrow tables need pyarrow and numpy: pip install 'spacetimedb-client[arrow]'",
            name=error.name,
        ) from error
    reader = _Reader(numpy, pyarrow, table.types, decimals)
    data, size = b"".join(rows), table.codec.fixed_size
    cursor: _Cursor
    try:
        if size and data:
            if len(data) != size * len(rows) or not (checked or set(map(len, rows)) == {size}):
                raise DecodeError(f"not every row has the {size} bytes that all rows have")
            cursor = _EvenCursor(numpy, numpy.frombuffer(data, numpy.uint8), len(rows), size)
        else:
            lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
            ends = numpy.cumsum(lengths)
            cursor = _Cursor(numpy, numpy.frombuffer(data, numpy.uint8), ends - lengths, ends)
        columns = [reader.read(column.type, cursor) for column in table.definition.columns]
        if not cursor.is_through:
            raise DecodeError("bytes are left over")
    except (DecodeError, IndexError, ValueError, pyarrow.ArrowInvalid) as error:
        detail = error.detail if isinstance(error, DecodeError) else str(error)
        raise DecodeError(detail, what=f"rows of table {table.definition.name!r}") from error
    return pyarrow.table(columns, names=list(table.column_names))


class _Cursor:
    """Where each row has been read up to."""

    def __init__(self, numpy: Any, data: Any, at: Any, ends: Any) -> None:
        self._numpy = numpy
        self.data = data
        self.at = at
        self.ends = ends

    def __len__(self) -> int:
        return len(self.at)

    @property
    def is_through(self) -> bool:
        """Whether every row has been read to its end."""
        return bool(self._numpy.array_equal(self.at, self.ends))

    def take(self, size: int) -> Any:
        """Return the next `size` bytes of each row as a matrix, and move on."""
        if (self.at + size > self.ends).any():
            raise DecodeError("a row ends too early")
        # A column of positions plus a row of offsets is a matrix: the index of every byte.
        found = self.data[self.at[:, None] + self._numpy.arange(size)]
        self.at = self.at + size
        return found

    def number(self, code: str, size: int) -> Any:
        """Return the next number of each row."""
        return self._numpy.ascontiguousarray(self.take(size)).view(code).reshape(-1)

    def some(self, mask: Any) -> _Cursor:
        """Return a cursor over the rows in `mask` only."""
        return _Cursor(self._numpy, self.data, self.at[mask], self.ends[mask])

    def advance(self, mask: Any, moved: _Cursor) -> None:
        """Take over the positions of `moved`, which `some` made for the rows in `mask`."""
        at = self.at.copy()
        at[mask] = moved.at
        self.at = at

    def spread(self, counts: Any, size: int) -> _Cursor:
        """Return a cursor over `counts` pieces of `size` bytes in each row, and move past them."""
        numpy = self._numpy
        if (counts * size > self.ends - self.at).any():
            raise DecodeError("a length goes beyond the end of a row")
        total = int(counts.sum())
        # The number of each piece within its own row: counts [2, 3] give [0, 1, 0, 1, 2].
        first = numpy.cumsum(counts) - counts
        within = numpy.arange(total) - numpy.repeat(first, counts)
        pieces = numpy.repeat(self.at, counts) + within * size
        self.at = self.at + counts * size
        return _Cursor(numpy, self.data, pieces, pieces + size)


class _EvenCursor(_Cursor):
    """A cursor over rows of one size: values are taken with a stride instead of by position.

    NumPy then needs no array of indexes: 1 ms instead of 50 for a column of a million rows. It
    holds as long as all rows have been read equally far. When rows are read apart (sums whose
    variants are equally large), positions are set, and the cursor works like any other from then
    on.
    """

    def __init__(self, numpy: Any, data: Any, count: int, size: int) -> None:
        self._numpy = numpy
        self.data = data
        self._count = count
        self._size = size
        self._moved = 0
        """Bytes that have been read of each row, while they are the same number for all."""
        self._at: Any = None

    def __len__(self) -> int:
        return self._count

    @property
    def at(self) -> Any:
        if self._at is None:
            return self._numpy.arange(self._count) * self._size + self._moved
        return self._at

    @at.setter
    def at(self, value: Any) -> None:
        self._at = value

    @property
    def ends(self) -> Any:
        return (self._numpy.arange(self._count) + 1) * self._size

    @property
    def is_through(self) -> bool:
        """Whether every row has been read to its end."""
        return self._moved == self._size if self._at is None else super().is_through

    def take(self, size: int) -> Any:
        """Return the next `size` bytes of each row as a matrix, and move on."""
        if self._at is not None:
            return super().take(size)
        return self._strided((self._count, size), "u1", (self._size, 1), size)

    def number(self, code: str, size: int) -> Any:
        """Return the next number of each row."""
        if self._at is not None:
            return super().number(code, size)
        return self._strided((self._count,), code, (self._size,), size).copy()

    def _strided(
        self, shape: tuple[int, ...], code: str, strides: tuple[int, ...], size: int
    ) -> Any:
        start = self._moved
        self._moved = start + size
        return self._numpy.ndarray(shape, code, self.data, start, strides)


class _Reader:
    """Reads one value of a type from each row of a cursor."""

    def __init__(self, numpy: Any, pyarrow: Any, types: TypeContext, decimals: bool) -> None:
        self._np = numpy
        self._pa = pyarrow
        self._types = types
        self._decimals = decimals
        self._inside: list[int] = []

    def read(self, ty: AlgebraicType, cursor: _Cursor) -> Any:
        """Return an Arrow array of the next values."""
        if isinstance(ty, RefType):
            return self._reference(ty, cursor)
        special = special_name(ty)
        if special in _ID_SIZES:
            return self._hex(cursor, _ID_SIZES[special], _DASHES if special == "Uuid" else ())
        if special == "Timestamp":
            return self._pa.array(cursor.number("<i8", 8)).cast(self._pa.timestamp("us", "UTC"))
        if special == "TimeDuration":
            return self._pa.array(cursor.number("<i8", 8)).cast(self._pa.duration("us"))
        match ty:
            case Primitive(name):
                return self._primitive(name, cursor)
            case ArrayType(element):
                return (
                    self._text(cursor, text=False) if ty == BYTES else self._list(element, cursor)
                )
            case ProductType():
                return self._struct(ty, cursor)
            case _:
                return self._sum(ty, cursor)

    def _reference(self, ty: RefType, cursor: _Cursor) -> Any:
        if ty.index in self._inside:
            return self._encoded(ty, cursor)
        self._inside.append(ty.index)
        try:
            return self.read(self._types.typespace.types[ty.index], cursor)
        finally:
            self._inside.pop()

    def _encoded(self, ty: AlgebraicType, cursor: _Cursor) -> Any:
        """Return the BSATN of each value: an Arrow type cannot contain itself."""
        decode = self._types.codec(ty).decode
        data = cursor.data.tobytes()
        values, ends = [], []
        for start in cursor.at.tolist():
            end = decode(data, start)[1]
            values.append(data[start:end])
            ends.append(end)
        cursor.at = self._np.array(ends, self._np.int64)
        return self._pa.array(values, self._pa.binary())

    # --- plain values -------------------------------------------------------------------------

    def _primitive(self, name: str, cursor: _Cursor) -> Any:
        if name == "String":
            return self._text(cursor, text=True)
        if name == "Bool":
            flags = cursor.take(1).reshape(-1)
            if (flags > 1).any():
                raise DecodeError("a Bool is neither 0 nor 1")
            return self._pa.array(flags.astype(bool))
        if name in _NUMPY_NAMES:
            return self._pa.array(cursor.number(_NUMPY_NAMES[name], PRIMITIVE_SIZES[name]))
        size, is_signed = PRIMITIVE_SIZES[name], name[0] == "I"
        if size == 16 and self._decimals:
            return self._decimal(cursor, is_signed)
        values = cursor.take(size)
        numbers = [
            str(int.from_bytes(row, "little", signed=is_signed))
            for row in map(bytes, values)  # a row of the matrix is a buffer of its bytes
        ]
        return self._pa.array(numbers, self._pa.string())

    def _decimal(self, cursor: _Cursor, is_signed: bool) -> Any:
        """Return 128-bit integers as decimals, which Arrow keeps as 256-bit integers."""
        np, pa = self._np, self._pa
        low = cursor.take(16)
        wide = np.zeros((len(cursor), 32), np.uint8)
        wide[:, :16] = low
        if is_signed:
            wide[:, 16:] = np.where(low[:, 15:] > 127, 255, 0)
        kind = pa.decimal256(_DIGITS_OF_128_BITS)
        return pa.Array.from_buffers(kind, len(cursor), [None, pa.py_buffer(wide.tobytes())])

    def _hex(self, cursor: _Cursor, size: int, dashes: tuple[int, ...]) -> Any:
        """Return ids as hexadecimal text, the most significant byte first."""
        np, pa = self._np, self._pa
        data = cursor.take(size)[:, ::-1]
        width = 2 * size + len(dashes)
        text = np.full((len(data), width), ord("-"), np.uint8)
        digits = np.frombuffer(b"0123456789abcdef", np.uint8)
        places = np.delete(np.arange(width), dashes)
        text[:, places[::2]] = digits[data >> 4]
        text[:, places[1::2]] = digits[data & 15]
        offsets = np.arange(len(data) + 1, dtype=np.int64) * width
        return self._strings(offsets, pa.py_buffer(text.tobytes()), text=True)

    def _text(self, cursor: _Cursor, *, text: bool) -> Any:
        np, pa = self._np, self._pa
        lengths = cursor.number("<u4", 4).astype(np.int64)
        pieces = cursor.spread(lengths, 1)
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        data = pa.py_buffer(cursor.data[pieces.at].tobytes())
        made = self._strings(offsets, data, text=text)
        if text:
            made.validate(full=True)  # checks UTF-8
        return made

    def _strings(self, offsets: Any, data: Any, *, text: bool) -> Any:
        """Return the array of pieces of `data` between one offset and the next."""
        np, pa = self._np, self._pa
        large = offsets[-1] > MAX_OFFSET
        kind = (
            (pa.large_string if text else pa.large_binary)
            if large
            else (pa.string if text else pa.binary)
        )
        places = pa.py_buffer(offsets.astype(np.int64 if large else np.int32).tobytes())
        return pa.Array.from_buffers(kind(), len(offsets) - 1, [None, places, data])

    # --- values inside values -----------------------------------------------------------------

    def _struct(self, ty: ProductType, cursor: _Cursor) -> Any:
        if ty == UNIT:
            return self._pa.nulls(len(cursor))
        children = [self.read(element.type, cursor) for element in ty.elements]
        names = [element.name or f"field_{at}" for at, element in enumerate(ty.elements)]
        return self._pa.StructArray.from_arrays(children, names=names)

    def _list(self, element: AlgebraicType, cursor: _Cursor) -> Any:
        np, pa = self._np, self._pa
        counts = cursor.number("<u4", 4).astype(np.int64)
        codec = self._types.codec(element)
        if codec.fixed_size is not None:
            if codec.fixed_size == 0 and int(counts.sum()) > MAX_EMPTY_ELEMENTS:
                raise DecodeError("too many elements without bytes")
            values = self.read(element, cursor.spread(counts, codec.fixed_size))
        else:
            values = self._elements(element, counts, cursor)
        offsets = pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int64())
        if offsets[-1].as_py() <= MAX_OFFSET:
            return pa.ListArray.from_arrays(offsets.cast(pa.int32()), values)
        return pa.LargeListArray.from_arrays(offsets, values)

    def _elements(self, element: AlgebraicType, counts: Any, cursor: _Cursor) -> Any:
        """Read elements of any size: the first one of every row, then the second one, and so on.

        `places` has the position of each element in the result, where those of a row stand
        together.
        """
        np, pa = self._np, self._pa
        if (counts > cursor.ends - cursor.at).any():
            raise DecodeError("a length goes beyond the end of a row")
        first = np.cumsum(counts) - counts
        rounds, places = [], []
        for number in range(int(counts.max(initial=0))):
            mask = counts > number
            some = cursor.some(mask)
            rounds.append(self.read(element, some))
            places.append(first[mask] + number)
            cursor.advance(mask, some)
        if not rounds:
            return self.read(element, cursor.some(np.zeros(len(cursor), bool)))
        order = np.argsort(np.concatenate(places))
        return pa.concat_arrays(rounds).take(pa.array(order))

    def _sum(self, ty: SumType, cursor: _Cursor) -> Any:
        np, pa = self._np, self._pa
        tags = cursor.take(1).reshape(-1)
        if (tags >= len(ty.variants)).any():
            raise DecodeError("an unknown variant")
        payload = option_payload(ty)
        if payload is not None:
            return self._present(payload, tags == 0, cursor)
        names = [variant.name or f"variant_{at}" for at, variant in enumerate(ty.variants)]
        variant_names = pa.array(names, pa.string())
        index = tags.astype(np.int8 if len(names) <= 128 else np.int16)
        which = pa.DictionaryArray.from_arrays(pa.array(index), variant_names)
        if is_enum(ty):
            return which
        children = [
            self._present(variant.type, tags == at, cursor)
            for at, variant in enumerate(ty.variants)
        ]
        return pa.StructArray.from_arrays([which, *children], names=["variant", *names])

    def _present(self, ty: AlgebraicType, mask: Any, cursor: _Cursor) -> Any:
        """Read a value from the rows in `mask`; the others have null."""
        some = cursor.some(mask)
        values = self.read(ty, some)
        cursor.advance(mask, some)
        places = self._pa.array(self._np.cumsum(mask) - 1, mask=~mask)
        return values.take(places)
