"""From SQL text to something that can be evaluated: tables found, rights applied, views filled in."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from ...errors import QueryError
from ...sats.rows import RowList
from ...types import Identity
from ..module.blueprint import TableBlueprint, ViewPlan
from ..module.reducer_context import Env, ViewContext
from ..module.table_access import DbView, ReadAccess
from ..module.view_query import ViewQuery as ViewQuery
from ..sql.analyze import ResolvedQuery, Source, resolve, uses_sender
from ..sql.ast import Select
from ..sql.parse import parse
from ..sql.plan import check_subscription, select_statement, snapshot
from .catalog import CallerCatalog, Names
from .derived import Derived, DerivedError
from .environment import Environment
from .live import LiveQueries, LiveQuery
from .outcomes import Caller, sayable
from .store import TableStore

if TYPE_CHECKING:
    from ...sats.algebraic import Typespace

#: How a query reads a view: keep it materialised, read it as it is (empty if it is not
#: materialised), or compute it for this one reading.
Want: TypeAlias = Literal["live", "as_is", "fresh"]


class Queries:
    """Compiles queries over the tables and views of one database."""

    def __init__(
        self,
        *,
        stores: Sequence[TableStore],
        views: Sequence[ViewPlan],
        filters: Sequence[str],
        make_store: Callable[[TableBlueprint], TableStore],
        live: LiveQueries,
        typespace: Typespace,
        identity: Identity,
        on_panic: Callable[[str], None],
        environment: Environment,
    ) -> None:
        """Make the compiler.

        Args:
            stores: the tables.
            views: the views.
            filters: the row-level security queries.
            make_store: makes an empty table for a derived one.
            live: the live queries and what they keep materialised.
            typespace: of the module.
            identity: the database's, which is the sender of anonymous views.
            on_panic: takes the traceback of a view that raises.
            environment: what views read as ``ctx.env``; the owner can query its table.

        Raises:
            QueryError: a filter is not a valid query.
        """
        self._names = Names([*stores, environment.store], views)
        self._make_store = make_store
        self._live = live
        self._typespace = typespace
        self._identity = identity
        self._on_panic = on_panic
        self._reads: set[str] = set()
        self._db = DbView(
            (store.definition.accessor, ReadAccess(store, self._touch)) for store in stores
        )

        def read_variable(key: str) -> str | None:
            self._touch(environment.store.name)
            return environment.get(key)

        self._env = Env(read_variable)
        self._filters: dict[str, list[Select]] = {}
        for sql in filters:
            select = select_statement(parse(sql))
            query = resolve(select, self._everything(identity), identity)
            target = query.sources[query.output.relation]
            self._filters.setdefault(target, []).append(select)

    # --- rights -------------------------------------------------------------------------------

    def catalog(self, caller: Caller) -> CallerCatalog:
        """Return the tables that a caller may read."""
        return CallerCatalog(
            self._names, self._typespace, caller.identity, is_owner=caller.is_owner
        )

    def expand(self, texts: Sequence[str], caller: Caller) -> list[str]:
        """Return the distinct texts of a set, with one per table for ``SELECT * FROM *``."""
        distinct: dict[str, None] = {}
        for text in texts:
            text = text.strip()
            if text.upper() == "SELECT * FROM *":
                for name in self.catalog(caller).everything():
                    distinct[f'SELECT * FROM "{name}"'] = None
            else:
                distinct[text] = None
        return list(distinct)

    # --- compiling ----------------------------------------------------------------------------

    def live_query(self, text: str, caller: Caller) -> LiveQuery:
        """Return the live query for a text and caller, a new one if it has no subscriber yet.

        Raises:
            QueryError: the text is not a subscription query that this caller may make.
        """
        for sender in (None, caller.identity):
            known = self._live.queries.get((text, sender, caller.is_owner))
            if known is not None:
                return known
        select, query = self._subscription(text, caller)
        stores, derived = self._relations(query, caller, "live")
        by_caller = uses_sender(select.where) or any(d.key[2] is not None for d in derived)
        key = (text, caller.identity if by_caller else None, caller.is_owner)
        return LiveQuery(key, query, stores, derived)

    def one_off(self, text: str, caller: Caller) -> tuple[str, RowList]:
        """Evaluate a one-off query; return the table's name and the rows.

        Raises:
            QueryError: the text is not a subscription query that this caller may make.
            DerivedError: a table that it reads cannot be computed.
        """
        _, query = self._subscription(text.strip(), caller)
        stores, _ = self._relations(query, caller, "as_is")
        rows = RowList.from_rows(snapshot(query, stores))
        return stores[query.output.relation].name, rows

    def fresh_stores(self, query: ResolvedQuery, caller: Caller) -> tuple[TableStore, ...]:
        """Return the relations of an HTTP query, with views computed for it.

        Raises:
            DerivedError: a view raises.
        """
        return self._relations(query, caller, "fresh")[0]

    def _subscription(self, text: str, caller: Caller) -> tuple[Select, ResolvedQuery]:
        catalog = self.catalog(caller)
        select = select_statement(parse(text))
        query = resolve(select, catalog, caller.identity)
        # never None: `resolve` has found them all
        sources = [cast("Source", catalog.source(relation.table)) for relation in select.relations]
        check_subscription(query, sources, catalog)
        return select, query

    # --- relations ----------------------------------------------------------------------------

    def _relations(
        self, query: ResolvedQuery, caller: Caller, want: Want
    ) -> tuple[tuple[TableStore, ...], tuple[Derived, ...]]:
        stores = []
        found: dict[tuple[Any, ...], Derived] = {}
        for name in query.sources:
            derived = self._derived(name, caller, query.arguments)
            if derived is None:
                stores.append(self._names.stores[name])
                continue
            key = derived.key
            known = self._live.materialised.get(key) or found.get(key)
            if known is not None:
                derived = known
            elif want == "fresh" or (want == "as_is" and key[0] == "filter"):
                derived.refresh()
            found[key] = derived
            stores.append(derived.store)
        return tuple(stores), tuple(found.values())

    def _derived(self, name: str, caller: Caller, arguments: tuple[Any, ...]) -> Derived | None:
        """Return a new, empty derived table for a name; None if it names a plain table."""
        view = self._names.views.get(name)
        if view is not None:
            sender = None if view.is_anonymous else caller.identity
            store = self._make_store(view.table)
            return Derived(
                ("view", name, sender, *arguments),
                store,
                lambda: self._evaluate_view(view, arguments, store, sender or self._identity),
            )
        filters = self._filters.get(name)
        if filters is None or caller.is_owner:
            return None
        sender = caller.identity if any(uses_sender(f.where) for f in filters) else None
        base = self._names.stores[name]
        return Derived(
            ("filter", name, sender),
            self._make_store(TableBlueprint(base.definition, base.row_class, base.attributes)),
            lambda: self._evaluate_filters(base, filters, caller.identity),
        )

    def _evaluate_view(
        self,
        view: ViewPlan,
        arguments: tuple[Any, ...],
        store: TableStore,
        sender: Identity,
    ) -> tuple[dict[bytes, Any], set[str]]:
        self._reads = set()
        name = view.table.definition.name
        try:
            result = view.call(ViewContext(sender, self._db, self._env), *arguments)
            if isinstance(result, ViewQuery):
                return self._evaluate_query(view, result, sender)
            made = [] if result is None else [result] if view.result == "option" else list(result)
            encoded = [store.encode(row) for row in made]
        except QueryError as error:
            raise DerivedError(f"view {name}: {error}") from error
        except Exception as error:
            self._on_panic(traceback.format_exc())
            raise DerivedError(sayable(f"view {name} failed: {error}")) from error
        return {data: store.decode(data) for data in encoded}, self._reads

    def _evaluate_query(
        self, view: ViewPlan, result: ViewQuery[Any], sender: Identity
    ) -> tuple[dict[bytes, Any], set[str]]:
        select = select_statement(parse(result.sql))
        query = resolve(select, self._everything(sender), sender)
        stores = tuple(self._names.stores[name] for name in query.sources)
        table = stores[query.output.relation]
        if query.output.kind != "rows" or table.row_class is not view.table.row_class:
            raise QueryError(f"the query returns no {view.table.row_class.__name__} rows")
        return {data: table.rows[data] for data in snapshot(query, stores)}, set(query.sources)

    def _evaluate_filters(
        self, base: TableStore, filters: Sequence[Select], sender: Identity
    ) -> tuple[dict[bytes, Any], set[str]]:
        rows: dict[bytes, Any] = {}
        reads: set[str] = set()
        for select in filters:
            query = resolve(select, self._everything(sender), sender)
            stores = tuple(self._names.stores[name] for name in query.sources)
            reads.update(query.sources)
            for data in snapshot(query, stores):
                rows[data] = base.rows[data]
        return rows, reads

    def _everything(self, sender: Identity) -> CallerCatalog:
        """Return the catalog of the module's own queries: without views and system tables, without limits."""
        stores = [store for store in self._names.stores.values() if not store.definition.is_system]
        return CallerCatalog(Names(stores, ()), self._typespace, sender, is_owner=True)

    def _touch(self, name: str) -> None:
        self._reads.add(name)
