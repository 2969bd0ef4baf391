"""The server's side of protocols v2 and v3: per-connection query sets (docs/protocol.md section 4.3)."""

from __future__ import annotations

from typing import cast

from ...errors import ProtocolError, QueryError
from ...messages import v2
from ...messages.payloads import decode_client_payload
from ...sats.rows import RowList
from ...types import Timestamp
from ..engine.derived import DerivedError
from ..engine.live import Delta, LiveQuery, Share, Slot
from ..engine.outcomes import Commit, ProcedureOutcome, ReducerOutcome
from .server_connection import (
    NO_TIME,
    Outgoing,
    Payload,
    ServerConnection,
    SetRefused,
    already_exists,
    not_found,
    share_key,
)


class V2Connection(ServerConnection):
    """A client that speaks v2, or v3 with several messages per payload."""

    _sets: dict[int, list[LiveQuery]]

    def _send_first(self, token: str) -> None:
        self._sets = {}
        self._late: list[v2.ProcedureResult] = []
        connection_id = self.caller.connection_id
        assert connection_id is not None
        self._send(v2.InitialConnection(self.caller.identity, connection_id, token))

    def _receive(self, payload: Payload, now: Timestamp) -> None:
        for message in decode_client_payload(self.protocol, payload):
            self._handle(message, now)

    def _handle(self, message: v2.ClientMessage, now: Timestamp) -> None:
        match message:
            case v2.CallReducer():
                self._call_reducer(message, now)
            case v2.CallProcedure(request_id, name, args):
                self.database.procedures.call(
                    self.caller,
                    name,
                    args,
                    now=now,
                    done=lambda outcome: self._procedure_done(request_id, outcome),
                )
            case v2.Subscribe():
                self._subscribe(message)
            case v2.Unsubscribe():
                self._unsubscribe(message)
            case v2.SubscribeBatch():
                self._subscribe_batch(message)
            case _:
                self._one_off(message.request_id, message.query_string)

    # --- calls --------------------------------------------------------------------------------

    def _call_reducer(self, message: v2.CallReducer, now: Timestamp) -> None:
        outcome = self.database.call_reducer(
            self.caller, message.reducer, message.args, now=now, request_id=message.request_id
        )
        time = outcome.commit.timestamp
        self._send(v2.ReducerResult(message.request_id, time, self._reducer_outcome(outcome)))

    def _reducer_outcome(self, outcome: ReducerOutcome) -> v2.ReducerOutcome:
        match outcome.verdict:
            case "committed":
                if not outcome.share and self.database.faults.ok_empty:
                    return v2.ReducerOkEmpty()
                return v2.ReducerOk(b"", self._update(outcome.share))
            case "error":
                text = outcome.text.encode()
                return v2.ReducerErr(len(text).to_bytes(4, "little") + text)
            case _:
                return v2.ReducerInternalError(outcome.text)

    def _procedure_done(self, request_id: int, outcome: ProcedureOutcome) -> None:
        status: v2.ProcedureStatus
        if outcome.value is None:
            status = v2.ProcedureInternalError(outcome.text)
        else:
            status = v2.ProcedureReturned(outcome.value)
        self._late.append(v2.ProcedureResult(status, outcome.timestamp, NO_TIME, request_id))
        if not self.database.faults.reverse_procedures or len(self._late) > 1:
            for result in reversed(self._late):
                self._send(result)
            self._late.clear()

    # --- query sets ---------------------------------------------------------------------------

    def _subscribe(self, message: v2.Subscribe) -> None:
        request_id, set_id = message.request_id, message.query_set_id
        rows = self._open_set(set_id, message.query_strings)
        if isinstance(rows, str):
            self._refuse(request_id, set_id, rows)
        else:
            self._send(v2.SubscribeAppliedMessage(request_id, set_id, rows))

    def _subscribe_batch(self, message: v2.SubscribeBatch) -> None:
        """Open every set at this version of the database; one that is refused stops no other."""
        if self.database.faults.before_2_11:
            raise ProtocolError("unknown tag 0x5 for sum type ClientMessage")
        results = [
            v2.SubscribeSetResult(
                one.query_set_id, self._open_set(one.query_set_id, one.query_strings)
            )
            for one in message.sets
        ]
        self._send(v2.SubscribeBatchApplied(message.request_id, tuple(results)))

    def _open_set(
        self, set_id: int, texts: tuple[str, ...]
    ) -> tuple[v2.SingleTableRows, ...] | str:
        """Make a set live; return its rows now, or why it is refused."""
        if set_id in self._sets:
            return already_exists(self, set_id)
        live = self.database.live
        try:
            queries = self._live_queries(
                texts,
                lambda query: live.hold(query, self, set_id),
                lambda query: live.release(query, self, set_id),
            )
        except SetRefused as refused:
            return refused.text
        self._sets[set_id] = queries
        return self._rows(queries)

    def _unsubscribe(self, message: v2.Unsubscribe) -> None:
        set_id = message.query_set_id
        queries = self._sets.pop(set_id, None)
        if queries is None:
            self._refuse(message.request_id, set_id, not_found(self, set_id))
            return
        wanted = message.flags == v2.SEND_DROPPED_ROWS
        rows = self._rows(queries) if wanted else None
        for query in queries:
            self.database.live.release(query, self, set_id)
        self._send(v2.UnsubscribeAppliedMessage(message.request_id, set_id, rows))

    def _rows(self, queries: list[LiveQuery]) -> tuple[v2.SingleTableRows, ...]:
        """Return the rows of a set now; queries over a table without rows are left out."""
        version = self.database.version
        tables = [
            v2.SingleTableRows(query.table.name, query.rows(version))
            for query in queries
            if query.table.rows
        ]
        return tuple(tables * 2 if self.database.faults.duplicate_query_rows else tables)

    def _one_off(self, request_id: int, text: str) -> None:
        result: tuple[v2.SingleTableRows, ...] | str
        try:
            result = (v2.SingleTableRows(*self.database.queries.one_off(text, self.caller)),)
        except (QueryError, DerivedError) as error:
            result = str(error)
        self._send(v2.OneOffQueryResult(request_id, result))

    # --- updates ------------------------------------------------------------------------------

    def on_commit(self, commit: Commit, share: Share) -> None:
        self._queue_shared(
            commit,
            ("v2", share_key(share)),
            lambda: Outgoing(v2.encode_server(self._update(share))),
        )

    def on_query_failed(self, slots: list[Slot], text: str) -> None:
        for slot in slots:
            set_id = cast("int", slot)
            for query in self._sets.pop(set_id):
                self.database.live.release(query, self, set_id)
            self._refuse(None, set_id, text)

    def _update(self, share: Share) -> v2.TransactionUpdate:
        """Return a share as a message: sets by id, tables by name, one entry per query."""
        sets: dict[int, dict[str, list[v2.PersistentRows | v2.EventRows]]] = {}
        for slot, delta in share:
            tables = sets.setdefault(cast("int", slot), {})
            tables.setdefault(delta.query.table.name, []).append(self._fragment(delta))
        return v2.TransactionUpdate(
            tuple(
                v2.QuerySetUpdate(
                    set_id,
                    tuple(
                        v2.TableUpdate(name, tuple(rows))
                        for name, rows in sorted(sets[set_id].items())
                    ),
                )
                for set_id in sorted(sets)
            )
        )

    def _fragment(self, delta: Delta) -> v2.PersistentRows | v2.EventRows:
        rows = delta.rows
        if isinstance(rows, v2.EventRows) or not self.database.faults.insert_and_delete:
            return rows
        inserts, deletes = rows.inserts.slices(), rows.deletes.slices()
        extra = (inserts or deletes)[0]
        return v2.PersistentRows(
            RowList.from_rows([*inserts, extra]), RowList.from_rows([*deletes, extra])
        )

    def _refuse(self, request_id: int | None, set_id: int, text: str) -> None:
        self._send(v2.SubscriptionErrorMessage(request_id, set_id, text))

    def _send(self, message: v2.ServerMessage) -> None:
        self._queue(Outgoing(v2.encode_server(message)))
