"""`CachedTable`: the rows of one table, held as bytes and made into objects when first read.

How it works. `rows` maps the BSATN bytes of a row to its object, or to None as long as nobody has
read it. Rows are counted, because several query sets (or several queries of one set) may hold the
same row. Nearly all rows have a count of one, which is stored nowhere; of the others, `surplus` has
the count less one. As long as a single query set holds the table, `rows` and `surplus` are its
counts too. From the second set on, each set has a *bag* (its own count of each row), so that a set
that ends takes away exactly its own rows.

`planning` works out what a message will do; `commit` does it and cannot fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from ..errors import DecodeError, LimitExceeded, ProtocolError
from ..sats.bsatn import RAW_DECODE_ERRORS
from ..sats.rows import RowList
from .changes import TableDiff
from .indexes import CacheIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ..sats.algebraic import Typespace
    from ..schema.bound import BoundTable
    from .changes import OneRow, TablePlan

Row = TypeVar("Row")

#: From this many rows on, joining them and reading the column by one ``iter_unpack`` is faster.
_BULK: Final = 32
_EMPTY: Final[dict[bytes, int]] = {}
_ABSENT: Final[Any] = object()


class CachedTable(Generic[Row]):
    """The rows of one table in the client cache.

    Readers use `row`, `all_rows` and `index`; all else is for the planner and the cache.
    """

    __slots__ = (
        "_indexes",
        "_typespace",
        "bags",
        "holder",
        "live",
        "name",
        "on_damage",
        "rows",
        "surplus",
        "table",
    )

    def __init__(self, table: BoundTable, typespace: Typespace) -> None:
        self.table = table
        self.name = table.definition.name
        self._typespace = typespace
        self.rows: dict[bytes, Row | None] = {}
        self.surplus: dict[bytes, int] = {}
        """count - 1 of the rows that are held more than once."""
        self.holder: int | None = None
        """The query set that holds the table, while `bags` is None."""
        self.bags: dict[int, dict[bytes, int]] | None = None
        """Counts per query set, from the second set on."""
        self._indexes: dict[tuple[int, ...], CacheIndex[Row]] = {}
        self.live: list[CacheIndex[Row]] = []
        """The indexes that are built and have to be kept up to date."""
        self.on_damage: Callable[[ProtocolError], object] | None = None
        """Called with the error of a row that does not decode, before the reader gets it."""

    # --- reading ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, data: bytes) -> Row:
        """Return the object of a row given its bytes; while the row is here, it is made only once.

        Raises:
            DecodeError, LimitExceeded: the bytes are no row of this table.
        """
        row = self.rows.get(data)
        if row is None:
            try:
                row = self.table.codec.decode_row(data)
            except RAW_DECODE_ERRORS:
                self._damaged(data)
            if data in self.rows:
                self.rows[data] = row
        return row

    def decode(self, data: bytes) -> Row:
        """Make a new object of row bytes; raises DecodeError like `row`."""
        try:
            row: Row = self.table.codec.decode_row(data)
        except RAW_DECODE_ERRORS:
            self._damaged(data)
        return row

    def decoded(
        self, rows: Sequence[bytes], known: dict[bytes, Row | None] | None = None
    ) -> list[Row]:
        """Return the objects of many rows, in order; raises DecodeError like `row`.

        Args:
            rows: the bytes of the rows.
            known: where objects are looked up and kept; by default, the table.
        """
        if known is None:
            known = self.rows
        decode: Callable[[bytes], Row] = self.table.codec.decode_row
        result: list[Row] = []
        data = b""
        try:
            for data in rows:
                row = known.get(data, _ABSENT)
                if row is None:
                    row = known[data] = decode(data)
                elif row is _ABSENT:
                    row = decode(data)
                result.append(row)
        except RAW_DECODE_ERRORS:
            self._damaged(data)
        return result

    def all_rows(self) -> list[Row]:
        """Return every row, in no promised order; raises DecodeError like `row`."""
        unread = [data for data, row in self.rows.items() if row is None]
        if unread:
            self.decoded(unread)
        return list(self.rows.values())  # type: ignore[arg-type]  # none is unread now

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows as they are now, decoding each when it is reached."""
        # Over copies, so that the cache may change while a caller is in the middle of its loop.
        for data, row in zip(list(self.rows), list(self.rows.values()), strict=True):
            yield self.row(data) if row is None else row

    def holds(self, row: object) -> bool:
        """Say whether a row equal to this object is here.

        Raises:
            EncodeError: the object is no row of this table.
        """
        return self.table.codec.encode(row) in self.rows

    def index(self, columns: tuple[int, ...]) -> CacheIndex[Row]:
        """Return the index over some columns; it is built when it is first read."""
        index = self._indexes.get(columns)
        if index is None:
            index = self._indexes[columns] = CacheIndex(self, columns, self._typespace)
        return index

    def column(self, rows: Collection[bytes], column: int) -> list[Any]:
        """Return one column of encoded rows.

        Raises:
            DecodeError: the column of a row does not decode.
        """
        try:
            if len(rows) >= _BULK:
                table = f"table {self.name!r}"
                return self.table.codec.keys(RowList.from_rows(list(rows)), column, what=table)
            decode = self.table.codec.column_decoder(column)
            return [decode(data, 0) for data in rows]
        except LimitExceeded:
            raise
        except RAW_DECODE_ERRORS as error:
            where = f"column {self.table.definition.columns[column].name!r} of table {self.name!r}"
            raise DecodeError("damaged row", what=where) from error

    def _damaged(self, data: bytes) -> NoReturn:
        """Raise the DecodeError that says what is wrong with the bytes of a row."""
        try:
            self.table.codec.decode_exact(data, what=f"row of table {self.name!r}")
        except ProtocolError as error:
            if self.on_damage is not None:
                self.on_damage(error)
            raise
        raise AssertionError("the two decoders disagree")

    # --- counting -----------------------------------------------------------------------------

    def count(self, data: bytes) -> int:
        """Return how often the query sets together hold a row."""
        return 1 + self.surplus.get(data, 0) if data in self.rows else 0

    def bag(self, query_set: int) -> dict[bytes, int]:
        """Return how often a query set holds each row; a copy."""
        if self.bags is not None:
            return dict(self.bags.get(query_set, _EMPTY))
        if query_set != self.holder:
            return {}
        bag = dict.fromkeys(self.rows, 1)
        for data, number in self.surplus.items():
            bag[data] = number + 1
        return bag

    def has_set(self, query_set: int) -> bool:
        """Say whether a query set holds, or has held and may hold again, rows of this table."""
        return query_set == self.holder or (self.bags is not None and query_set in self.bags)

    def count_in(self, query_set: int) -> Callable[[bytes], int]:
        """Return the function from a row to how often a query set holds it."""
        if self.bags is not None:
            bag = self.bags.get(query_set, _EMPTY)
            return lambda data: bag.get(data, 0)
        return self.count if query_set == self.holder else lambda _: 0

    # --- changing -----------------------------------------------------------------------------

    def commit(self, plan: TablePlan, want: bool) -> TableDiff | None:
        """Do what was planned; return the difference, None if listeners could see none."""
        if plan.bags is not None:
            self._commit_bags(plan.bags, plan.ended)
        elif plan.holder is not None:
            self.holder = plan.holder
        if plan.ended:
            self._end(plan.ended)
        gone: dict[bytes, Row | None] | None = None
        if plan.clears or plan.fresh is not None:
            gone = self._swap(plan)
        else:
            if self.live:
                self._commit_indexes(plan)
            rows = self.rows
            if plan.removed:
                gone = {data: rows.pop(data) for data in plan.removed}
            if plan.surplus is not None:
                self._commit_surplus(plan.surplus)
            if plan.added:
                added = plan.added
                rows.update(added if type(added) is dict else dict.fromkeys(added))
        return TableDiff.of(plan, gone, want) if plan.is_visible else None

    def commit_row(self, step: OneRow, want: bool) -> TableDiff:
        """Take one row out, put one in, or both."""
        old, new = step.old, step.new
        rows = self.rows
        gone = {}
        if old is not None:
            gone[old] = rows.pop(old)
        if new is not None:
            rows[new] = None
        if self.live:
            self._discard_unstaged(step.staged)
            for index, old_key, new_key in step.staged:
                index.replace(old_key, old, new_key, new)
        if step.is_update:
            if want:
                return TableDiff(self, (), (), ((old, new),), gone, 0, 0, 1)
            return TableDiff(self, (), (), (), None, 0, 0, 1)
        inserted = () if new is None else (new,)
        deleted = () if old is None else (old,)
        if want:
            return TableDiff(self, inserted, deleted, (), gone, len(inserted), len(deleted), 0)
        return TableDiff(self, (), (), (), None, len(inserted), len(deleted), 0)

    def _swap(self, plan: TablePlan) -> dict[bytes, Row | None]:
        """Replace all rows at once; return the old ones."""
        gone = self.rows
        self.rows = {} if plan.fresh is None else plan.fresh
        self.surplus = {data: n for data, n in (plan.surplus or {}).items() if n}
        for index in tuple(self.live):
            index.discard()
        if plan.clears:
            self.holder = self.bags = None
        return gone

    def _commit_surplus(self, surplus: dict[bytes, int]) -> None:
        for data, number in surplus.items():
            if number:
                self.surplus[data] = number
            else:
                self.surplus.pop(data, None)

    def _commit_bags(self, edits: dict[int, dict[bytes, int]], ended: Collection[int]) -> None:
        """Write the new counts per set; make the bags if a single set held the table until now."""
        bags = self.bags
        if bags is None:
            bags = {}
            if self.holder is not None and self.holder not in ended:
                bags[self.holder] = self.bag(self.holder)
            self.holder = None
            self.bags = bags
        for query_set, counts in edits.items():
            if query_set in ended:
                continue
            bag = bags.get(query_set)
            if bag is None:
                bag = bags[query_set] = counts
            else:
                bag.update(counts)
            if 0 in counts.values():
                for data in [data for data, number in counts.items() if not number]:
                    del bag[data]

    def _end(self, query_sets: Collection[int]) -> None:
        """Forget sets that have ended; if a single one is left, it needs no bag any more."""
        if self.bags is None:
            if self.holder in query_sets:
                self.holder = None
            return
        for query_set in query_sets:
            self.bags.pop(query_set, None)
        holders = [holder for holder, bag in self.bags.items() if bag]
        if len(holders) <= 1:
            self.bags = None
            self.holder = holders[0] if holders else None

    def _commit_indexes(self, plan: TablePlan) -> None:
        self._discard_unstaged(plan.staged)
        for index, removed_keys, added_keys in plan.staged:
            index.remove(removed_keys, plan.removed)
            index.add(added_keys, plan.added)

    def _discard_unstaged(self, staged: Sequence[tuple[CacheIndex[Row], Any, Any]]) -> None:
        """Discard the indexes that the plan has no keys for; the next reader builds them again.

        They are those that a callback built between plan and commit (`on_before_delete`), and those
        that this change mostly rewrites, where building again costs no more than updating.
        """
        if len(staged) != len(self.live):
            kept = {id(index) for index, _, _ in staged}
            for index in tuple(self.live):
                if id(index) not in kept:
                    index.discard()
