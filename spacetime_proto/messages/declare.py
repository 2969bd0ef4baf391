"""From declared messages to functions that read and write them.

A message is a frozen struct, and the annotations of its fields say how they are written on the
wire: a plain Python type where that is enough (`str`, `Timestamp`, ``tuple[X, ...]``, ``X | None``,
another struct), otherwise one of the names below. Fields come in the order of the wire unless
``wire_order`` gives another.

`Messages` are all that one role sends on one protocol: a union of such structs. The tag of a
message is its position in the union.
"""

from __future__ import annotations

import struct
from functools import cached_property, partial
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ..errors import DecodeError, EncodeError
from ..limits import DEFAULT_LIMITS, Limits
from ..sats.sats_json import dumps, from_json, loads
from . import composite_fields, fields
from .json_rows import NO_ROWS
from .message_source import ReaderSource, WriterSource, context
from .reading import CompressedUpdates, RowBudgetSpent, over_budget, too_short, unknown_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from .composite_fields import Product
    from .fields import WireField
    from .json_rows import JsonCodec
    from .reading import Read

U32: TypeAlias = Annotated[int, fields.U32]
U64: TypeAlias = Annotated[int, fields.U64]
U128: TypeAlias = Annotated[int, fields.U128]

#: BSATN; on v1.json a JSON text.
JsonOrBsatn: TypeAlias = Annotated[bytes | str, fields.JSON_OR_BSATN]
#: The name of the table that the fields after it belong to.
TableName: TypeAlias = Annotated[str, fields.TABLE_NAME]

#: Raised by generated writers for a value that does not fit its field.
_RAW_ENCODE_ERRORS: Final = (struct.error, ValueError, OverflowError, AttributeError, TypeError)

M = TypeVar("M")


class OneOf:
    """Says of a union, in an annotation, that it is a sum; tags are places in the union.

    Args:
        name: what an error calls the sum.
        labels: the names of the variants in JSON; by default those of the classes.
    """

    def __init__(self, name: str, *labels: str) -> None:
        self._name = name
        self._labels = labels

    def field(self, union: Any) -> WireField:
        """Return the field of the union."""
        kinds = get_args(union)
        labels = self._labels or [kind.__name__ for kind in kinds]
        variants = [
            (label, get_origin(kind) or kind, _field(kind, is_variant=True))
            for label, kind in zip(labels, kinds, strict=True)
        ]
        return composite_fields.Sum(self._name, variants)


def _field(hint: Any, *, is_variant: bool = False) -> WireField:
    """Return the field that an annotation declares."""
    origin = get_origin(hint)
    if origin is Annotated:
        plain, *marks = get_args(hint)
        field: WireField | None = None
        for mark in marks:
            if isinstance(mark, fields.WireField):
                field = mark
            elif isinstance(mark, OneOf):
                field = mark.field(plain)
            else:  # a kind of field that holds another, such as `Wrapped`
                field = mark(field or _field(plain))
        assert field is not None
        return field
    if origin is tuple:
        return composite_fields.Array(_field(get_args(hint)[0]))
    if origin in (Union, UnionType):
        (some,) = (kind for kind in get_args(hint) if kind is not NoneType)
        return composite_fields.Option(_field(some))
    return fields.PLAIN.get(hint) or _product(hint, is_variant=is_variant)


def _product(cls: Any, *, is_variant: bool = False) -> Product:
    hints = get_type_hints(cls, include_extras=True)
    names = getattr(cls, "wire_order", cls.__struct_fields__)
    held = {name: _field(hints[name]) for name in names}
    if is_variant and len(held) == 1:
        return composite_fields.NewType(cls, held)
    return composite_fields.Product(cls, held)


def wire_name(message: type) -> str:
    """Return the name of a message in the protocol, as in errors and in JSON."""
    return message.__name__.removesuffix("Message")


class Messages(Generic[M]):
    """All messages that one role sends on one protocol.

    Args:
        name: what an error calls the sum of the messages.
        union: the union of their structs.
        may_compress: whether one of them has a field that is compressed on its own.
    """

    def __init__(self, name: str, union: Any, *, may_compress: bool = False) -> None:
        self._name = name
        self._classes: tuple[type, ...] = get_args(union)
        self.names = tuple(map(wire_name, self._classes))
        self._may_compress = may_compress
        # One function per tag or class. The first call of each generates the real one, which then
        # takes its place: most processes need few of them, and generating one takes long.
        self._readers: list[Read] = [
            partial(self._first_read, tag) for tag in range(len(self._classes))
        ]
        self._writers: dict[type, Callable[[bytearray, Any], None]] = {
            cls: partial(self._first_write, tag) for tag, cls in enumerate(self._classes)
        }

    @cached_property
    def _sum(self) -> composite_fields.Sum:
        return composite_fields.Sum(
            self._name,
            [
                (name, cls, _product(cls))
                for name, cls in zip(self.names, self._classes, strict=True)
            ],
        )

    # --- BSATN --------------------------------------------------------------------------------

    def read(
        self, data: bytes, pos: int, left: int, compressed: CompressedUpdates | None = None
    ) -> tuple[M, int, int]:
        """Read the message at `pos` of a payload whose messages share a budget of rows.

        Args:
            data: the payload, decompressed; row lists of the message keep it alive.
            pos: where the message starts.
            left: what is left of the budget.
            compressed: opens the compressed fields of the message.

        Returns:
            the message, the position after it, and what is left of the budget then.

        Raises:
            DecodeError: names the message, the table and the offset of the damage; its `detail` is
                the text that a SpacetimeDB server closes with.
            RowBudgetSpent: more rows than `left`; its text is the name of the message.
            LimitExceeded: compressed fields become larger than allowed.
        """
        try:
            read = self._readers[data[pos]]
        except IndexError:
            if pos >= len(data):
                too_short("u8", 1, data, pos)
            unknown_tag(data[pos], self._name, pos)
        try:
            return read(data, pos + 1, left, compressed)
        except DecodeError as error:
            raise error.within(self.names[data[pos]]) from error.__cause__
        except RowBudgetSpent:
            raise RowBudgetSpent(self.names[data[pos]]) from None

    def decode(
        self,
        data: bytes,
        pos: int = 0,
        limits: Limits = DEFAULT_LIMITS,
        *,
        wire_size: int | None = None,
    ) -> tuple[M, int]:
        """Decode the message at `pos`, which has a budget of rows to itself.

        Args:
            data: the payload, decompressed; row lists of the message keep it alive.
            pos: where the message starts.
            limits: of this connection.
            wire_size: size of the payload as it came, if that was compressed; bounds follow from it.

        Returns:
            the message, and the position after it.

        Raises:
            DecodeError: as `read`.
            LimitExceeded: more rows than allowed, or compressed fields become larger than allowed.
        """
        size = len(data) if wire_size is None else wire_size
        max_rows = limits.rows_for(size)
        compressed = CompressedUpdates(limits, size) if self._may_compress else None
        try:
            message, pos, _ = self.read(data, pos, max_rows, compressed)
        except RowBudgetSpent as spent:
            raise over_budget(str(spent), max_rows) from None
        return message, pos

    def encode(self, message: M) -> bytes:
        """Encode a message, without a compression tag.

        Raises:
            EncodeError: a field does not fit the wire (an id beyond 32 bits, a lone surrogate, JSON
                text in the place of BSATN), or it is not a message of this role.
        """
        out = bytearray()
        try:
            write = self._writers[type(message)]
        except KeyError:
            raise self._stranger(message) from None
        try:
            write(out, message)
        except _RAW_ENCODE_ERRORS as error:
            raise _unfit(error, message) from error
        return bytes(out)

    def prepare_to_read(self, cls: type[M]) -> None:
        """Generate the reader of a message now, if that has not been done, and not when one comes."""
        tag = self._classes.index(cls)
        if isinstance(self._readers[tag], partial):
            self._readers[tag] = ReaderSource.of(_product(cls))

    def prepare_to_write(self, cls: type[M]) -> None:
        """Generate the writer of a message now, if that has not been done."""
        if isinstance(self._writers[cls], partial):
            self._writers[cls] = WriterSource.of(self._classes.index(cls), _product(cls))

    def _first_read(
        self, tag: int, data: bytes, pos: int, left: int, compressed: CompressedUpdates | None
    ) -> tuple[M, int, int]:
        self.prepare_to_read(self._classes[tag])
        return self._readers[tag](data, pos, left, compressed)

    def _first_write(self, tag: int, out: bytearray, message: Any) -> None:
        cls = self._classes[tag]
        self.prepare_to_write(cls)
        self._writers[cls](out, message)

    # --- JSON ---------------------------------------------------------------------------------

    def from_json(
        self, text: str, codec: JsonCodec = NO_ROWS, limits: Limits = DEFAULT_LIMITS
    ) -> M:
        """Decode a JSON text; nothing may follow the message (docs/protocol.md section 4.5).

        Every form that a server accepts is accepted, in both roles: fields by name or by position,
        variants by name, tag or decimal text.

        Args:
            text: the text message.
            codec: reads the rows.
            limits: of this connection.

        Raises:
            DecodeError: not JSON, not a message of this role, or a row that does not fit its table;
                names the message and the table.
            LimitExceeded: more rows, or queries, than a payload of this size may hold.
        """
        value: Any = from_json(self._sum.sats, context(), loads(text))
        name = self.names[value.__tag__]
        max_rows = limits.rows_for(len(text))
        message: M
        try:
            message = self._sum.load(value, fields.JsonMessage(codec, max_rows))
        except DecodeError as error:
            raise error.within(name) from error.__cause__
        except RowBudgetSpent:
            raise over_budget(name, max_rows) from None
        return message

    def to_json(self, message: M, codec: JsonCodec = NO_ROWS) -> str:
        """Encode a message as JSON text, which is read back before it is returned, as a check.

        Raises:
            EncodeError: a field does not fit the wire, arguments or a value are BSATN, a row is not
                one of its table, or it is not a message of this role.
        """
        if type(message) not in self._writers:
            raise self._stranger(message)
        try:
            value = self._sum.dump(message, fields.JsonMessage(codec))
        except (AttributeError, TypeError) as error:
            raise _unfit(error, message) from error
        except DecodeError as error:
            name = wire_name(type(message))
            raise EncodeError(f"a row does not fit: {error}", what=name) from error
        try:
            from_json(self._sum.sats, context(), value)
        except DecodeError as error:
            raise _unfit(error, message) from error
        return dumps(value)

    def _stranger(self, message: object) -> EncodeError:
        return EncodeError(f"not a {self._name}", what=type(message).__name__)


def _unfit(error: Exception, message: object) -> EncodeError:
    name = wire_name(type(message))
    return EncodeError(f"a field does not fit the wire: {error}", what=name)
