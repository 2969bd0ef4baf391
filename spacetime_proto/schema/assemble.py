"""Turns a raw module description into a `ModuleDef`, following its references.

The rules are those of docs/protocol.md section 8.3: which names, which rows a view has, which functions
are private, and how submodules are laid into one module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..errors import SchemaError
from ..sats.algebraic import (
    AlgebraicType,
    ArrayType,
    ProductType,
    RefType,
    SumType,
    Typespace,
    map_parts,
    option_payload,
    parts,
)
from .case import pascal_case, snake_case
from .model import (
    ColumnDef,
    HttpRouteDef,
    IndexDef,
    ModuleDef,
    OutboxDef,
    ProcedureDef,
    ReducerDef,
    ScheduleDef,
    TableDef,
    TypeDef,
)
from .raw import RawModule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .raw import RawFunction, RawTable, RawType, RawView


def resolve(raw: RawModule) -> ModuleDef:
    """Return the module of a raw description.

    Raises:
        SchemaError: the description contradicts itself: a reference or column that does not exist,
            a table without a row type, two things of one name.
    """
    resolver = _Resolver()
    resolver.add(raw, (), "")
    names = raw.function_names
    return msgspec.structs.replace(
        resolver.finish(),
        environment=tuple(sorted(raw.environment, key=lambda variable: variable.name)),
        http_routes=tuple(
            HttpRouteDef(route.method, route.path, names.get(route.handler, route.handler))
            for route in raw.http_routes
        ),
    )


class _Resolver:
    """Collects the parts of a module and its submodules."""

    def __init__(self) -> None:
        self.space: list[AlgebraicType] = []
        self.types: list[tuple[str, int]] = []
        self.tables: list[TableDef] = []
        self.reducers: list[ReducerDef] = []
        self.procedures: list[ProcedureDef] = []
        self.security: list[str] = []
        self.outboxes: list[OutboxDef] = []

    def add(self, raw: RawModule, namespace: tuple[str, ...], prefix: str) -> None:
        """Add a module, or a submodule.

        Args:
            raw: the module.
            namespace: the source names of the submodule and of those around it.
            prefix: what its canonical names begin with: ``"my_auth."``.
        """
        base = len(self.space)
        self.space += [_shift(ty, base) for ty in raw.typespace.types]
        self.types += [
            (_type_name((*namespace, *named.segments)), base + _check_ref(named, raw))
            for named in raw.types
        ]
        part = _Part(raw, base, namespace, prefix, self.space)
        tables = [part.table(table) for table in raw.tables]
        self.tables += tables
        self.tables += [part.view(view, tables) for view in raw.views]
        self.reducers += [part.reducer(function) for function in raw.reducers]
        self.procedures += [part.procedure(function) for function in raw.procedures]
        self.security += raw.row_level_security
        self.outboxes += [part.outbox(outbox) for outbox in raw.outboxes]
        for name, inner in raw.submodules:
            canonical = raw.namespace_names.get(name, name)
            self.add(inner, (*namespace, name), f"{prefix}{canonical}.")

    def finish(self) -> ModuleDef:
        """Return the whole, sorted and checked."""
        typespace = Typespace(tuple(self.space))
        for index, ty in enumerate(self.space):
            _check_references(ty, len(self.space), f"type {index}")
            try:
                typespace.resolve(ty)
            except ValueError as error:
                raise SchemaError(f"schema: type {index} refers only to itself") from error
        for table in self.tables:
            _check_references(table.params, len(self.space), f"view {table.name}")
        for reducer in self.reducers:
            _check_references(reducer.params, len(self.space), f"reducer {reducer.name}")
        for procedure in self.procedures:
            what = f"procedure {procedure.name}"
            _check_references(procedure.params, len(self.space), what)
            _check_references(procedure.return_type, len(self.space), what)
        for kind, found in (
            ("tables or views", self.tables),
            ("reducers", self.reducers),
            ("procedures", self.procedures),
        ):
            _check_distinct(kind, [item.name for item in found])
        return ModuleDef(
            typespace,
            tuple(_distinct_types(self.types)),
            tuple(sorted(self.tables, key=lambda table: table.name)),
            tuple(self.reducers),
            tuple(sorted(self.procedures, key=lambda procedure: procedure.name)),
            tuple(self.security),
            outboxes=tuple(sorted(self.outboxes, key=lambda outbox: outbox.table)),
        )


class _Part:
    """Resolves the parts of one module, given its own names and where its types are in `space`."""

    def __init__(
        self,
        raw: RawModule,
        base: int,
        namespace: tuple[str, ...],
        prefix: str,
        space: list[AlgebraicType],
    ) -> None:
        self.raw = raw
        self.base = base
        self.namespace = namespace
        self.prefix = prefix
        self.space = space
        self.table_names = {table.name: table.name for table in raw.tables} | raw.table_names
        self.schedules = {schedule.table: schedule for schedule in raw.schedules}
        self.called = {schedule.function for schedule in raw.schedules}
        """The functions that only the server calls: scheduled ones, and those of outboxes."""
        self.called.update(one.on_result_reducer for one in raw.outboxes if one.on_result_reducer)

    def accessor(self, name: str) -> str:
        """Return the path of a thing with this source name: in a submodule all in snake_case."""
        if not self.namespace:
            return name
        return ".".join(snake_case(segment) or segment for segment in (*self.namespace, name))

    def outbox(self, outbox: OutboxDef) -> OutboxDef:
        """Resolve an outbox: canonical names."""
        table = self.table_names.get(outbox.table, outbox.table)
        callback = outbox.on_result_reducer
        if callback is not None:
            callback = self.prefix + self.raw.function_names.get(callback, callback)
        return msgspec.structs.replace(
            outbox, table=self.prefix + table, on_result_reducer=callback
        )

    def table(self, table: RawTable) -> TableDef:
        """Resolve a table."""
        name = self.table_names[table.name]
        columns = self.columns(table.row_ref, table.path)
        width = len(columns)
        lists = [
            table.primary_key,
            *table.unique_constraints,
            *(index.columns for index in table.indexes),
            tuple(sequence.column for sequence in table.sequences),
        ]
        for positions in lists:
            if any(not 0 <= at < width for at in positions):
                raise SchemaError(
                    f"schema: {table.path} has {width} columns, but names column {max(positions)}"
                )
        if len(table.primary_key) > 1:
            raise SchemaError(f"schema: {table.path} has a primary key of several columns")
        primary = table.primary_key[0] if table.primary_key else None
        alone = {positions[0] for positions in table.unique_constraints if len(positions) == 1}
        if primary is not None:
            alone.add(primary)
        return TableDef(
            self.prefix + name,
            self.accessor(table.name),
            self.base + table.row_ref,
            columns,
            primary,
            tuple(sorted(alone)),
            table.unique_constraints,
            tuple(
                IndexDef(
                    self.raw.index_names.get(index.name or "", index.name),
                    index.accessor,
                    index.algorithm,
                    index.columns,
                )
                for index in table.indexes
            ),
            table.sequences,
            self.schedule(table, name, width),
            table.is_public,
            table.is_system,
            table.is_event,
            is_view=False,
            default_values=tuple(self.raw.default_values.get(table.name, ())),
        )

    def schedule(self, table: RawTable, name: str, width: int) -> ScheduleDef | None:
        """Return the schedule of a table; a description may use either of the table's names."""
        found = self.schedules.get(name) or self.schedules.get(table.name)
        if found is None:
            return None
        if not 0 <= found.at_column < width:
            raise SchemaError(
                f"schema: {table.path} has no column {found.at_column} to schedule at"
            )
        function = self.raw.function_names.get(found.function, found.function)
        return ScheduleDef(found.name, self.prefix + name, found.at_column, self.prefix + function)

    def view(self, view: RawView, tables: Iterable[TableDef]) -> TableDef:
        """Resolve a view: its row type and key (docs/protocol.md section 8.3, number 5)."""
        returned = view.return_type
        key = None
        if isinstance(returned, ArrayType):
            row = returned.element
        elif (payload := option_payload(returned)) is not None:
            row = payload
        elif isinstance(returned, ProductType) and _is_query(returned):
            row = returned.elements[0].type
        else:
            raise SchemaError(f"schema: {view.path} returns neither rows nor a query")
        if isinstance(row, RefType):
            ref = self.base + row.index
        else:
            ref = len(self.space)
            self.space.append(_shift(row, self.base))
        columns = self.columns(ref - self.base, view.path)
        if view.params.elements:
            key = None  # never one, whatever it returns: its rows come from several calls
        elif _is_query(returned):
            keys = {
                table.primary_key
                for table in tables
                if table.row_ref == ref and table.primary_key is not None
            }
            if len(keys) == 1:
                (key,) = keys
        else:
            named = self.raw.view_keys.get(view.name, ())
            positions = [column.index for column in columns if column.name in named]
            if len(positions) == 1:
                key = positions[0]
        return TableDef(
            self.prefix + self.raw.function_names.get(view.name, view.name),
            self.accessor(view.name),
            ref,
            columns,
            key,
            () if key is None else (key,),
            is_public=view.is_public,
            is_view=True,
            params=self.shifted(view.params),
            is_anonymous=view.is_anonymous,
        )

    def columns(self, ref: int, path: str) -> tuple[ColumnDef, ...]:
        """Return the columns of the product at `ref` of this module's own typespace."""
        at = self.base + ref
        if ref < 0 or at >= len(self.space):
            raise SchemaError(f"schema: {path} refers to type {ref}, which does not exist")
        row = self.space[at]
        if not isinstance(row, ProductType):
            raise SchemaError(f"schema: the rows of {path} are no product")
        return tuple(
            ColumnDef(
                f"field_{index}" if element.name is None else element.name, element.type, index
            )
            for index, element in enumerate(row.elements)
        )

    def reducer(self, function: RawFunction) -> ReducerDef:
        """Resolve a reducer; those that the server calls are always private."""
        name = self.raw.function_names.get(function.name, function.name)
        events = self.raw.lifecycles
        lifecycle = events.get(name) or events.get(function.name)
        is_event = name in events or function.name in events
        error = function.err_type
        return ReducerDef(
            self.prefix + name,
            self.accessor(function.name),
            self.shifted(function.params),
            lifecycle,
            function.is_private or is_event or self.is_called(name, function),
            _shift(function.ok_type, self.base),
            None if error is None else _shift(error, self.base),
        )

    def procedure(self, function: RawFunction) -> ProcedureDef:
        """Resolve a procedure."""
        name = self.raw.function_names.get(function.name, function.name)
        assert function.return_type is not None
        return ProcedureDef(
            self.prefix + name,
            self.accessor(function.name),
            self.shifted(function.params),
            _shift(function.return_type, self.base),
            function.is_private or self.is_called(name, function),
        )

    def is_called(self, name: str, function: RawFunction) -> bool:
        """Say whether a schedule or an outbox calls this function."""
        return name in self.called or function.name in self.called

    def shifted(self, params: ProductType) -> ProductType:
        """Return parameters with references into the common typespace."""
        shifted = _shift(params, self.base)
        assert isinstance(shifted, ProductType)
        return shifted


def _is_query(ty: AlgebraicType) -> bool:
    return (
        isinstance(ty, ProductType) and len(ty.elements) == 1 and ty.elements[0].name == "__query__"
    )


def _shift(ty: AlgebraicType, by: int) -> AlgebraicType:
    """Return a type with `by` added to its references."""
    if not by:
        return ty
    if isinstance(ty, RefType):
        return RefType(ty.index + by) if ty.index >= 0 else ty
    return map_parts(ty, lambda part: _shift(part, by))


def _check_ref(named: RawType, raw: RawModule) -> int:
    if not 0 <= named.ref < len(raw.typespace.types):
        name = "::".join(named.segments)
        raise SchemaError(f"schema: type {name} refers to type {named.ref}, which does not exist")
    return named.ref


def _check_references(ty: AlgebraicType, count: int, what: str) -> None:
    if isinstance(ty, RefType) and not 0 <= ty.index < count:
        raise SchemaError(f"schema: {what} refers to type {ty.index}, which does not exist")
    if isinstance(ty, SumType) and len(ty.variants) > 256:
        raise SchemaError(f"schema: {what} has a sum of more than 256 variants")
    for part in parts(ty):
        _check_references(part, count, what)


def _check_distinct(kind: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(f"schema: two {kind} are called {name!r}")
        seen.add(name)


def _type_name(segments: Iterable[str]) -> str:
    """Join scope and name in PascalCase."""
    return "".join(_pascal(segment) for segment in segments)


def _pascal(segment: str) -> str:
    text = segment
    # Some letters have no single capital ("ŉ" becomes two letters), so that a second conversion
    # changes the result of the first; a third changes nothing.
    for _ in range(3):
        text = pascal_case(text)
    return text or segment


def _distinct_types(types: Iterable[tuple[str, int]]) -> Iterable[TypeDef]:
    """Yield the named types in order of their names, with ``_`` appended to repeated names."""
    taken: set[str] = set()
    for name, ref in sorted(types):
        while name in taken:
            name += "_"
        taken.add(name)
        yield TypeDef(name, ref)
