"""The tables of one client, by the names that code uses for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LocalProtocolError
from ..unknown_names import unknown_attribute
from .table_handles import EventTableHandle, KeyedTableHandle, TableHandle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..cache.cache import Cache
    from ..schema.bound import BoundModule
    from .table_handles import HandleOwner


_ADVICE = {
    "reducers": "write client.call(reducers.NAME(...)) with the reducers of the bindings",
    "procedures": "write client.call(procedures.NAME(...)) with the procedures of the bindings",
    "query": "write client.query(...)",
    "subscribe": "write client.subscribe(...)",
    "tables": "each table is an attribute of its own; iterate over db for all of them",
}


class DbNamespace:
    """The tables of a submodule as attributes: ``client.db.my_auth.sessions``."""

    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> Any:
            raise unknown_attribute(
                name, lambda: "this submodule", lambda: vars(self), kind="table", advice=_ADVICE
            )

    def __repr__(self) -> str:
        return f"<DbNamespace {', '.join(vars(self))}>"


class Db:
    """Every table and view of a module as an attribute: ``client.db.user``.

    Generated bindings subclass this with one annotated attribute per table and say in
    `__handle_classes__` which handle class a table gets. Without bindings, attributes are found by
    accessor name (or canonical name) at run time.
    """

    __handle_classes__: ClassVar[Mapping[str, type[TableHandle[Any]]]] = {}
    """Handle class by canonical table name."""
    __attribute_names__: ClassVar[Mapping[str, str]] = {}
    """Attribute by canonical table name, where it is not the accessor itself; dots in submodules."""

    def __init__(self, module: BoundModule, owner: HandleOwner | None = None) -> None:
        self._tables: dict[str, TableHandle[Any]] = {}
        for name, table in module.tables.items():
            handle_class = self.__handle_classes__.get(name)
            if handle_class is None:
                if table.definition.is_event:
                    handle_class = EventTableHandle
                elif table.definition.primary_key is not None:
                    handle_class = KeyedTableHandle
                else:
                    handle_class = TableHandle
            handle = handle_class(table, owner)
            self._tables[name] = handle
            attribute = self.__attribute_names__.get(name, table.definition.accessor)
            holder: Any = self
            *path, last = attribute.split(".")
            for segment in path:
                if not isinstance(vars(holder).get(segment), DbNamespace):
                    setattr(holder, segment, DbNamespace())
                holder = vars(holder)[segment]
            setattr(holder, last, handle)

    def attach(self, cache: Cache) -> None:
        """Let every handle read from `cache` from now on (called by the session)."""
        for name, handle in self._tables.items():
            handle.attach(cache.tables[name])

    def __getitem__(self, name: str) -> TableHandle[Any]:
        """Return the handle of the table with that canonical name."""
        return self._tables[name]

    def __iter__(self) -> Iterator[TableHandle[Any]]:
        return iter(self._tables.values())

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> Any:
            # Python calls this only for attributes that do not exist. Bindings of version 1.0 had
            # tables of submodules side by side with the others: ``client.db.my_auth_sessions``.
            for table, attribute in type(self).__attribute_names__.items():
                if "." in attribute and attribute.replace(".", "_") == name:
                    return self._tables[table]
            raise unknown_attribute(
                name, lambda: "this database", lambda: vars(self), kind="table", advice=_ADVICE
            )

    def __repr__(self) -> str:
        return f"<Db {', '.join(self._tables)}>"


def make_db(module: Any, owner: HandleOwner) -> Any:
    """Make the tables of a client of `module`.

    Raises:
        LocalProtocolError: it is not a module; most likely the bindings package was given, which
            the 0.7 API takes.
    """
    if hasattr(module, "create_db"):
        return module.create_db(owner)
    if hasattr(module, "MODULE"):
        raise LocalProtocolError("this takes the MODULE of the bindings, not the package")
    raise LocalProtocolError(
        f"the module must be the MODULE of bindings, not {type(module).__name__}"
    )
