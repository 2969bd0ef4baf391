"""`Database`: a running module with its tables, functions and subscribers.

Everything is synchronous and single-threaded; time comes in as `now`. A transaction runs the
function, then sends each subscriber its part; the caller gets its own last, in the result of its
call.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from ...errors import ReducerError
from ...schema.bound import BoundModule
from ...schema.model import Lifecycle
from ...types import ConnectionId, Identity, ScheduleAt, Timestamp
from ...wire.environment_headers import Removals
from ..front.faults import Faults
from ..module.blueprint import TableBlueprint
from ..module.convert import Converters
from ..module.functions import ArgumentError, Function
from ..module.module import DatabaseModule
from ..module.reducer_context import Env, ReducerContext
from ..module.table_access import DbView, TableAccess
from .environment import TABLE_ID as SYSTEM_TABLE_ID
from .environment import Environment, environment_table
from .live import LiveQueries, Share, Subscriber
from .outcomes import Caller, Commit, Origin, ReducerOutcome, sayable
from .procedure_http import Answer, Fetch, Fetcher, HttpFailed
from .procedures import Procedures
from .queries import Queries
from .scheduler import Scheduler, Task
from .store import Change, Journal, TableStore
from .transactions import Transactions, net_changes

__all__ = ["Database", "LogLine"]

#: First table id of user tables (docs/protocol.md section 10.4).
FIRST_TABLE_ID = 4096
#: Reducer id that v1 reports for a name that does not exist.
NO_REDUCER = 0xFFFFFFFF
#: The text for the caller of a reducer that raised an unexpected exception.
PANIC = "The instance encountered a fatal error."

_LIFECYCLE_NAMES = {"init": "Init", "on_connect": "OnConnect", "on_disconnect": "OnDisconnect"}
_LOG_LINES = 10_000


class LogLine(msgspec.Struct, frozen=True):
    """One line of a database's log."""

    level: str
    message: str
    timestamp: Timestamp


class Database:
    """One database.

    Attributes:
        name: what clients call it.
        identity: its own identity.
        owner: the identity that may read private tables and write by SQL; None for no owner.
        definition: its schema.
        bound: the schema with codecs.
        types: the codecs.
        tables: ``ctx.db`` of reducers.
        env: ``ctx.env`` of reducers and procedures.
        environment: the environment variables.
        queries: compiles SQL for it.
        live: its live queries.
        transactions: runs its transactions.
        procedures: runs its procedures.
        source_params: the names of parameters in the source, by the source name of the function.
        faults: what it does wrong on purpose.
        version: counts committed transactions.
        fetcher: sends the HTTP requests of procedures; None if they may not send any.
        logs: the newest lines of its log, oldest first.
    """

    def __init__(
        self,
        module: DatabaseModule,
        *,
        name: str = "",
        identity: Identity,
        entropy: Callable[[int], bytes],
        owner: Identity | None = None,
        faults: Faults | None = None,
        on_panic: Callable[[str], None] | None = None,
    ) -> None:
        """Make an empty database; `publish` brings it to life.

        Args:
            module: the module.
            name: what clients call it.
            identity: its own identity.
            entropy: returns that many unpredictable bytes.
            owner: the identity that counts as the owner.
            faults: what to do wrong on purpose.
            on_panic: takes the traceback of an unexpected exception of module code.

        Raises:
            SchemaError: the module has no valid schema.
            QueryError: a row-level security filter is not a valid query.
        """
        blueprint = module.build()
        system = environment_table(blueprint.registry)
        tables = (*blueprint.definition.tables, system.definition)
        typespace = blueprint.registry.typespace  # with the row type of the system table
        bound = BoundModule(
            msgspec.structs.replace(blueprint.definition, tables=tables, typespace=typespace)
        )
        converters = Converters(blueprint.registry, bound.types)
        self.name = name
        self.identity = identity
        self.owner = owner
        self.entropy = entropy
        self.faults = faults if faults is not None else Faults()
        self.definition = blueprint.definition
        self.bound = bound
        self.types = bound.types
        self.version = 0
        self.logs: deque[LogLine] = deque(maxlen=_LOG_LINES)
        self.scheduler = Scheduler()
        self.live = LiveQueries()
        self.fetcher: Fetcher | None = None
        self._on_panic = on_panic
        self.transactions = Transactions()
        self._waits_for_procedure = False
        self._held_back: list[Task] = []
        self._last_v7 = 0
        self._last_time = 0

        plans = [*blueprint.tables, *(view.table for view in blueprint.views)]
        table_ids = {plan.definition.name: FIRST_TABLE_ID + at for at, plan in enumerate(plans)}
        table_ids[system.definition.name] = SYSTEM_TABLE_ID

        def make_store(plan: TableBlueprint) -> TableStore:
            table = plan.definition.name
            return TableStore(
                plan, bound.tables[table], converters, table_ids[table], self.transactions.journal
            )

        self.stores = {plan.definition.name: make_store(plan) for plan in blueprint.tables}
        self.environment = Environment(blueprint.definition.environment, make_store(system))
        self.env = Env(self.environment.get)
        self.tables = DbView(
            (store.definition.accessor, TableAccess(store)) for store in self.stores.values()
        )
        self.queries = Queries(
            stores=list(self.stores.values()),
            views=blueprint.views,
            filters=blueprint.definition.row_level_security,
            make_store=make_store,
            live=self.live,
            typespace=bound.types.typespace,
            identity=identity,
            on_panic=self.panic,
            environment=self.environment,
        )
        ordered = sorted(blueprint.reducers, key=lambda plan: plan.definition.name)
        self.reducers = {
            plan.definition.name: Function(plan, at, bound.types, converters)
            for at, plan in enumerate(ordered)
        }
        self.procedures = Procedures(
            self,
            {
                plan.definition.name: Function(plan, at, bound.types, converters)
                for at, plan in enumerate(blueprint.procedures)
            },
        )
        self._lifecycle = {function.lifecycle: function for function in self.reducers.values()}
        self.source_params = {
            plan.definition.accessor: plan.source_params
            for plan in (*blueprint.reducers, *blueprint.procedures)
        }

    # --- life ---------------------------------------------------------------------------------

    def publish(self, now: Timestamp, environment: Mapping[str, str] | None = None) -> None:
        """Store the environment variables and run ``init``.

        Raises:
            LocalProtocolError: the variables do not fit what the module declares.
            ReducerError: ``init`` failed.
        """
        caller = Caller(self.owner if self.owner is not None else self.identity)
        self.change_environment(environment or {}, now=now)
        outcome = self._run_lifecycle("init", caller, now)
        if outcome is not None and outcome.verdict != "committed":
            raise ReducerError(f"init failed: {outcome.text}", name="init")

    def change_environment(
        self, values: Mapping[str, str], remove: Removals = (), *, now: Timestamp
    ) -> None:
        """Set and remove environment variables as one transaction, of which subscribers hear.

        Raises:
            LocalProtocolError: a variable is not possible or does not fit; nothing is changed.
        """
        with self.write(Caller(self.identity), now):
            self.environment.change(values, remove)

    def caller(
        self,
        identity: Identity,
        connection_id: ConnectionId | None = None,
        subscriber: Subscriber | None = None,
    ) -> Caller:
        """Return the caller for an identity, with its rights in this database."""
        return Caller(identity, connection_id, subscriber, identity == self.owner)

    def connect(self, caller: Caller, now: Timestamp) -> str | None:
        """Run ``client_connected``; return None, or the reason to refuse the client."""
        outcome = self._run_lifecycle("on_connect", caller, now)
        if outcome is None or outcome.verdict == "committed":
            return None
        return outcome.text

    def disconnect(self, caller: Caller, now: Timestamp) -> None:
        """Forget a client's subscriptions and run ``client_disconnected``, whose failure is logged."""
        if caller.subscriber is not None:
            self.live.release_all(caller.subscriber)
        outcome = self._run_lifecycle("on_disconnect", caller, now)
        if outcome is not None and outcome.verdict != "committed":
            self.log("Error", f"client_disconnected failed: {outcome.text}", now)

    @property
    def deadline(self) -> Timestamp | None:
        """When `tick` is due: the next scheduled row or sleeping procedure, or None."""
        return self.scheduler.deadline

    def tick(self, now: Timestamp) -> None:
        """Run the tasks that are due."""
        self.scheduler.run(now)

    # --- reducers -----------------------------------------------------------------------------

    def call_reducer(
        self,
        caller: Caller,
        name: str,
        args: bytes | str,
        *,
        now: Timestamp,
        request_id: int = 0,
    ) -> ReducerOutcome:
        """Run a reducer and inform the other subscribers; the caller's share is in the result.

        Args:
            caller: who calls.
            name: canonical name of the reducer.
            args: BSATN, or JSON text.
            now: the time it runs at.
            request_id: the id that the caller gave the call.
        """
        function = self.reducers.get(name)
        encoded = args if isinstance(args, bytes) else b""
        origin = Origin(
            reducer=name,
            reducer_index=NO_REDUCER if function is None else function.index,
            args=encoded,
            args_json=args if isinstance(args, str) else None,
            request_id=request_id,
        )
        commit = Commit(self.stamp(now), caller, origin)
        if function is not None and function.lifecycle is not None:
            special = _LIFECYCLE_NAMES[function.lifecycle]
            text = f"can't directly call special {special} lifecycle reducer"
            return ReducerOutcome("refused", commit, text)
        if function is None or (function.definition.is_private and not caller.is_owner):
            return ReducerOutcome("refused", commit, "no such reducer")
        try:
            values = function.arguments(args)
        except ArgumentError as error:
            about = f"invalid arguments for reducer {name}"
            return ReducerOutcome(
                "refused", commit, f"{about}: {error}", chain=f"{about}: {error.chain}"
            )
        return self._run_reducer(function, values, commit)

    def _run_lifecycle(
        self, event: Lifecycle, caller: Caller, now: Timestamp
    ) -> ReducerOutcome | None:
        function = self._lifecycle.get(event)
        if function is None:
            return None
        origin = Origin(function.name, function.index, b"", None, 0)
        return self._run_reducer(function, [], Commit(self.stamp(now), caller, origin))

    def _run_reducer(
        self,
        function: Function,
        values: list[Any],
        commit: Commit,
        after: Callable[[], object] | None = None,
    ) -> ReducerOutcome:
        """Run a function and then `after` as one transaction."""
        context = ReducerContext(self, commit.caller, commit.timestamp)
        try:
            with self.transactions.run() as journal:
                function.call(context, values)
                if after is not None:
                    after()
        except ReducerError as error:
            return ReducerOutcome("error", commit, sayable(error.message))
        except ValueError as error:
            return ReducerOutcome("error", commit, sayable(str(error)))
        except Exception:
            self.panic(traceback.format_exc())
            self.log("Panic", f"{function.name} raised an exception", commit.timestamp)
            return ReducerOutcome("panic", commit, PANIC)
        share = self._publish(journal, commit)
        return ReducerOutcome("committed", commit, share=share)

    # --- transactions -------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """True while a transaction runs."""
        return self.transactions.is_open

    @contextmanager
    def write(self, caller: Caller, now: Timestamp, name: str = "") -> Iterator[None]:
        """Run the body as a transaction and inform all subscribers, the caller included.

        Args:
            caller: the origin of the transaction.
            now: the time it is committed at.
            name: the reducer name under which it is reported.
        """
        with self.transactions.run() as journal:
            yield
        commit = Commit(now, caller, Origin(name, NO_REDUCER, b"", None, 0))
        share = self._publish(journal, commit)
        if share and caller.subscriber is not None:
            caller.subscriber.on_commit(commit, share)

    def _publish(self, journal: Journal, commit: Commit) -> Share:
        """Inform the subscribers of a committed transaction; return the caller's share."""
        changes = net_changes(journal)
        if not changes:
            return []
        self.version += 1
        shares = self.live.shares(changes, always_offsets=self.faults.always_offsets)
        own = commit.caller.subscriber
        own_share = shares.pop(own, []) if own is not None else []
        for store, change in changes.items():
            if store.definition.is_event:
                store.clear()
            elif store.definition.schedule is not None:
                self._schedule(store, change, commit.timestamp)
        self.live.forget_events()
        for subscriber, share in shares.items():
            subscriber.on_commit(commit, share)
        return own_share

    # --- schedules ----------------------------------------------------------------------------

    def _schedule(self, store: TableStore, change: Change, now: Timestamp) -> None:
        schedule = store.definition.schedule
        if schedule is None:  # pragma: no cover - the caller has looked
            raise AssertionError(store.name)
        attribute = store.attributes[schedule.at_column]
        for data, row in change.inserted.items():
            at: Any = getattr(row, attribute)
            if isinstance(at, ScheduleAt.Time):
                self._schedule_row(store, data, row, at.value, once=True)
            else:
                self._schedule_row(store, data, row, now + at.value, once=False)

    def _schedule_row(
        self, store: TableStore, data: bytes, row: Any, at: Timestamp, *, once: bool
    ) -> None:
        def run(now: Timestamp) -> None:
            if self._waits_for_procedure:
                self._held_back.append(run)
                return
            if store.rows.get(data) is not row:
                return  # deleted or replaced meanwhile
            self._run_scheduled(store, data, row, now, once=once)
            if not once and store.rows.get(data) is row:
                interval = getattr(row, store.attributes[store.definition.schedule.at_column])  # type: ignore[union-attr]
                self._schedule_row(store, data, row, now + interval.value, once=False)

        self.scheduler.add(at, run)

    def _run_scheduled(
        self, store: TableStore, data: bytes, row: Any, now: Timestamp, *, once: bool
    ) -> None:
        schedule = store.definition.schedule
        name = "" if schedule is None else schedule.function
        caller = Caller(self.identity)
        function = self.reducers.get(name)
        if function is None:
            if once:
                with self.write(caller, now, name):
                    store.delete(data)
            # As on a real server: scheduled functions run one after the other, including their
            # waits.
            self._waits_for_procedure = True
            self.procedures.run_scheduled(name, row, caller, now, then=self._go_on_with_schedule)
            return
        commit = Commit(self.stamp(now), caller, Origin(name, function.index, b"", None, 0))
        after = (lambda: store.delete(data)) if once else None
        outcome = self._run_reducer(function, [row], commit, after)
        if outcome.verdict != "committed":
            self.log("Error", f"scheduled reducer {name} failed: {outcome.text}", now)
            if once:
                with self.write(caller, now, name):
                    store.delete(data)

    def _go_on_with_schedule(self) -> None:
        self._waits_for_procedure = False
        held_back, self._held_back = self._held_back, []
        for task in held_back:
            self.scheduler.add(Timestamp(self._last_time), task)

    # --- for module code and tests ------------------------------------------------------------

    def fetch(self, request: Fetch, answer: Answer) -> None:
        """Have an HTTP request of a procedure sent; `answer` gets the response or the failure."""
        if self.fetcher is None:
            answer(HttpFailed("this server sends no HTTP requests"))
        else:
            self.fetcher(request, answer)

    def panic(self, text: str) -> None:
        """Pass a traceback of module code to `on_panic`."""
        if self._on_panic is not None:
            self._on_panic(text)

    def log(self, level: str, message: str, timestamp: Timestamp) -> None:
        """Add a line to the log."""
        self.logs.append(LogLine(level, message, timestamp))

    def stamp(self, now: Timestamp) -> Timestamp:
        """Return `now`, or later, so that no two calls run at the same time.

        The messages of one payload all arrive at one `now`; rows that hold the time of the call
        would be equal, and a table keeps equal rows only once.
        """
        self._last_time = max(now.micros_since_unix_epoch, self._last_time + 1)
        return Timestamp(self._last_time)

    def next_v7(self, candidate: int) -> int:
        """Return `candidate` (122 bits), or more, so that it is greater than all before."""
        self._last_v7 = max(candidate, self._last_v7 + 1)
        return self._last_v7

    def fail_subscriptions(self, text: str) -> None:
        """End every live set with SubscriptionError without request id, as a failed evaluation."""
        self.live.fail_all(text)
