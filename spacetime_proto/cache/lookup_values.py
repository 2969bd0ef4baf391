"""What can be looked up in an index: a value for each column, a prefix of them, a `Range`.

A value of a type that the column cannot hold is never found, and silently so, because a dict asks
only whether values are equal. `LookupValues` tells such values apart, and says what to write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

import msgspec

from ..errors import EncodeError
from ..sats.algebraic import (
    BYTES,
    INTEGER_BITS,
    Primitive,
    SumType,
    integer_range,
    is_enum,
    special_name,
)
from ..types import ConnectionId, Identity, TimeDuration, Timestamp, Uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..sats.algebraic import AlgebraicType
    from ..schema.bound import BoundTable

K = TypeVar("K")

_PRIMITIVES: Final[dict[str, type]] = {
    "Bool": bool, "String": str, **dict.fromkeys(INTEGER_BITS, int),
}  # fmt: skip
_SPECIALS: Final[dict[str, type]] = {
    cls.__name__: cls for cls in (Identity, ConnectionId, Timestamp, TimeDuration, Uuid)
}

#: What makes a value of the column's class of one that programs have in hand instead, by the names
#: of the two classes. (By name, so that `uuid` need not be imported.)
_CONVERSIONS: Final[dict[tuple[str, str], str]] = {
    ("Identity", "str"): "Identity.from_hex(text)",
    ("Identity", "bytes"): "Identity(data)",
    ("ConnectionId", "str"): "ConnectionId.from_hex(text)",
    ("ConnectionId", "bytes"): "ConnectionId(data)",
    ("Uuid", "str"): "Uuid.from_string(text)",
    ("Uuid", "UUID"): "Uuid.from_uuid(value)",
    ("Timestamp", "datetime"): "Timestamp.from_datetime(moment)",
    ("TimeDuration", "timedelta"): "TimeDuration.from_timedelta(span)",
    ("int", "str"): "int(text)",
    ("int", "float"): "int(number)",
    ("bool", "int"): "True or False",
    ("str", "int"): "str(number)",
    ("str", "bytes"): "data.decode()",
    ("bytes", "str"): "text.encode()",
    ("bytes", "bytearray"): "bytes(data)",
}


class Range(msgspec.Struct, Generic[K], frozen=True):
    """Values from `lo` to `hi`, for `IndexView.filter`; None leaves that end open.

    Values are in SATS order: numbers with NaN last, strings by code point, *some* before *none*,
    enums and other sums by the position of the variant.
    """

    lo: K | None = None
    hi: K | None = None
    include_lo: bool = True
    include_hi: bool = True


def plain_class(ty: AlgebraicType) -> type | None:
    """Return the class of the values of a type if its values are their own index keys."""
    if isinstance(ty, Primitive):
        return _PRIMITIVES.get(ty.name)
    return bytes if ty == BYTES else _SPECIALS.get(special_name(ty) or "")


def int_limits(ty: AlgebraicType) -> tuple[int, int] | None:
    """Return the least and the largest value of an integer type; None for other types."""
    if isinstance(ty, Primitive) and ty.name in INTEGER_BITS:
        return integer_range(ty.name)
    return None


class LookupValues:
    """The values that an index over some columns of a table takes."""

    def __init__(
        self,
        table: BoundTable,
        columns: tuple[int, ...],
        to_wire: Sequence[Callable[[Any], Any] | None] | None = None,
    ) -> None:
        """Describe the index.

        Args:
            table: the table.
            columns: positions of the indexed columns.
            to_wire: per column, the function from the program's values to those of the codec,
                inside a module; None if they are the same.
        """
        definitions = table.definition.columns
        self._table = table
        self._columns = [definitions[at] for at in columns]
        self._to_wire = to_wire or [None] * len(columns)
        resolve = table.types.typespace.resolve
        self._types = [resolve(column.type) for column in self._columns]
        self._classes = [self._class_of(at) for at in range(len(columns))]
        self._limits = [int_limits(ty) for ty in self._types]

    @property
    def names(self) -> tuple[str, ...]:
        """Canonical names of the columns."""
        return tuple([column.name for column in self._columns])

    def split(self, value: Any, what: str = "filter") -> tuple[tuple[Any, ...], Range[Any] | None]:
        """Take apart the argument of `filter`: the values of the first columns, the range behind.

        Args:
            value: the argument.
            what: the method that was called.

        Raises:
            TypeError: there are more values than columns, or something stands where only a value
                can.
        """
        is_many = isinstance(value, tuple) and (len(self._columns) > 1 or value)
        values: tuple[Any, ...] = value if is_many else (value,)
        if len(values) > len(self._columns):
            hint = ""
            if len(self._columns) == 1 and len(values) == 2:
                hint = f"; for all values between the two write Range{_shown(values)}"
            raise TypeError(
                f"{self._where(what)}: {len(values)} values for an index over"
                f" {len(self._columns)} columns ({', '.join(self.names)}){hint}"
            )
        last: Any = None
        if values and isinstance(values[-1], (Range, range)):
            *fixed, last = values
            values = tuple(fixed)
            if isinstance(last, range):
                last = self._range_of(last, len(values), what)
        if any(isinstance(each, (Range, range)) for each in values):
            raise TypeError(f"{self._where(what)}: only the last of the values can be a Range")
        return values, last

    def _range_of(self, numbers: range, at: int, what: str) -> Range[int]:
        """Return what a Python range of consecutive integers means for a column."""
        if self._limits[at] is None:
            self._refuse(at, numbers, what)
        if numbers.step != 1:
            raise TypeError(
                f"{self._where(what)}: the range has step {numbers.step}, and only step 1 means all"
                f" values between two: write [value for value in {numbers!r} ...] with {what}(value)"
            )
        return Range(numbers.start, numbers.stop, include_hi=False)

    def check(self, values: Sequence[Any], what: str = "filter") -> None:
        """Refuse values that the first columns cannot hold.

        Args:
            values: one for each of the first columns.
            what: the method that looks them up.

        Raises:
            TypeError: it names table, column, what the column takes and what was given.
        """
        for at, value in enumerate(values):
            if type(value) is not self._classes[at] and not self._is_of_class(at, value):
                self._check_by_codec(at, value, what)
            limits = self._limits[at]
            if limits is not None and not limits[0] <= value <= limits[1]:
                self._refuse(at, value, what)

    def check_range(self, at: int, span: Range[Any], what: str = "filter") -> None:
        """Refuse a range whose ends are of a type that a column cannot hold; errors as `check`.

        Integers beyond the column's own may stand there: it is clear what they mean.
        """
        cls = self._classes[at]
        for end in (span.lo, span.hi):
            if type(end) is not cls and end is not None and not self._is_of_class(at, end):
                self._check_by_codec(at, end, what)

    # --- inside -------------------------------------------------------------------------------

    def _class_of(self, at: int) -> type | None:
        """Return the class that all values of a column have; None if they have no single one."""
        ty = self._types[at]
        if isinstance(ty, Primitive) and ty.name in ("F32", "F64"):
            return float
        if isinstance(ty, SumType) and is_enum(ty) and self._to_wire[at] is None:
            return self._table.types.python_class(self._columns[at].type)
        return plain_class(ty)

    def _is_of_class(self, at: int, value: Any) -> bool:
        """Say whether a value of another class than the plain one is as good as one of it."""
        cls = self._classes[at]
        if cls is int:
            # numpy's integers are no ints, but equal to them. A bool is an int and equal to 0 or 1,
            # but who looks up True means something else.
            return hasattr(type(value), "__index__") and not isinstance(value, bool)
        if cls is float:
            return hasattr(type(value), "__float__") and not isinstance(value, bool)
        ty = self._types[at]
        if cls is not None and isinstance(ty, SumType):
            # `sort_key` takes the position of a variant in place of the member.
            return type(value) is int and 0 <= value < len(ty.variants)
        return cls is not None and isinstance(value, cls)

    def _check_by_codec(self, at: int, value: Any, what: str) -> None:
        """Refuse a value that the codec of a column cannot encode."""
        if self._classes[at] is not None or isinstance(value, (Range, range, slice)):
            self._refuse(at, value, what)
        convert = self._to_wire[at]
        try:
            wire = value if convert is None else convert(value)
            self._table.types.codec(self._columns[at].type).encode(wire)
        except EncodeError as error:
            self._refuse(at, value, what, str(error))
        except (AttributeError, TypeError, ValueError, LookupError):
            self._refuse(at, value, what)

    def _refuse(self, at: int, value: Any, what: str, detail: str = "") -> NoReturn:
        raise TypeError(
            f"{self._where(what)}: column {self._columns[at].name!r} takes {self._wanted(at)},"
            f" not {_shown(value)} ({type(value).__name__})"
            f"{f' ({detail})' if detail else ''}{self._hint(at, value)}"
        )

    def _wanted(self, at: int) -> str:
        limits, cls = self._limits[at], self._classes[at]
        if limits is not None:
            return f"an int from {limits[0]} to {limits[1]}"
        if cls is not None:
            return f"{'an' if cls.__name__[0] in 'AEIOUaeiou' else 'a'} {cls.__name__}"
        made = self._table.types.python_class(self._columns[at].type)
        return "values of its type" if made is None else f"a {made.__name__}"

    def _hint(self, at: int, value: Any) -> str:
        cls = self._classes[at]
        wanted = "" if cls is None else cls.__name__
        conversion = _CONVERSIONS.get((wanted, type(value).__name__))
        if conversion is not None:
            return f"; write {conversion}"
        if isinstance(value, slice):
            return (
                f"; write Range({_shown(value.start)}, {_shown(value.stop)}, include_hi=False) for"
                " the values from the first to before the second"
            )
        if isinstance(value, Range):
            return "; filter() takes ranges"
        if cls is not None and isinstance(value, (list, set, frozenset, tuple, dict)):
            return (
                f"; for several values write"
                f" [row for value in values for row in {self._example(at)}.filter(value)]"
            )
        return ""

    def _example(self, at: int) -> str:
        return f"db.{self._table.definition.accessor}.{self._columns[at].name}"

    def _where(self, what: str) -> str:
        return f"{what}() of table {self._table.name!r}"


def _shown(value: object) -> str:
    """Return the repr of a value, shortened."""
    import reprlib

    short = reprlib.Repr()
    short.maxstring = short.maxother = 40
    return short.repr(value)
