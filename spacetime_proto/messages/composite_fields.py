"""Fields of messages that hold other fields: options, arrays, structs, sums, and two wrappers.

No reader trusts a count: every element of an array is charged to the row budget (`left`) of the
payload before it is read, and so is every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DecodeError
from ..sats import algebraic as sats
from . import reading
from .fields import TABLE_NAME, WireField
from .message_source import ReaderSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    import msgspec

    from ..sats.sats_json import Json
    from .fields import JsonMessage
    from .message_source import WriterSource


class Option(WireField):
    """A value or None: tag 0 is *some*, tag 1 is *none* (docs/protocol.md section 1.1)."""

    def __init__(self, some: WireField) -> None:
        self.sats = sats.option(some.sats)
        self._some = some

    def read(self, to: ReaderSource) -> str:
        tag, value = to.tag(), to.variable()
        to.case(f"if {tag} == 0:", value, self._some)
        to.line(f"elif {tag} == 1:")
        to.line(f"    {value} = None")
        to.no_case(tag, "Option")
        return value

    def write(self, to: WriterSource, value: str) -> None:
        to.settle()
        some = to.value(value)
        to.line(f"if {some} is None:")
        to.line("    out.append(1)")
        to.case("else:", 0, self._some, some)

    def load(self, value: Any, message: JsonMessage) -> Any:
        return None if value is None else self._some.load(value, message)

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return {"none": []} if value is None else {"some": self._some.dump(value, message)}


class Array(WireField):
    """A tuple of any length; each element costs one of the budget of rows."""

    def __init__(self, element: WireField) -> None:
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


class Product(WireField):
    """A struct: its fields one after the other.

    Args:
        cls: the struct.
        fields: in the order of the wire.
    """

    def __init__(self, cls: type[msgspec.Struct], fields: dict[str, WireField]) -> None:
        self.sats = sats.ProductType(
            tuple(sats.Element(name, field.sats) for name, field in fields.items())
        )
        self._cls = cls
        self._fields = fields

    def read(self, to: ReaderSource) -> str:
        values = {}
        table = None
        for name, field in self._fields.items():
            values[name] = field.read(to)
            if field is TABLE_NAME:
                # From here on errors name the table. A `try` without an exception costs nothing.
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
        for name, field in self._fields.items():
            field.write(to, f"{value}.{name}")

    def load(self, value: Any, message: JsonMessage) -> Any:
        fields = self._fields.items()
        return self._cls(
            **{name: field.load(getattr(value, name), message) for name, field in fields}
        )

    def dump(self, value: Any, message: JsonMessage) -> Json:
        fields = self._fields.items()
        found = {name: field.dump(getattr(value, name), message) for name, field in fields}
        return found or []  # a server writes a product without fields as an array


class NewType(Product):
    """A struct of one field, which in JSON is that field."""

    def __init__(self, cls: type[msgspec.Struct], fields: dict[str, WireField]) -> None:
        super().__init__(cls, fields)
        ((self._name, self._only),) = fields.items()
        self.sats = self._only.sats

    def load(self, value: Any, message: JsonMessage) -> Any:
        return self._cls(self._only.load(value, message))

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return self._only.dump(getattr(value, self._name), message)


class Sum(WireField):
    """One of several values; its tag is its place among them.

    Args:
        name: what an error calls the sum.
        variants: name in JSON, Python type and field of each.
    """

    def __init__(self, name: str, variants: Iterable[tuple[str, type, WireField]]) -> None:
        self._name = name
        self._variants = tuple(variants)
        self.sats = sats.SumType(
            tuple(sats.Variant(label, field.sats) for label, _, field in self._variants)
        )

    def read(self, to: ReaderSource) -> str:
        tag, value = to.tag(), to.variable()
        for number, (_, _, field) in enumerate(self._variants):
            to.case(f"{'elif' if number else 'if'} {tag} == {number}:", value, field)
        to.no_case(tag, self._name)
        return value

    def write(self, to: WriterSource, value: str) -> None:
        to.settle()
        value = to.value(value)
        kind = to.value(f"type({value})")
        for number, (_, cls, field) in enumerate(self._variants):
            condition = f"{kind} is {to.program.constant(cls)}"
            to.case(f"{'elif' if number else 'if'} {condition}:", number, field, value)
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


class Wrapped(WireField):
    """A value that JSON wraps into a product of one field; elsewhere it is bare."""

    def __init__(self, name: str, inner: WireField) -> None:
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


class Compressable(WireField):
    """A field that BSATN may hold compressed, behind a tag as payloads have it.

    Written uncompressed, as by a 2.x server. JSON has neither tag nor compression.
    """

    def __init__(self, inner: WireField) -> None:
        self.sats = inner.sats
        self._inner = inner

    def read(self, to: ReaderSource) -> str:
        read = ReaderSource.of(self._inner)
        tag, value = to.tag(), to.variable()
        to.case(f"if {tag} == 0:", value, self._inner)
        to.line("else:")
        rest = f"({tag}, data, pos, left, {to.constant(read)})"
        to.line(f"    {value}, pos, left = compressed.read{rest}")
        return value

    def write(self, to: WriterSource, value: str) -> None:
        to.put("B", "0")
        self._inner.write(to, value)

    def load(self, value: Any, message: JsonMessage) -> Any:
        return self._inner.load(value, message)

    def dump(self, value: Any, message: JsonMessage) -> Json:
        return self._inner.dump(value, message)
