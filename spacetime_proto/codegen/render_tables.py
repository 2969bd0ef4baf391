"""Writes the file of a table: its row class, its columns for queries, its handle, its 0.7 class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..query.literals import kind_of
from .escape import docstring, literal, plain
from .render_types import add_product, add_row_methods
from .source import BINDINGS, Group, SourceFile, Symbol
from .type_hints import NONE, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..sats.algebraic import Typespace
    from .outline import TableModel
    from .source import Annotation, Node

_HANDLES = {"event": "EventTable", "keyed": "KeyedTable", "plain": "Table"}
_WORDS = {"event": "Event table", "keyed": "Table", "plain": "Table"}


def columns_class(table: TableModel) -> str:
    """Return the name of the class of a table's columns."""
    return f"{table.prefix}Columns"


def handle_class(table: TableModel) -> str:
    """Return the name of a table's handle class."""
    return f"{table.prefix}Table"


def render_table(
    table: TableModel, typespace: Typespace, names: Mapping[int, str], header: str
) -> str:
    """Return the file of a table."""
    legacy = _LegacyNames(table)
    own = table.row.name if table.has_own_row else table.prefix
    taken = [
        own,
        columns_class(table),
        handle_class(table),
        *legacy.all(),
        "callback",
        "cls",
        "value",
    ]
    taken.extend(field.attribute for field in table.row.fields)
    taken.extend(accessor.name for accessor in table.accessors)
    what = "View" if table.definition.is_view else _WORDS[table.kind]
    doc = docstring(f"{what} ``{plain(table.definition.name)}``.")
    file = SourceFile(doc, taken, f".{table.stem}")
    if table.has_own_row:
        summary = f"A row of {what.lower()} ``{plain(table.definition.name)}``."
        add_product(file, table.row, names, summary, table)
        file.add("")
        _add_legacy(file, table, table.row.name, legacy)
    _add_columns(file, table, typespace)
    _add_handle(file, table)
    if not table.has_own_row:
        file.add("", "", f"class {table.prefix}:")
        text = f"The table for programs written for the 0.7 SDK; its rows are `{table.row.name}`."
        file.add(*docstring(text, indent="    "))
        file.add("")
        _add_legacy(file, table, _row(file, table), legacy)
    return file.render(header)


def _row(file: SourceFile, table: TableModel) -> str:
    return file.use(f".{table.row.stem}", table.row.name)


# --- the modern surface -------------------------------------------------------------------------


def _add_columns(file: SourceFile, table: TableModel, typespace: Typespace) -> None:
    base = file.use(BINDINGS, "Columns")
    if table.has_own_row:
        file.add("", "")
    file.add(f"class {columns_class(table)}({base}):")
    text = f"The columns of ``{plain(table.definition.name)}``, as `where` hands them over."
    file.add(*docstring(text, indent="    "))
    if table.row.fields:
        file.add("")
    for column in table.row.fields:
        kind = kind_of(typespace.resolve(column.type))
        annotation: Annotation
        if kind == "Bool":
            annotation = (Symbol(BINDINGS, "BoolColumn"),)
        else:
            name = "LocalColumn" if kind is None else "Column"
            annotation = (Symbol(BINDINGS, name), "[", *column.annotation, "]")
        file.add(f"    {column.attribute}: {file.annotation(annotation)}")


def _add_handle(file: SourceFile, table: TableModel) -> None:
    base = file.use(BINDINGS, _HANDLES[table.kind])
    columns = columns_class(table)
    file.add("", "")
    bases = Group(f"{base}[", (_row(file, table), columns, file.use("._db", "Db")), "]")
    items = (bases, f"columns={columns}")
    file.layout("class ", Group(f"{handle_class(table)}(", items, ")"), ":")
    text = f"``client.db.{plain(table.attribute)}``: the rows in the cache, and callbacks on them."
    file.add(*docstring(text, indent="    "))
    if table.accessors:
        file.add("")
    for accessor in table.accessors:
        file.add(
            f"    {accessor.name}: {file.annotation(_accessor(table, accessor.columns, accessor.kind, file))}"
        )


def _accessor(table: TableModel, columns: Iterable[int], kind: str, file: SourceFile) -> Annotation:
    name = "UniqueColumn" if kind == "unique" else "IndexView"
    keys = [table.row.fields[at].annotation for at in columns]
    key: list[str | Symbol] = list(keys[0]) if len(keys) == 1 else []
    if len(keys) > 1:
        key.extend((Symbol("builtins", "tuple"), "["))
        for number, part in enumerate(keys):
            key.extend((", ", *part) if number else part)
        key.append("]")
    return (Symbol(BINDINGS, name), f"[{_row(file, table)}, ", *key, "]")


# --- the surface of the 0.7 SDK -----------------------------------------------------------------


class _LegacyNames:
    """The names of the 0.7 class attributes; one that a column has too gets ``_`` appended."""

    def __init__(self, table: TableModel) -> None:
        own = table.row.fields if table.has_own_row else ()
        self._taken = {field.attribute for field in own}
        self.is_table_class = self._claim("is_table_class")
        self.primary_key = self._claim("primary_key")
        self.iter = self._claim("iter")
        self.filters = {
            at: self._claim(f"filter_by_{table.row.fields[at].attribute}")
            for at in table.legacy_filters()
        }
        self.register = self._claim("register_row_update")
        self.unregister = self._claim("unregister_row_update")
        self.data = self._claim("data")
        self.encode = self._claim("encode")

    def _claim(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def all(self) -> list[str]:
        """Return all of them."""
        return [
            self.is_table_class,
            self.primary_key,
            self.iter,
            *self.filters.values(),
            self.register,
            self.unregister,
            self.data,
            self.encode,
        ]


def _add_legacy(file: SourceFile, table: TableModel, row: str, names: _LegacyNames) -> None:
    definition = table.definition
    key = definition.primary_key
    legacy = file.use("._legacy", "LEGACY")
    class_method = file.use("builtins", "classmethod")
    iterator = file.use("collections.abc", "Iterator")
    file.add("    # As in the 0.7 SDK; these read the cache of the current legacy client.")
    file.add(f"    {names.is_table_class} = True")
    if key is not None:
        attribute = literal(table.row.fields[key].attribute)
        file.add(f"    {names.primary_key} = {attribute}")

    def method(name: str, parameters: list[Node], returns: str, doc: str, call: list[str]) -> None:
        file.add("", f"    @{class_method}")
        file.signature(name, ["cls", *parameters], returns, "    ")
        file.add(*docstring(doc, indent="        "))
        function, *more = call
        items = (row, literal(definition.name), *more)
        before = "" if returns == "None" else "return "
        file.layout(before, Group(f"{legacy}.{function}(", items, ")"), indent="        ")

    method(names.iter, [], f"{iterator}[{row}]", "Iterate over the rows.", ["iter"])
    own: Annotation = (row,)
    for at, name in names.filters.items():
        column = table.row.fields[at]
        if at in definition.unique_columns:
            returns, function = union(own, NONE), "find"
            doc = "Return the row with this value, or None."
        else:
            returns, function = (Symbol("builtins", "list"), "[", *own, "]"), "filter"
            doc = "Return the rows with this value."
        parameter = f"value: {file.annotation(column.annotation)}"
        call = [function, literal(column.attribute), "value"]
        method(name, [parameter], file.annotation(returns), doc, call)
    callback = Group(f"callback: {file.use(BINDINGS, 'RowCallback')}[", (row,), "]")
    doc = "Call `callback(row_op, old_row, new_row, reducer_event)` for every change."
    method(names.register, [callback], "None", doc, ["register", "callback"])
    doc = "Take back `register_row_update`; raises ValueError if there was none."
    method(names.unregister, [callback], "None", doc, ["unregister", "callback"])
    if table.has_own_row:
        add_row_methods(file, names.data, names.encode)
