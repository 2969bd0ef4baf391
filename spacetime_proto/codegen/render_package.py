"""Writes what holds a package together: `__init__`, `_db`, `_module`, `_schema`, `_legacy`, `tables`."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

from ..schema.case import pascal_case, python_names
from .escape import WIDTH, docstring, literal, plain
from .render_tables import columns_class, handle_class
from .source import BINDINGS, Group, SourceFile, all_names, levels, segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .outline import PackageModel, TableModel

_CHUNK: Final = WIDTH - 8
# Lines of the embedded schema end where an entry of a list does, so that a small change of the
# schema is a small diff.
_ENTRY: Final = re.compile(r"(?<=[}\]]),(?=\{)")


def render_schema(schema: str, header: str) -> str:
    """Return ``_schema.py``: the module description as one string literal.

    Args:
        schema: JSON text of version 10, ASCII only.
        header: first line of the file.
    """
    file = SourceFile(
        docstring("The schema that this package was made from (JSON, version 10)."), ()
    )
    lines: list[str] = []
    for entry in _ENTRY.sub(",\n", schema).split("\n"):
        # Small entries share a line.
        if lines and len(lines[-1]) + len(entry) <= _CHUNK:
            lines[-1] += entry
        else:
            lines.extend(entry[at : at + _CHUNK] for at in range(0, len(entry), _CHUNK))
    file.add("SCHEMA = (", *(f"    {literal(line)}" for line in lines), ")")
    return file.render(header)


def render_legacy(header: str) -> str:
    """Return ``_legacy.py``: the callbacks registered through the surface of the 0.7 SDK."""
    file = SourceFile(docstring("What programs for the 0.7 SDK have registered."), ["LEGACY"])
    file.add(f"LEGACY = {file.use(BINDINGS, 'LegacyRegistry')}()")
    return file.render(header)


def render_db(model: PackageModel, header: str) -> str:
    """Return ``_db.py``: `Db` and `Context`.

    A file of its own, because it and the files of tables import each other: it imports them for
    type checkers only.
    """
    items = [(table.attribute, table) for table in model.tables]
    namespaces = _namespaces(table.attribute for table in model.tables)
    doc = docstring("The tables of this database, as a client and its callbacks see them.")
    taken = segments(table.attribute for table in model.tables)
    file = SourceFile(doc, ["Context", "Db", *namespaces.values(), *taken])
    # Submodules inside others first, for the outer ones name their classes.
    for path, name in sorted(namespaces.items(), key=lambda pair: -pair[0].count(".")):
        file.add(f"class {name}({file.use(BINDINGS, 'DbNamespace')}):")
        shown = plain(path)
        about = f"The tables of submodule ``{shown}``: ``client.db.{shown}``."
        file.add(*docstring(about, indent="    "), "")
        inside = [
            (at.removeprefix(f"{path}."), one) for at, one in items if at.startswith(f"{path}.")
        ]
        _add_tables(file, inside, namespaces, f"{path}.")
        file.add("", "")
    file.add(f"class Db({file.use(BINDINGS, 'DbBase')}):")
    file.add(*docstring("The tables of this database: ``client.db``.", indent="    "))
    if items:
        file.add("")
    _add_tables(file, items, namespaces, "")
    file.add("", "", f"Context = {file.use(BINDINGS, 'Context')}[Db]")
    file.add(*docstring("The first argument of callbacks: ``ctx.db`` is a `Db`."))
    return file.render(header)


def _namespaces(attributes: Iterable[str]) -> dict[str, str]:
    """Return the class of every submodule that has tables, by its path."""
    paths = {at.rsplit(".", level)[0] for at in attributes for level in range(1, at.count(".") + 1)}
    ordered = sorted(paths)
    words = (f"{''.join(map(pascal_case, path.split('.')))}Db" for path in ordered)
    names = python_names(words, reserved=("Db", "Context"))
    return dict(zip(ordered, names, strict=True))


def _add_tables(
    file: SourceFile,
    items: Sequence[tuple[str, TableModel]],
    namespaces: Mapping[str, str],
    path: str,
) -> None:
    own, below = levels(items)
    for name, table in own:
        handle = file.use(f".{table.stem}", handle_class(table), runtime=False)
        file.add(f"    {name}: {handle}")
    for name in below:
        file.add(f"    {name}: {namespaces[path + name]}")


def render_module(model: PackageModel, header: str) -> str:
    """Return ``_module.py``: `MODULE`."""
    doc = docstring("The module: its tables, its classes, its schema.")
    file = SourceFile(doc, ["MODULE"])
    module_class, make = file.use(BINDINGS, "Module"), file.use(BINDINGS, "module")
    db, schema = file.use("._db", "Db"), file.use("._schema", "SCHEMA")
    legacy = file.use("._legacy", "LEGACY")
    handles = {
        table.definition.name: file.use(f".{table.stem}", handle_class(table))
        for table in model.tables
    }
    classes = [
        f"{kind.ref}: {file.use(f'.{kind.stem}', kind.name)}"
        for kind in sorted(model.types, key=lambda kind: kind.ref)
    ]
    file.add(f"MODULE: {module_class}[{db}] = {make}(", f"    {schema},", f"    db={db},")
    entries = [f"{literal(name)}: {handle}" for name, handle in handles.items()]
    file.layout("", Group("tables={", tuple(entries), "}"), ",", "    ")
    file.layout("", Group("classes={", tuple(classes), "}"), ",", "    ")
    file.add(f"    legacy={legacy},", ")")
    file.add(*docstring("What `connect` takes: the whole of these bindings."))
    return file.render(header)


def render_tables(model: PackageModel, header: str) -> str:
    """Return ``tables.py``: every table as the start of a query."""
    file = SourceFile(
        docstring("The tables of this database as queries: `tables.NAME.where(...)`."),
        segments(table.attribute for table in model.tables),
    )
    _add_queries(file, [(table.attribute, table) for table in model.tables], "")
    return file.render(header)


def _add_queries(file: SourceFile, tables: Sequence[tuple[str, TableModel]], path: str) -> None:
    """Add queries, and for each submodule a class that holds its own."""
    indent = "    " * path.count(".")
    own, below = levels(tables)
    for name, table in own:
        module = file.use("._module", "MODULE")
        row = file.use(f".{table.row.stem}", table.row.name)
        columns = file.use(f".{table.stem}", columns_class(table))
        items = (row, columns, literal(table.definition.name))
        file.layout(f"{name} = ", Group(f"{module}.query(", items, ")"), indent=indent)
    for number, (name, inner) in enumerate(below.items()):
        if number or own:
            file.add(*([""] if path else ["", ""]))
        file.add(f"{indent}class {name}:")
        about = f"The tables of submodule ``{plain(path + name)}``."
        file.add(*docstring(about, indent=f"{indent}    "), "")
        _add_queries(file, inner, f"{path}{name}.")


def render_init(model: PackageModel, header: str, about: Sequence[str]) -> str:
    """Return ``__init__.py``.

    Args:
        model: the package.
        header: first line of the file.
        about: lines for its docstring.
    """
    file = SourceFile(docstring(about[0], "\n".join(about[1:])), ())
    names = [
        *(file.use(".", name) for name in ("procedures", "reducers", "tables")),
        *(file.use("._db", name) for name in ("Context", "Db")),
        file.use("._module", "MODULE"),
        *(file.use(f".{kind.stem}", kind.name) for kind in model.types),
    ]
    file.add("__all__ = [", *(f"    {literal(name)}," for name in all_names(names)), "]")
    return file.render(header)


def about_lines(model: PackageModel, source: str) -> list[str]:
    """Return the docstring of a package."""
    tables = ", ".join(f"`{plain(table.attribute)}`" for table in model.tables[:8]) or "none"
    more = f" and {len(model.tables) - 8} more" if len(model.tables) > 8 else ""
    return [
        f"Bindings for {plain(source)}.",
        "Pass `MODULE` to `connect`; make queries from `tables` and calls from `reducers` and",
        "`procedures`; read `client.db`.",
        "",
        *textwrap.wrap(f"Tables: {tables}{more}.", WIDTH),
    ]
