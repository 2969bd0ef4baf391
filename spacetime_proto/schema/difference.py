"""`differences`: why a database no longer fits the bindings that a program was written against.

Only tables and functions that the bindings have are compared: others in the database do no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sats.algebraic import UNIT, RefType, map_parts, parts
from .case import parameter_names, snake_case
from .words import type_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from ..sats.algebraic import AlgebraicType, ProductType
    from .model import ModuleDef, ProcedureDef, ReducerDef, TableDef

    _Named: TypeAlias = TableDef | ReducerDef | ProcedureDef


def differences(ours: ModuleDef, theirs: ModuleDef) -> list[str]:
    """Return a sentence for everything that bindings know and the database lacks or has changed.

    Args:
        ours: the description that the bindings embed.
        theirs: the description that the database gives of itself.
    """
    return list(_Comparison(ours, theirs).all())


class _Comparison:
    def __init__(self, ours: ModuleDef, theirs: ModuleDef) -> None:
        self._ours = ours
        self._theirs = theirs
        self._our_names = {named.ref: named.name for named in ours.types}
        self._their_names = {named.ref: named.name for named in theirs.types}

    def all(self) -> Iterator[str]:
        """Compare tables, reducers and procedures."""
        tables = {table.name: table for table in self._theirs.tables}
        for table in self._ours.tables:
            if table.name not in tables:
                yield _gone("table", table, self._theirs.tables)
            else:
                yield from self._table(table, tables[table.name])
        reducers = {reducer.name: reducer for reducer in self._theirs.reducers}
        for reducer in self._ours.reducers:
            if reducer.name not in reducers:
                yield _gone("reducer", reducer, self._theirs.reducers)
            else:
                yield from self._function("reducer", reducer, reducers[reducer.name])
        procedures = {procedure.name: procedure for procedure in self._theirs.procedures}
        for procedure in self._ours.procedures:
            if procedure.name not in procedures:
                yield _gone("procedure", procedure, self._theirs.procedures)
                continue
            found = procedures[procedure.name]
            yield from self._function("procedure", procedure, found)
            if not self._same(procedure.return_type, found.return_type):
                yield self._changed(
                    f"what procedure {procedure.name!r} returns",
                    procedure.return_type,
                    found.return_type,
                )

    def _table(self, ours: TableDef, theirs: TableDef) -> Iterator[str]:
        what = f"table {ours.name!r}"
        yield from self._parts(
            what,
            "column",
            [(column.name, column.type) for column in ours.columns],
            [(column.name, column.type) for column in theirs.columns],
        )
        yield from self._parts(
            what, "parameter", _parameters(ours.params), _parameters(theirs.params)
        )
        if ours.primary_key != theirs.primary_key:
            yield f"{what} has another primary key: {_key(ours)}, now {_key(theirs)}"
        if ours.is_event != theirs.is_event:
            yield f"{what} {'is no longer' if ours.is_event else 'has become'} an event table"
        for at in ours.unique_columns:
            if at not in theirs.unique_columns and at < len(theirs.columns):
                yield f"{what}: column {ours.columns[at].name!r} is no longer unique"

    def _function(
        self,
        kind: str,
        ours: ReducerDef | ProcedureDef,
        theirs: ReducerDef | ProcedureDef,
    ) -> Iterator[str]:
        what = f"{kind} {ours.name!r}"
        if theirs.is_private and not ours.is_private:
            yield f"{what} can no longer be called by clients"
        yield from self._parts(
            what,
            "parameter",
            _parameters(ours.params),
            _parameters(theirs.params),
        )

    def _parts(
        self,
        what: str,
        kind: str,
        ours: Sequence[tuple[str, AlgebraicType]],
        theirs: Sequence[tuple[str, AlgebraicType]],
    ) -> Iterator[str]:
        our_types, their_types = dict(ours), dict(theirs)
        for name, ty in ours:
            if name not in their_types:
                yield f"{what} has lost {kind} {name!r}"
            elif not self._same(ty, their_types[name]):
                yield self._changed(f"{what}: {kind} {name!r}", ty, their_types[name])
        for name, ty in theirs:
            if name not in our_types:
                words = type_words(ty, self._their_names)
                yield f"{what} has a new {kind} {name!r} of type {words}"
        common = [name for name, _ in ours if name in their_types]
        if common != [name for name, _ in theirs if name in our_types]:
            yield f"{what} has its {kind}s in another order"

    def _changed(self, what: str, ours: AlgebraicType, theirs: AlgebraicType) -> str:
        before = type_words(ours, self._our_names)
        after = type_words(theirs, self._their_names)
        if before == after:
            return f"{what} is still of type {before}, but that type has changed"
        return f"{what} was {before}, is now {after}"

    def _same(self, ours: AlgebraicType, theirs: AlgebraicType) -> bool:
        """Compare two types by structure, each in its own typespace."""
        waiting = [(ours, theirs)]
        seen: set[tuple[AlgebraicType, AlgebraicType]] = set()
        while waiting:
            pair = waiting.pop()
            if pair in seen:  # in a recursive type; this pair is compared already
                continue
            seen.add(pair)
            left, right = pair
            if isinstance(left, RefType) or isinstance(right, RefType):
                waiting.append(
                    (self._ours.typespace.resolve(left), self._theirs.typespace.resolve(right))
                )
                continue
            # Compare kind, names, and number of parts here; the parts follow one by one.
            if map_parts(left, _hollow) != map_parts(right, _hollow):
                return False
            waiting.extend(zip(parts(left), parts(right), strict=True))
        return True


def _gone(kind: str, ours: _Named, theirs: Iterable[_Named]) -> str:
    # A server converts the namespaces of submodules since 2.11, so an upgrade renames what is in them.
    path = _source_path(ours)
    for other in theirs:
        if "." in other.name and _source_path(other) == path:
            return f"{kind} {ours.name!r} is now called {other.name!r}"
    return f"{kind} {ours.name!r} is gone"


def _source_path(item: _Named) -> list[str]:
    return [snake_case(segment) for segment in item.accessor.split(".")]


def _parameters(params: ProductType) -> list[tuple[str, AlgebraicType]]:
    types = (element.type for element in params.elements)
    return list(zip(parameter_names(params), types, strict=True))


def _hollow(_: AlgebraicType) -> AlgebraicType:
    return UNIT


def _key(table: TableDef) -> str:
    return "none" if table.primary_key is None else repr(table.columns[table.primary_key].name)
