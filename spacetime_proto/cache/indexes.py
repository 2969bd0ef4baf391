"""`CacheIndex`: from the values of some columns to the rows that have them.

Unique columns and indexes of every algorithm (B-tree, hash, direct) use this one class. Equality is
a hash lookup; ranges and prefixes cut a piece out of the sorted keys, which are sorted when the
first range is asked for. An index is built when it is first read, and kept up to date from then on,
so that a program pays only for the indexes that it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..errors import ProtocolError
from ..sats.order import TOP, sort_key
from .lookup_values import int_limits, plain_class
from .sorted_keys import SortedKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ..sats.algebraic import Typespace
    from ..schema.bound import BoundTable
    from .sorted_keys import Bound

__all__ = ["CacheIndex"]

Row = TypeVar("Row")


class IndexedTable(Protocol[Row]):
    """What an index needs of its `CachedTable`."""

    table: BoundTable
    rows: dict[bytes, Row | None]
    live: list[CacheIndex[Row]]
    on_damage: Callable[[ProtocolError], object] | None

    def row(self, data: bytes) -> Row: ...

    def column(self, rows: Collection[bytes], column: int) -> list[Any]: ...


class CacheIndex(Generic[Row]):
    """The rows of one table by the values of `columns`.

    A key is the sort key of the column's value, or the tuple of them for several columns. `groups`
    maps it to the rows with that key. If there is one, that is its bytes or, after `last` has read
    it, its object, because most indexes are unique and a dict for each row would cost a lot of
    memory. If there are several, it is a dict from their bytes to their objects (None until
    somebody reads them), in the order in which the rows came.
    """

    __slots__ = (
        "_column_keys",
        "_ordered",
        "_plain",
        "columns",
        "groups",
        "key",
        "key_of",
        "limits",
        "plain",
        "store",
    )

    def __init__(
        self, store: IndexedTable[Row], columns: tuple[int, ...], typespace: Typespace
    ) -> None:
        definitions = store.table.definition.columns
        self.store = store
        self.columns = columns
        self._column_keys = [sort_key(definitions[at].type, typespace) for at in columns]
        self.key: Callable[[Any], Any] | None = self._column_keys[0] if len(columns) == 1 else None
        """For an index over one column, the function from a value to its key; None if values are
        their own keys, or if there are several columns."""
        resolved = typespace.resolve(definitions[columns[0]].type)
        is_single = len(columns) == 1
        self.plain: type | None = None
        """While the index is built, over one column whose values are their own keys: the class that
        they have. A value of it is looked up in `groups` as it is."""
        self._plain = plain_class(resolved) if is_single else None
        self.limits: tuple[int, int] | None = int_limits(resolved) if is_single else None
        """For an index over one column of integers, the least and the largest that it can hold."""
        self.groups: dict[Any, Any] | None = None
        """By key: row bytes, the row, or a dict of several; None until the index is built."""
        self._ordered: SortedKeys | None = None
        self.key_of: Callable[[bytes, int], Any]
        """``(row, 0) -> key``; raises `RAW_DECODE_ERRORS`. Set when the index is built."""

    # --- keeping it up to date ----------------------------------------------------------------

    def build(self) -> dict[Any, Any]:
        """Build the index over all rows of the table, unless it is built already.

        Raises:
            DecodeError: the columns of a row do not decode.
        """
        if self.groups is not None:
            return self.groups
        rows = self.store.rows
        try:
            keys = self.keys_of(rows)
        except ProtocolError as error:
            if self.store.on_damage is not None:
                self.store.on_damage(error)
            raise
        # If all keys differ, this one call in C is the whole index. If some are equal, the dict has
        # fewer entries than there are rows, and the groups are made row by row.
        groups: dict[Any, Any] = dict(zip(keys, rows, strict=True))
        self.groups = groups
        if len(groups) != len(rows):
            groups.clear()
            self.add(keys, rows)
        self.key_of = self._key_reader()
        self.plain = self._plain
        self.store.live.append(self)
        return groups

    def _key_reader(self) -> Callable[[bytes, int], Any]:
        columns = [self.store.table.codec.column_decoder(at) for at in self.columns]
        keys = self._column_keys
        if len(columns) == 1:
            (read,), (key,) = columns, keys
            return read if key is None else lambda row, at: key(read(row, at))
        return lambda row, at: tuple(
            [
                read(row, at) if key is None else key(read(row, at))
                for read, key in zip(columns, keys, strict=True)
            ]
        )

    def discard(self) -> None:
        """Forget everything; the next reader builds it again."""
        self.groups = self.plain = None
        self._ordered = None
        self.store.live.remove(self)

    def keys_of(self, rows: Collection[bytes]) -> list[Any]:
        """Return the keys of encoded rows.

        Raises:
            DecodeError: the columns of a row do not decode.
        """
        columns = [
            values if key is None else [key(value) for value in values]
            for values, key in zip(
                [self.store.column(rows, at) for at in self.columns],
                self._column_keys,
                strict=True,
            )
        ]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def remove(self, keys: Sequence[Any], rows: Collection[bytes]) -> None:
        """Take out rows that are there, given their keys."""
        groups = self._built
        for key, row in zip(keys, rows, strict=True):
            group = groups[key]
            if type(group) is dict:
                del group[row]
                if group:
                    continue
            del groups[key]
            if self._ordered is not None:
                self._ordered.remove(key)

    def add(self, keys: Sequence[Any], rows: Collection[bytes]) -> None:
        """Put in rows that are not there, given their keys."""
        groups, ordered = self._built, self._ordered
        for key, row in zip(keys, rows, strict=True):
            group = groups.get(key)
            if group is None:
                groups[key] = row
                if ordered is not None:
                    ordered.add(key)
            elif type(group) is dict:
                group[row] = None
            else:
                groups[key] = {self._bytes_of(group): None, row: None}

    def replace(self, old_key: Any, old: bytes | None, new_key: Any, new: bytes | None) -> None:
        """Take out one row and put in another, or only one of the two."""
        groups = self._built
        if old is not None:
            if new is not None and old_key == new_key and type(groups[old_key]) is not dict:
                groups[old_key] = new
                return
            self.remove((old_key,), (old,))
        if new is not None:
            self.add((new_key,), (new,))

    @property
    def _built(self) -> dict[Any, Any]:
        groups = self.groups
        assert groups is not None  # only live indexes are changed
        return groups

    def _bytes_of(self, single: Any) -> bytes:
        """Return the bytes of a group's only row, for which `last` may have put in the object."""
        if type(single) is bytes:
            return single
        # A slow search, but only for a second row of one value in a column that is read as unique,
        # which the server does not allow.
        return next(data for data, row in self.store.rows.items() if row is single)

    # --- reading ------------------------------------------------------------------------------

    def equal(self, values: tuple[Any, ...]) -> list[Row]:
        """Return the rows whose columns have exactly these values, one per column."""
        keys = [
            value if key is None else key(value)
            for value, key in zip(values, self._column_keys, strict=True)
        ]
        return self.group(keys[0] if len(keys) == 1 else tuple(keys))

    def group(self, key: Any) -> list[Row]:
        """Return the rows with a key (not: a value), in the order in which they came."""
        groups = self.groups
        if groups is None:
            groups = self.build()
        group = groups.get(key)
        return [] if group is None else self._resolve(group)

    def last(self, key: Any) -> Row | None:
        """Return the row with a key, on a unique column; None if there is none."""
        groups = self.groups
        if groups is None:
            groups = self.build()
        group = groups.get(key)
        if type(group) is bytes:
            # Keeping the object in place of the bytes saves the next reader a lookup in the table.
            group = groups[key] = self.store.row(group)
        elif type(group) is dict:
            return self.store.row(next(reversed(group)))  # not unique after all
        return group

    def between(
        self, prefix: tuple[Any, ...], low: tuple[Any, bool] | None, high: tuple[Any, bool] | None
    ) -> list[Row]:
        """Return the rows that start with `prefix` and have the next column in a range, in order.

        Args:
            prefix: values of the first columns; fewer than the index has.
            low: (value, whether it belongs to the range), or None for no lower end.
            high: the same for the upper end.
        """
        groups = self.build()
        ordered = self._ordered
        if ordered is None:
            ordered = self._ordered = SortedKeys(groups)
        rows: list[Row] = []
        for key in ordered.between(*self._bounds(prefix, low, high)):
            rows += self._resolve(groups[key])
        return rows

    def _bounds(
        self, prefix: tuple[Any, ...], low: tuple[Any, bool] | None, high: tuple[Any, bool] | None
    ) -> tuple[Bound | None, Bound | None]:
        """Return the `SortedKeys.between` bounds of a prefix and a range of values behind it."""
        column_keys = self._column_keys
        start = tuple(
            value if key is None else key(value)
            for value, key in zip(prefix, column_keys, strict=False)
        )
        key = column_keys[len(prefix)]

        def end(limit: tuple[Any, bool]) -> tuple[Any, bool]:
            value, included = limit
            return (value if key is None else key(value)), included

        if len(column_keys) == 1:
            return (
                None if low is None else (end(low)[0], not low[1]),
                None if high is None else end(high),
            )
        # Keys are tuples. In sorted order, all keys that start with a shorter tuple `start` come
        # after `start` itself and before (*start, TOP). So the place before them is the place
        # before `start`, and the place after them is the place before (*start, TOP).
        begin: tuple[Any, ...] = start
        if low is not None:
            value, included = end(low)
            begin = (*start, value) if included else (*start, value, TOP)
        if high is None:
            stop: tuple[Any, ...] = (*start, TOP)
        else:
            value, included = end(high)
            stop = (*start, value, TOP) if included else (*start, value)
        return (begin, False), (stop, False)

    def _resolve(self, group: Any) -> list[Row]:
        """Return the row objects of a group, decoding those that nobody has read."""
        if type(group) is not dict:
            return [self.store.row(group) if type(group) is bytes else group]
        rows = list(group.values())
        if not all(rows):  # None is not decoded yet; rows are Structs, which are always true
            row = self.store.row
            for data in group:
                group[data] = row(data)
            rows = list(group.values())
        return rows
