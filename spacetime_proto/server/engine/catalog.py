"""Table names, looked up with the rights of one caller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...types import Identity
from ..sql.analyze import Source

if TYPE_CHECKING:
    from ...sats.algebraic import Typespace
    from ..module.blueprint import ViewPlan
    from .store import TableStore


class Names:
    """The tables and views of a module by every name that SQL may call them."""

    def __init__(self, stores: Iterable[TableStore], views: Iterable[ViewPlan]) -> None:
        self.stores = {store.name: store for store in stores}
        self.views = {view.table.definition.name: view for view in views}
        self._accessors: dict[str, Source] = {}
        sources: list[Source] = [*self.stores.values()]
        sources += [view.table for view in self.views.values()]
        for source in sources:
            self._accessors.setdefault(source.definition.accessor, source)

    def find(self, name: str) -> Source | None:
        """Return the table or view with this canonical name, or else with this accessor."""
        store = self.stores.get(name)
        if store is not None:
            return store
        view = self.views.get(name)
        return view.table if view is not None else self._accessors.get(name)


class CallerCatalog:
    """The part of `Names` that one caller may read; the owner may read everything."""

    def __init__(
        self, names: Names, typespace: Typespace, caller: Identity, *, is_owner: bool
    ) -> None:
        self.typespace = typespace
        self.caller = caller
        self.is_owner = is_owner
        self._names = names

    def source(self, name: str) -> Source | None:
        """Return the table or view of this name, None if there is none or it is private."""
        found = self._names.find(name)
        if found is None or found.definition.is_public or self.is_owner:
            return found
        return None

    def is_indexed(self, source: Source, column: int) -> bool:
        """Say whether the column can be joined on; a view's columns all can."""
        definition = source.definition
        return definition.is_view or any(index.columns[0] == column for index in definition.indexes)

    def everything(self) -> list[str]:
        """Return the names for ``SELECT * FROM *``, views last.

        Event tables, system tables and views with parameters are left out.
        """
        tables = [
            store.name
            for store in self._names.stores.values()
            if not (store.definition.is_event or store.definition.is_system)
            and (store.definition.is_public or self.is_owner)
        ]
        views = self._names.views.items()
        return tables + [name for name, view in views if not view.table.definition.params.elements]
