"""The kinds of fields of messages: each says once how it is written in BSATN and in JSON.

For BSATN a field writes lines of source: a message becomes one straight function, in which all
fields of fixed size that follow each other are read or written at once. For JSON a field names its
SATS type, and `sats_json` reads that in every form that a server accepts.

Here are the fields that hold one value; `composite_fields` has those that hold others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from ..errors import DecodeError, EncodeError
from ..sats import algebraic as sats
from ..sats.rows import RowList
from ..sats.sats_json import to_json
from ..types import ConnectionId, Identity, TimeDuration, Timestamp
from . import reading
from .message_source import ReaderSource, context

if TYPE_CHECKING:
    from ..sats.algebraic import AlgebraicType
    from ..sats.sats_json import Json
    from .json_rows import JsonCodec
    from .message_source import WriterSource

__all__ = [
    "JSON_OR_BSATN",
    "PLAIN",
    "TABLE_NAME",
    "U32",
    "U64",
    "U128",
    "Flags",
    "JsonMessage",
    "WireField",
]


class JsonMessage:
    """The state of one message of v1.json while it is read or written.

    Attributes:
        left: the rest of the message's budget of rows.
        table: the name of the table that rows belong to.
    """

    def __init__(self, codec: JsonCodec, left: int = 0) -> None:
        self.codec = codec
        self.left = left
        self.table = ""

    def charge(self, count: int) -> None:
        """Take array elements from the budget of rows; RowBudgetSpent if it is too small."""
        self.left -= count
        if self.left < 0:
            raise reading.RowBudgetSpent


class WireField(ABC):
    """One field of a message."""

    sats: AlgebraicType
    """Its type in JSON."""

    @abstractmethod
    def read(self, to: ReaderSource) -> str:
        """Write the lines that read it; return an expression that is valid after `settle`."""

    @abstractmethod
    def write(self, to: WriterSource, value: str) -> None:
        """Write the lines that write the value of the expression `value`."""

    def load(self, value: Any, message: JsonMessage) -> Any:
        """Turn the value that `from_json` made of the type into that of the field."""
        return value

    def dump(self, value: Any, message: JsonMessage) -> Json:
        """Turn the value into JSON. It is not checked: `Messages.to_json` reads the result back."""
        return value


class Fixed(WireField):
    """A number, or a value that is a number inside.

    Args:
        code: `struct` format.
        words: its name in errors.
        type: its type in JSON.
        make: the class of the value, called with the number.
        read: expression for the number, in which ``{}`` is what `struct` reads.
        write: expression for what `struct` writes, in which ``{}`` is the value.
    """

    def __init__(
        self,
        code: str,
        words: str,
        type: AlgebraicType,
        make: type[Any] | None = None,
        read: str = "{}",
        write: str = "{}",
    ) -> None:
        self.sats = type
        self._code = code
        self._words = words
        self._make = make
        self._read = read
        self._write = write

    def read(self, to: ReaderSource) -> str:
        value = self._read.format(to.take(self._code, self._words))
        return f"{to.constant(self._make)}({value})" if self._make else value

    def write(self, to: WriterSource, value: str) -> None:
        to.put(self._code, self._write.format(value))

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return to_json(self.sats, context(), value, is_checked=True) if self._make else value


U32: Final = Fixed("I", "u32", sats.Primitive("U32"))
U64: Final = Fixed("Q", "u64", sats.Primitive("U64"))
U128: Final = Fixed(
    "16s",
    "u128",
    sats.Primitive("U128"),
    read='int.from_bytes({}, "little")',
    write='{}.to_bytes(16, "little")',
)


class Flags(Fixed):
    """A byte of which only some values are allowed.

    Args:
        most: the largest of them.
        refusal: text of the error for a larger one, which replaces ``{}``.
    """

    def __init__(self, most: int, refusal: str) -> None:
        super().__init__("B", "u8", sats.Primitive("U8"))
        self._most = most
        self._refusal = refusal

    def read(self, to: ReaderSource) -> str:
        value = super().read(to)
        to.settle()
        to.line(f"if {value} > {self._most}:")
        to.line(f"    {to.constant(self._check)}({value}, pos - 1)")
        return value

    def load(self, value: Any, message: JsonMessage) -> Any:
        self._check(value, None)
        return value

    def _check(self, value: int, offset: int | None) -> None:
        if value > self._most:
            raise DecodeError(self._refusal.format(value), offset=offset)


class Counted(WireField):
    """Bytes, with their length in front."""

    def read(self, to: ReaderSource) -> str:
        length = to.take("I", "u32")
        to.settle()
        to.line(f"end = pos + {length}")
        to.line("if end > size:")
        to.line(f"    {to.constant(reading.too_short)}('[u8]', {length}, data, pos)")
        value = self._read_bytes(to)
        to.line("pos = end")
        return value

    def _read_bytes(self, to: ReaderSource) -> str:
        return to.value("data[pos:end]")

    def write(self, to: WriterSource, value: str) -> None:
        data = to.value(value)
        to.put("I", f"len({data})")
        to.settle()
        to.line(f"out += {data}")


class Blob(Counted):
    """Bytes; in JSON their hexadecimal digits."""

    sats = sats.BYTES

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return value.hex()


class Text(Counted):
    """A string, in UTF-8."""

    sats = sats.Primitive("String")

    def _read_bytes(self, to: ReaderSource) -> str:
        value = to.variable()
        to.line("try:")
        to.line(f"    {value} = data[pos:end].decode()")
        to.line("except UnicodeDecodeError as error:")
        to.line(f"    {to.constant(reading.invalid_text)}(error, pos)")
        return value

    def write(self, to: WriterSource, value: str) -> None:
        super().write(to, f"{value}.encode()")


class TableName(Text):
    """The name of the table that the following fields of its product belong to."""

    def load(self, value: Any, message: JsonMessage) -> Any:
        message.table = value
        return value

    dump = load


class JsonOrBsatn(Counted):
    """Arguments or a return value: BSATN as bytes, and in JSON a string that holds JSON text."""

    sats = Text.sats

    def write(self, to: WriterSource, value: str) -> None:
        value = to.value(value)
        to.line(f"if type({value}) is str:")
        to.line("    raise TypeError('JSON text where BSATN is needed')")
        super().write(to, value)


class RowsField(WireField):
    """A row list; in JSON an array of strings, each of which holds a row."""

    sats = sats.ArrayType(Text.sats)

    def read(self, to: ReaderSource) -> str:
        to.settle()
        rows = to.variable()
        to.line(f"{rows}, pos, left = {to.constant(reading.row_list)}(data, pos, left)")
        return rows

    def write(self, to: WriterSource, value: str) -> None:
        to.settle()
        to.line(f"{value}.encode_into(out)")

    def load(self, value: Any, message: JsonMessage) -> Any:
        message.charge(len(value))
        table, encode = message.table, message.codec.encode_row
        rows: list[bytes] = []
        try:
            for text in value:
                rows.append(encode(table, text))  # noqa: PERF401  # errors name the row
        except DecodeError as error:
            raise error.within(f"row {len(rows)} of table {table!r}") from error.__cause__
        except EncodeError as error:
            # Valid JSON for the type, but too large for BSATN.
            raise DecodeError(error.detail, what=f"row {len(rows)} of table {table!r}") from error
        return RowList.from_rows(rows)

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return [message.codec.decode_row(message.table, row) for row in value.slices()]


TABLE_NAME: Final = TableName()
JSON_OR_BSATN: Final = JsonOrBsatn()

#: The fields that are declared by a plain Python type.
PLAIN: Final[dict[type, WireField]] = {
    bytes: Blob(),
    str: Text(),
    RowList: RowsField(),
    Identity: Fixed("32s", "u256", sats.IDENTITY, Identity, "{}[::-1]", "{}.data[::-1]"),
    ConnectionId: Fixed(
        "16s", "u128", sats.CONNECTION_ID, ConnectionId, "{}[::-1]", "{}.data[::-1]"
    ),
    Timestamp: Fixed("q", "i64", sats.TIMESTAMP, Timestamp, write="{}.micros_since_unix_epoch"),
    TimeDuration: Fixed("q", "i64", sats.TIME_DURATION, TimeDuration, write="{}.micros"),
}
