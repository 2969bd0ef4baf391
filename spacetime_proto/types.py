"""The value types of SpacetimeDB (docs/protocol.md section 1.3), with the conversions people expect.

All of them are frozen, hashable and ordered. `Identity`, `ConnectionId` and `Uuid` keep their bytes
in text order (big-endian), so that comparing the bytes compares the numbers; BSATN reverses them.
"""

from __future__ import annotations

import datetime as _datetime
import enum as _enum
import re as _re
from functools import cache as _cache
from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, cast

import msgspec

if TYPE_CHECKING:
    import uuid as _uuid
    from collections.abc import Iterable, Iterator
    from typing import Self

__all__ = [
    "ConnectionId",
    "EnumValue",
    "Err",
    "Identity",
    "Ok",
    "ProductValue",
    "ScheduleAt",
    "Some",
    "SumValue",
    "TimeDuration",
    "Timestamp",
    "Uuid",
]

T = TypeVar("T")
E = TypeVar("E")

_EPOCH = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.timezone.utc)
_MICROSECOND = _datetime.timedelta(microseconds=1)
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@_cache
def _sats(module: str) -> Any:
    """Import what converts values, when one is converted; the values do not depend on it."""
    return _import_module(f".sats.{module}", __package__)


class _Described:
    """Tells pydantic about a class; pydantic is imported only if it asks."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return _sats("pydantic_schema").core_schema_of(cls)


class _HexId(msgspec.Struct, _Described, frozen=True, order=True, gc=False):
    """A fixed number of bytes with a hexadecimal text form; base of the id types."""

    SIZE: ClassVar[int] = 0

    data: bytes
    """The bytes in text order (most significant first)."""

    def __post_init__(self) -> None:
        # The 0.7 SDK took lists of integers as well as bytes here, and programs used it.
        if type(self.data) is not bytes:
            msgspec.structs.force_setattr(self, "data", bytes(cast("Iterable[int]", self.data)))
        if len(self.data) != self.SIZE:
            name = type(self).__name__
            raise ValueError(f"{name} takes {self.SIZE} bytes, not {len(self.data)}")

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Parse hexadecimal text of exactly 2 x SIZE digits, either case, optional ``0x`` prefix.

        Raises:
            ValueError: for anything else.
        """
        digits = text[2:] if text[:2] in ("0x", "0X") else text
        # Checked here, as `bytes.fromhex` skips spaces and does not quote the text in its error.
        if len(digits) != 2 * cls.SIZE or not _HEX_DIGITS.issuperset(digits):
            raise ValueError(f"{cls.__name__} takes {2 * cls.SIZE} hexadecimal digits: {text!r}")
        return cls(bytes.fromhex(digits))

    @classmethod
    def from_string(cls, text: str) -> Self:
        """Same as `from_hex`; the name that the 0.7 SDK used."""
        return cls.from_hex(text)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Make one from its bytes in text order."""
        return cls(bytes(data))

    @classmethod
    def from_int(cls, number: int) -> Self:
        """Make one from its value as an unsigned integer.

        Raises:
            OverflowError: if the number is negative or does not fit.
        """
        return cls(number.to_bytes(cls.SIZE, "big"))

    def to_hex(self) -> str:
        """Return the lowercase hexadecimal text, without prefix."""
        return self.data.hex()

    def __int__(self) -> int:
        return int.from_bytes(self.data, "big")

    def __bytes__(self) -> bytes:
        return self.data

    def __str__(self) -> str:
        return self.data.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}.from_hex({self.data.hex()!r})"


class Identity(_HexId, frozen=True, order=True, gc=False):
    """Identifies a user: 32 bytes, derived from a token; the same on all servers that trust it."""

    SIZE: ClassVar[int] = 32


class ConnectionId(_HexId, frozen=True, order=True, gc=False):
    """Identifies one connection of an identity: 16 bytes. All zeros is reserved and means none."""

    SIZE: ClassVar[int] = 16


class Uuid(_HexId, frozen=True, order=True, gc=False):
    """An RFC 9562 UUID: 16 bytes in the order of its text form."""

    SIZE: ClassVar[int] = 16

    @classmethod
    def from_uuid(cls, value: _uuid.UUID) -> Self:
        """Convert from the standard library's `uuid.UUID`."""
        return cls(value.bytes)

    def to_uuid(self) -> _uuid.UUID:
        """Convert to the standard library's `uuid.UUID`."""
        import uuid

        return uuid.UUID(bytes=self.data)

    @classmethod
    def from_string(cls, text: str) -> Self:
        """Parse ``xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`` or 32 hexadecimal digits.

        Raises:
            ValueError: for anything else.
        """
        digits = text
        if len(text) == 36:
            parts = text.split("-")
            if [len(part) for part in parts] != [8, 4, 4, 4, 12]:
                raise ValueError(f"not a UUID: {text!r}")
            digits = "".join(parts)
        try:
            return cls.from_hex(digits)
        except ValueError:
            raise ValueError(f"not a UUID: {text!r}") from None

    def __str__(self) -> str:
        text = self.data.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def __repr__(self) -> str:
        return f"Uuid.from_string({str(self)!r})"


class TimeDuration(msgspec.Struct, _Described, frozen=True, order=True, gc=False):
    """A span of time in whole microseconds; may be negative."""

    micros: int

    @classmethod
    def from_timedelta(cls, value: _datetime.timedelta) -> Self:
        """Convert from `datetime.timedelta` (exact: both count microseconds)."""
        return cls(value // _MICROSECOND)

    @classmethod
    def from_seconds(cls, seconds: float) -> Self:
        """Convert from seconds, rounded to the nearest microsecond."""
        return cls(round(seconds * 1_000_000))

    def to_timedelta(self) -> _datetime.timedelta:
        """Convert to `datetime.timedelta`.

        Raises:
            OverflowError: beyond its range of about 2.7 million years.
        """
        return _datetime.timedelta(microseconds=self.micros)

    def total_seconds(self) -> float:
        """Return the span in seconds."""
        return self.micros / 1_000_000

    def __add__(self, other: TimeDuration | _datetime.timedelta) -> TimeDuration:
        span = _span(other)
        return NotImplemented if span is None else TimeDuration(self.micros + span)

    def __sub__(self, other: TimeDuration | _datetime.timedelta) -> TimeDuration:
        span = _span(other)
        return NotImplemented if span is None else TimeDuration(self.micros - span)

    def __neg__(self) -> TimeDuration:
        return TimeDuration(-self.micros)

    def __abs__(self) -> TimeDuration:
        return TimeDuration(abs(self.micros))

    def __str__(self) -> str:
        sign = "-" if self.micros < 0 else "+"
        seconds, micros = divmod(abs(self.micros), 1_000_000)
        return f"{sign}{seconds}.{micros:06}"


class Timestamp(msgspec.Struct, _Described, frozen=True, order=True, gc=False):
    """A point in time: whole microseconds since 1970-01-01 00:00 UTC; may be negative."""

    micros_since_unix_epoch: int

    UNIX_EPOCH: ClassVar[Timestamp]

    @classmethod
    def from_datetime(cls, value: _datetime.datetime) -> Self:
        """Convert from an aware `datetime.datetime` (exact).

        Raises:
            ValueError: for a naive one, which names no point in time.
        """
        if value.tzinfo is None:
            raise ValueError("a Timestamp needs a datetime with a time zone")
        return cls((value - _EPOCH) // _MICROSECOND)

    @classmethod
    def from_seconds(cls, seconds: float) -> Self:
        """Convert from seconds since the epoch, rounded to the nearest microsecond."""
        return cls(round(seconds * 1_000_000))

    def to_datetime(self) -> _datetime.datetime:
        """Convert to an aware `datetime.datetime` in UTC.

        Raises:
            OverflowError: outside the years 1 to 9999.
        """
        return _EPOCH + _datetime.timedelta(microseconds=self.micros_since_unix_epoch)

    def to_seconds(self) -> float:
        """Return seconds since the epoch (a float: not exact far from it)."""
        return self.micros_since_unix_epoch / 1_000_000

    def __add__(self, other: TimeDuration | _datetime.timedelta) -> Timestamp:
        span = _span(other)
        return NotImplemented if span is None else Timestamp(self.micros_since_unix_epoch + span)

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Timestamp):
            return TimeDuration(self.micros_since_unix_epoch - other.micros_since_unix_epoch)
        span = _span(other)
        return NotImplemented if span is None else Timestamp(self.micros_since_unix_epoch - span)

    def __str__(self) -> str:
        """RFC 3339 as SpacetimeDB itself prints it: no more digits of a second than needed."""
        micros = self.micros_since_unix_epoch
        digits = "microseconds" if micros % 1_000 else "milliseconds"
        try:
            return self.to_datetime().isoformat(
                timespec=digits if micros % 1_000_000 else "seconds"
            )
        except OverflowError:
            return f"{self.micros_since_unix_epoch} us since the Unix epoch"


Timestamp.UNIX_EPOCH = Timestamp(0)


def _span(value: object) -> int | None:
    """Return a duration in microseconds, or None if `value` is not one."""
    if isinstance(value, TimeDuration):
        return value.micros
    if isinstance(value, _datetime.timedelta):
        return value // _MICROSECOND
    return None


# --- rows, structs, sums and enums -------------------------------------------------------------

#: Annotations of fields whose values may hold a list, which has no hash.
_MAY_HOLD_LIST = _re.compile(r"\blist\[|\bAny\b")


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if type(value) is list else value


def _hash_with_lists(self: Any) -> int:
    return hash(tuple(map(_hashable, msgspec.structs.astuple(self))))


class _Value(msgspec.Struct, _Described, frozen=True, gc=False):
    """What rows, structs and sums have in common (docs/rows.md)."""

    __type__: ClassVar[Any] = None
    """A function that returns the shapes of the module and the type in it, once the class is part of a module."""
    __definition__: ClassVar[Any] = None
    """On a class of run-time bindings: what it was made from."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # The hash that msgspec writes in C stays wherever it works.
        if any(_MAY_HOLD_LIST.search(str(one)) for one in cls.__annotations__.values()):
            cls.__hash__ = _hash_with_lists  # type: ignore[method-assign]

    def to_dict(self, values: Literal["json", "python"] = "json") -> dict[str, Any]:
        """Return this value as plain builtins, all the way down.

        Args:
            values: ``"json"`` for what `json.dumps` can write: identities and bytes as hexadecimal
                text, times as RFC 3339 and ISO 8601 text, enums by name. ``"python"`` keeps
                `Identity`, `ConnectionId`, enum members, `bytes` and floats, and gives `datetime`,
                `timedelta` and `uuid.UUID` objects.
        """
        return cast("dict[str, Any]", _sats("plain").to_plain(self, values))

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Make a value from what `to_dict` returned, in either form, or anything like it.

        Raises:
            EncodeError: something is missing, unknown or out of range; it names the path.
            LocalProtocolError: the class is part of no module, so its types are not known.
        """
        return cast("Self", _sats("from_plain").from_plain(cls, data))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Iterate over the items of `to_dict`: ``dict(row)``."""
        return iter(self.to_dict().items())

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]  # vars(row) shows the fields
        return msgspec.structs.asdict(self)


class ProductValue(_Value, frozen=True, gc=False):
    """Base of rows and structs in bindings."""


class EnumValue(_Described, _enum.Enum):
    """Base of the enums in bindings; the value of a member is its tag on the wire."""


# The tag is for msgspec's own encoders, which would leave out which variant it is.
class SumValue(_Value, frozen=True, gc=False, tag=True, tag_field="variant"):
    """Base of every value of a sum type that has payloads.

    A sum type ``Shape`` is a subclass of this; its variants are subclasses of ``Shape``, reachable
    as ``Shape.Circle``. A variant with payload has one field, ``value``; a unit variant has none.
    So ``match shape: case Shape.Circle(radius): ...`` works, and type checkers follow it.
    """

    __variants__: ClassVar[tuple[type[SumValue], ...]] = ()
    """On the sum's own class: the variant classes in tag order."""
    __tag__: ClassVar[int] = -1
    """On a variant's class: its tag."""


class ScheduleAt(SumValue, frozen=True, gc=False):
    """When a scheduled reducer runs: `ScheduleAt.Interval` or `ScheduleAt.Time`."""

    Interval: ClassVar[type[ScheduleAt_Interval]]
    Time: ClassVar[type[ScheduleAt_Time]]


class ScheduleAt_Interval(ScheduleAt, frozen=True, gc=False):
    """Run again and again, this long apart."""

    value: TimeDuration
    __tag__: ClassVar[int] = 0


class ScheduleAt_Time(ScheduleAt, frozen=True, gc=False):
    """Run once, at this time."""

    value: Timestamp
    __tag__: ClassVar[int] = 1


ScheduleAt.Interval = ScheduleAt_Interval
ScheduleAt.Time = ScheduleAt_Time
ScheduleAt.__variants__ = (ScheduleAt_Interval, ScheduleAt_Time)


class Some(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A present value of an option whose payload is itself an option.

    A plain option is the value or None. In Option<Option<T>> that would make *none* and
    *some(none)* look alike, so there the outer *some* is written ``Some(inner)``.
    """

    value: T

    __hash__ = _hash_with_lists


class Ok(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """The good side of a Result value."""

    value: T

    __hash__ = _hash_with_lists


class Err(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """The bad side of a Result value."""

    error: E

    __hash__ = _hash_with_lists
