"""A client whose server is the test: every message is written by hand, and callbacks run."""

from __future__ import annotations

from typing import Any

from spacetime_proto.client import events as ev
from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.pending_call import Call
from spacetime_proto.messages import v1, v2
from tests.conformance.kit import columns
from tests.support.script import NO_TIME, NOW, Script

__all__ = ["ScriptedClient", "full_name"]


def full_name(protocol: str) -> str:
    """Return the subprotocol of ``v3``, ``v1.json`` and the like."""
    return f"{protocol if '.' in protocol else protocol + '.bsatn'}.spacetimedb"


class ScriptedClient(Script):
    """A `Script` that runs callbacks as a driver does.

    Attributes:
        callbacks: those that belong to no table.
        log: what ran, in order; tests append to it, `watch` does for row callbacks.
    """

    def __init__(self, protocol: str = "v3", **options: Any) -> None:
        super().__init__(full_name(protocol), **options)
        self.callbacks = Callbacks()
        self.log: list[Any] = []
        self.session.wants_outcomes = True

    @property
    def db(self) -> Any:
        return self.session.db

    @property
    def is_v1(self) -> bool:
        return self.protocol.startswith("v1")

    def events(self) -> list[ev.Event]:
        """Take the client's events, having run their callbacks."""
        taken = []
        for event in self.session.events():
            taken.append(event)
            for function, args in self.callbacks.calls(event):
                function(*args)
        return taken

    def deliver(self) -> None:
        super().deliver()
        self.events()

    def note(self, what: str) -> Any:
        """Return a callback that logs that it ran."""
        return lambda *args: self.log.append(what)

    def watch(self, *tables: str) -> None:
        """Log the row callbacks of tables as (kind, table, values) or (.., old, new)."""
        for name in tables:
            self._watch(name, self.db[name])

    def _watch(self, name: str, table: Any) -> None:
        log = self.log
        table.on_insert(lambda ctx, row: log.append(("insert", name, columns(row))))
        if not table.table.definition.is_event:
            table.on_delete(lambda ctx, row: log.append(("delete", name, columns(row))))
        if hasattr(table, "on_update"):
            table.on_update(
                lambda ctx, old, new: log.append(("update", name, columns(old), columns(new)))
            )

    def take(self) -> list[Any]:
        """Take the log."""
        log, self.log[:] = list(self.log), []
        return log

    def rows_of(self, table: str) -> list[tuple[Any, ...]]:
        """Return the cached rows of a table."""
        return sorted((columns(row) for row in self.db[table].iter()), key=repr)

    # --- requests and their answers -------------------------------------------------------------

    def call(self, reducer: str, *args: Any) -> Any:
        """Call a reducer; return the pending call."""
        return self.session.call(Call("reducer", reducer, args))

    def run(self, procedure: str, *args: Any) -> Any:
        """Call a procedure; return the pending call."""
        return self.session.call(Call("procedure", procedure, args))

    def request(self) -> Any:
        """Return the only message that the client has sent since the last call."""
        [message] = self.received()
        return message

    def subscribe(self, *queries: Any, rows: dict[str, list[Any]] | None = None) -> Any:
        """Subscribe and have the server apply it, with these first rows; return the handle."""
        handle = self.session.subscribe(*(queries or ("SELECT * FROM user",)))
        request = self.request()
        self.apply(request, rows or {})
        return handle

    def apply(self, request: Any, rows: dict[str, list[Any]]) -> None:
        """Answer a Subscribe."""
        if self.is_v1:
            tables = tuple(self.v1_table(table, tuple(found)) for table, found in rows.items())
            update = v1.DatabaseUpdate(tables)
            self.send(v1.SubscribeMultiApplied(request.request_id, 0, request.query_id, update))
        else:
            found = tuple(self.single(table, *some) for table, some in rows.items())
            self.send(v2.SubscribeAppliedMessage(request.request_id, request.query_set_id, found))

    def result(self, request: Any, outcome: v2.ReducerOutcome) -> None:
        """Answer a CallReducer (v2 and v3)."""
        self.send(v2.ReducerResult(request.request_id, NOW, outcome))

    def change(
        self, table: str, inserts: Any = (), deletes: Any = (), *, handle: Any = None
    ) -> v2.TransactionUpdate:
        """Return a transaction in the set of a handle, by default the first one (v2 and v3)."""
        set_id = 1 if handle is None else handle.set_id
        return self.update(set_id, table, tuple(inserts), tuple(deletes))

    def returned(self, request: Any, value: bytes) -> None:
        """Answer a CallProcedure (v2 and v3)."""
        status = v2.ProcedureReturned(value)
        self.send(v2.ProcedureResult(status, NOW, NO_TIME, request.request_id))
