"""The kinds of fields that messages are made of; each says once what it is in BSATN and in JSON.

For BSATN a field writes lines of source: a message becomes one straight function, in which all
fields of fixed size that follow each other are read or written at once. For JSON a field names its
SATS type, so that `sats_json` reads it in every form that a server accepts.

No reader trusts a count: every element of an array is charged to the row budget (`left`) of the
payload before it is read, and so is every row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from struct import calcsize, error
from typing import TYPE_CHECKING, Any, Final

from ..errors import DecodeError, EncodeError
from ..sats import algebraic as sats
from ..sats.compile import TypeContext
from ..sats.program import Function, Program
from ..sats.rows import RowList
from ..sats.sats_json import to_json
from ..types import ConnectionId, Identity, TimeDuration, Timestamp
from . import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import msgspec

    from ..sats.algebraic import AlgebraicType
    from ..sats.sats_json import Json
    from .json_rows import JsonCodec

__all__ = [
    "JSON_OR_BSATN",
    "PLAIN",
    "TABLE_NAME",
    "U8",
    "U32",
    "U64",
    "U128",
    "Array",
    "Compressable",
    "Field",
    "Flags",
    "JsonMessage",
    "NewType",
    "Option",
    "Product",
    "ReaderSource",
    "Sum",
    "Wrapped",
    "WriterSource",
    "context",
]


@cache
def context() -> TypeContext:
    """Return the context of the SATS types of messages; made on first use."""
    return TypeContext(sats.Typespace())


class ReaderSource(Function):
    """The source of a `reading.Read` function while fields write it."""

    def __init__(self, program: Program) -> None:
        super().__init__(program, program.name("r"), "data, pos, left, compressed")
        self._run: list[tuple[str, str, str]] = []
        self.line("size = len(data)")

    def take(self, code: str, words: str) -> str:
        """Return the name of a value of fixed size, which is there after the next `settle`.

        Args:
            code: its `struct` format.
            words: what an error calls it.
        """
        name = self.variable()
        self._run.append((code, words, name))
        return name

    def settle(self) -> None:
        """Write the lines that read what was taken so far."""
        run = self._run
        if not run:
            return
        self._run = []
        layout = "".join(code for code, _, _ in run)
        names = ", ".join(name for _, _, name in run)
        parts = tuple((words, calcsize(code)) for code, words, _ in run)
        self.line("try:")
        if layout == "B":
            self.line(f"    {names} = data[pos]")
            self.line("except IndexError:")
        else:
            self.line(f"    {names}, = {self.program.unpack_from(layout)}(data, pos)")
            self.line(f"except {self.constant(error)}:")
        self.line(f"    {self.constant(reading.cut_short)}(data, pos, {self.constant(parts)})")
        self.line(f"pos += {calcsize('<' + layout)}")

    def value(self, expression: str) -> str:
        """Write the line that keeps a value; return its name."""
        self.settle()
        name = self.variable()
        self.line(f"{name} = {expression}")
        return name

    def constant(self, value: object) -> str:
        """Return the name of an object of this package."""
        return self.program.constant(value)

    @classmethod
    def of(cls, field: Field) -> reading.Read:
        """Return the function that reads `field`."""
        to = cls(context().program)
        value = field.read(to)
        to.settle()
        to.line(f"return {value}, pos, left")
        read: reading.Read = to.program.finish(to)
        return read


class WriterSource(Function):
    """The source of a function ``(out, value)`` while fields write it."""

    def __init__(self, program: Program) -> None:
        super().__init__(program, program.name("w"), "out, value")
        self._run: list[tuple[str, str]] = []

    @classmethod
    def of(cls, tag: int, message: Field) -> Callable[[bytearray, Any], None]:
        """Return the function that writes a message behind its tag."""
        to = cls(context().program)
        to.put("B", str(tag))
        message.write(to, "value")
        to.settle()
        write: Callable[[bytearray, Any], None] = to.program.finish(to)
        return write

    def put(self, code: str, expression: str) -> None:
        """Add a value of fixed size, which is written at the next `settle`."""
        self._run.append((code, expression))

    def settle(self) -> None:
        """Write the lines that write what was put so far."""
        run = self._run
        self._run = []
        if len(run) == 1 and run[0][0] == "B":
            self.line(f"out.append({run[0][1]})")
        elif run:
            pack = self.program.pack("".join(code for code, _ in run))
            self.line(f"out += {pack}({', '.join(value for _, value in run)})")

    def value(self, expression: str) -> str:
        """Write the line that keeps a value; return its name."""
        name = self.variable()
        self.line(f"{name} = {expression}")
        return name


class JsonMessage:
    """The state of one message of v1.json while it is read or written.

    Attributes:
        left: what is left of the message's budget of rows.
        table: the name of the table that rows belong to.
    """

    def __init__(self, codec: JsonCodec, left: int = 0) -> None:
        self.codec = codec
        self.left = left
        self.table = ""

    def charge(self, count: int) -> None:
        """Pay for the elements of an array."""
        self.left -= count
        if self.left < 0:
            raise reading.RowBudgetSpent


class Field(ABC):
    """What a field is on the wire."""

    sats: AlgebraicType
    """Its type in JSON."""

    @abstractmethod
    def read(self, to: ReaderSource) -> str:
        """Write the lines that read it; return an expression, to be used after `settle`."""

    @abstractmethod
    def write(self, to: WriterSource, value: str) -> None:
        """Write the lines that write the value of an expression."""

    def load(self, value: Any, message: JsonMessage) -> Any:
        """Turn what `from_json` made of the type into the value."""
        return value

    def dump(self, value: Any, message: JsonMessage) -> Json:
        """Turn the value into JSON. Whether it fits is found out when that is read again."""
        return value


class Fixed(Field):
    """A number, or a value that is one inside.

    Args:
        code: `struct` format.
        words: what an error calls it.
        type: in JSON.
        make: what makes the value of what `struct` reads.
        read, write: expressions between the two; ``{}`` is the one, the result is the other.
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


U8: Final = Fixed("B", "u8", sats.Primitive("U8"))
U32: Final = Fixed("I", "u32", sats.Primitive("U32"))
U64: Final = Fixed("Q", "u64", sats.Primitive("U64"))
U128: Final = Fixed(
    "16s",
    "u128",
    sats.Primitive("U128"),
    None,
    'int.from_bytes({}, "little")',
    '{}.to_bytes(16, "little")',
)


class Flags(Fixed):
    """A byte of which only some values are allowed.

    Args:
        most: the largest of them.
        refusal: the error for a larger one, with a place for it.
    """

    def __init__(self, most: int, refusal: str) -> None:
        super().__init__("B", "u8", U8.sats)
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


class Blob(Field):
    """Bytes behind their length."""

    sats = sats.BYTES

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
        data = to.value(self._to_bytes(value))
        to.put("I", f"len({data})")
        to.settle()
        to.line(f"out += {data}")

    def _to_bytes(self, value: str) -> str:
        return value

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return value.hex()


class Text(Blob):
    """A string, in UTF-8 behind its length."""

    sats = sats.Primitive("String")

    def _read_bytes(self, to: ReaderSource) -> str:
        value = to.variable()
        to.line("try:")
        to.line(f"    {value} = data[pos:end].decode()")
        to.line("except UnicodeDecodeError as error:")
        to.line(f"    {to.constant(reading.invalid_text)}(error, pos)")
        return value

    def _to_bytes(self, value: str) -> str:
        return f"{value}.encode()"

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return value


class TableName(Text):
    """The name of the table that what follows in its product belongs to."""

    def load(self, value: Any, message: JsonMessage) -> Any:
        message.table = value
        return value

    dump = load


class JsonOrBsatn(Blob):
    """Arguments or a return value: BSATN as bytes, and in JSON a string that holds JSON text."""

    sats = Text.sats

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return value


class Rows(Field):
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
        try:
            return RowList.from_rows([encode(table, text) for text in value])
        except DecodeError as error:
            raise error.within(f"row of table {table!r}") from error.__cause__
        except EncodeError as error:
            # JSON that is valid for the type, but BSATN has no room for it.
            raise DecodeError(error.detail, what=f"row of table {table!r}") from error

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return [message.codec.decode_row(message.table, row) for row in value.slices()]


TABLE_NAME: Final = TableName()
JSON_OR_BSATN: Final = JsonOrBsatn()

#: The fields that a Python type is enough for.
PLAIN: Final[dict[type, Field]] = {
    bytes: Blob(),
    str: Text(),
    RowList: Rows(),
    Identity: Fixed("32s", "u256", sats.IDENTITY, Identity, "{}[::-1]", "{}.data[::-1]"),
    ConnectionId: Fixed(
        "16s", "u128", sats.CONNECTION_ID, ConnectionId, "{}[::-1]", "{}.data[::-1]"
    ),
    Timestamp: Fixed(
        "q", "i64", sats.TIMESTAMP, Timestamp, write="{}.micros_since_unix_epoch"
    ),
    TimeDuration: Fixed("q", "i64", sats.TIME_DURATION, TimeDuration, write="{}.micros"),
}


class Option(Field):
    """A value or None: tag 0 is *some*, tag 1 is *none* (PROTOCOL.md section 1.1)."""

    def __init__(self, some: Field) -> None:
        self.sats = sats.option(some.sats)
        self._some = some

    def read(self, to: ReaderSource) -> str:
        tag = to.take("B", "u8")
        to.settle()
        value = to.variable()
        to.line(f"if {tag} == 0:")
        to.indent()
        some = self._some.read(to)
        to.settle()
        to.line(f"{value} = {some}")
        to.dedent()
        to.line(f"elif {tag} == 1:")
        to.line(f"    {value} = None")
        to.line("else:")
        to.line(f"    {to.constant(reading.unknown_tag)}({tag}, 'Option', pos - 1)")
        return value

    def write(self, to: WriterSource, value: str) -> None:
        to.settle()
        some = to.value(value)
        to.line(f"if {some} is None:")
        to.line("    out.append(1)")
        to.line("else:")
        to.indent()
        to.put("B", "0")
        self._some.write(to, some)
        to.settle()
        to.dedent()

    def load(self, value: Any, message: JsonMessage) -> Any:
        return None if value is None else self._some.load(value, message)

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return {"none": []} if value is None else {"some": self._some.dump(value, message)}


class Array(Field):
    """A tuple of any length; each element costs one of the budget of rows."""

    def __init__(self, element: Field) -> None:
        self.sats = sats.ArrayType(element.sats)
        self._element = element

    def read(self, to: ReaderSource) -> str:
        count = to.take("I", "u32")
        items = to.value("[]")
        to.line(f"for _ in range({count}):")
        to.indent()
        to.line("left -= 1")
        to.line("if left < 0:")
        to.line(f"    raise {to.constant(reading.RowBudgetSpent)}")
        item = self._element.read(to)
        to.settle()
        to.line(f"{items}.append({item})")
        to.dedent()
        return f"tuple({items})"

    def write(self, to: WriterSource, value: str) -> None:
        items = to.value(value)
        to.put("I", f"len({items})")
        to.settle()
        item = to.variable()
        to.line(f"for {item} in {items}:")
        to.indent()
        self._element.write(to, item)
        to.settle()
        to.dedent()

    def load(self, value: Any, message: JsonMessage) -> Any:
        message.charge(len(value))
        return tuple([self._element.load(item, message) for item in value])

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return [self._element.dump(item, message) for item in value]


class Product(Field):
    """A struct: its fields one after the other.

    Args:
        cls: the struct.
        fields: in the order of the wire.
    """

    def __init__(self, cls: type[msgspec.Struct], fields: dict[str, Field]) -> None:
        self.sats = sats.ProductType(
            tuple(sats.Element(name, field.sats) for name, field in fields.items())
        )
        self._cls = cls
        self.fields = fields

    def read(self, to: ReaderSource) -> str:
        values = {}
        table = None
        for name, field in self.fields.items():
            values[name] = field.read(to)
            if field is TABLE_NAME:
                table = values[name]
                to.line("try:")
                to.indent()
        ordered = ", ".join(values[name] for name in self._cls.__struct_fields__)
        made = f"{to.constant(self._cls)}({ordered})"
        if table is None:
            return made
        made = to.value(made)
        to.dedent()
        to.line(f"except {to.constant(DecodeError)} as error:")
        to.line(f"    raise {to.constant(reading.in_table)}(error, {table}) from error.__cause__")
        return made

    def write(self, to: WriterSource, value: str) -> None:
        if "." in value:
            value = to.value(value)
        for name, field in self.fields.items():
            field.write(to, f"{value}.{name}")

    def load(self, value: Any, message: JsonMessage) -> Any:
        found = {
            name: field.load(getattr(value, name), message) for name, field in self.fields.items()
        }
        return self._cls(**found)

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return {
            name: field.dump(getattr(value, name), message) for name, field in self.fields.items()
        }


class NewType(Product):
    """A struct of one field, which in JSON is that field."""

    def __init__(self, cls: type[msgspec.Struct], fields: dict[str, Field]) -> None:
        super().__init__(cls, fields)
        ((self._name, self._only),) = fields.items()
        self.sats = self._only.sats

    def load(self, value: Any, message: JsonMessage) -> Any:
        return self._cls(self._only.load(value, message))

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return self._only.dump(getattr(value, self._name), message)


class Sum(Field):
    """One of several values; its tag is its place among them.

    Args:
        name: what an error calls the sum.
        variants: name in JSON, Python type and field of each.
    """

    def __init__(self, name: str, variants: Iterable[tuple[str, type, Field]]) -> None:
        self._name = name
        self._variants = tuple(variants)
        self.sats = sats.SumType(
            tuple(sats.Variant(label, field.sats) for label, _, field in self._variants)
        )

    def read(self, to: ReaderSource) -> str:
        tag = to.take("B", "u8")
        to.settle()
        value = to.variable()
        for number, (_, _, field) in enumerate(self._variants):
            to.line(f"{'elif' if number else 'if'} {tag} == {number}:")
            to.indent()
            found = field.read(to)
            to.settle()
            to.line(f"{value} = {found}")
            to.dedent()
        to.line("else:")
        to.line(f"    {to.constant(reading.unknown_tag)}({tag}, {self._name!r}, pos - 1)")
        return value

    def write(self, to: WriterSource, value: str) -> None:
        to.settle()
        value = to.value(value)
        kind = to.value(f"type({value})")
        for number, (_, cls, field) in enumerate(self._variants):
            to.line(f"{'elif' if number else 'if'} {kind} is {to.program.constant(cls)}:")
            to.indent()
            to.put("B", str(number))
            field.write(to, value)
            to.settle()
            to.dedent()
        to.line("else:")
        to.line(f"    raise TypeError({f'not one of {self._name}'!r})")

    def load(self, value: Any, message: JsonMessage) -> Any:
        _, _, field = self._variants[value.__tag__]
        return field.load(getattr(value, "value", None), message)

    def dump(self, value: Any, message: JsonMessage) -> Json:
        for label, cls, field in self._variants:
            if type(value) is cls:
                return {label: field.dump(value, message)}
        raise TypeError(f"not one of {self._name}")


class Wrapped(Field):
    """What in JSON is a product of one field, and here what is inside of it."""

    def __init__(self, name: str, inner: Field) -> None:
        self.sats = sats.ProductType((sats.Element(name, inner.sats),))
        self._name = name
        self._inner = inner

    def read(self, to: ReaderSource) -> str:
        return self._inner.read(to)

    def write(self, to: WriterSource, value: str) -> None:
        self._inner.write(to, value)

    def load(self, value: Any, message: JsonMessage) -> Any:
        return self._inner.load(getattr(value, self._name), message)

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return {self._name: self._inner.dump(value, message)}


class Compressable(Field):
    """What in BSATN may be compressed on its own: behind a tag, as a payload is.

    It is written plainly, as a 2.x server does. In JSON there is no such thing.
    """

    def __init__(self, inner: Field) -> None:
        self.sats = inner.sats
        self._inner = inner
        self.load = inner.load  # type: ignore[method-assign]
        self.dump = inner.dump  # type: ignore[method-assign]

    def read(self, to: ReaderSource) -> str:
        read = ReaderSource.of(self._inner)
        tag = to.take("B", "u8")
        to.settle()
        value = to.variable()
        to.line(f"if {tag} == 0:")
        to.indent()
        found = self._inner.read(to)
        to.settle()
        to.line(f"{value} = {found}")
        to.dedent()
        to.line("else:")
        rest = f"({tag}, data, pos, left, {to.constant(read)})"
        to.line(f"    {value}, pos, left = compressed.read{rest}")
        return value

    def write(self, to: WriterSource, value: str) -> None:
        to.put("B", "0")
        self._inner.write(to, value)
