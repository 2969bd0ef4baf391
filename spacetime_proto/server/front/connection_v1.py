"""The server's side of protocol v1, as BSATN and as JSON (docs/protocol.md sections 4.4 and 4.5).

v1 counts queries per client, not per set: an update has each distinct query once, however many ids
hold it. The legacy set is counted separately, so a query may be in both counts.
"""

from __future__ import annotations

import json
from typing import Final

from ...errors import DecodeError, QueryError
from ...messages import v1
from ...messages.json_rows import JsonCodec
from ...messages.payloads import decode_client_payload
from ...protocols import V1_JSON
from ...sats.rows import EMPTY_ROWS, RowList
from ...types import ConnectionId, Timestamp
from ..engine.derived import DerivedError
from ..engine.live import LiveQuery, Share, Slot
from ..engine.outcomes import Commit, Origin, ProcedureOutcome, ReducerOutcome
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

#: The slots that queries are held in.
_LEGACY: Final = "legacy"
_COUNTED: Final = "counted"

_NO_CONNECTION = ConnectionId(bytes(16))
_EVENTS_NEED_V2 = (
    "Subscribing to event tables requires WebSocket v2."
    " Please upgrade your client SDK and regenerate your module bindings."
)


class V1Connection(ServerConnection):
    """A client that speaks v1.bsatn or v1.json."""

    def _send_first(self, token: str) -> None:
        self._sets: dict[int, list[LiveQuery]] = {}
        self._counts: dict[LiveQuery, int] = {}
        self._legacy: list[LiveQuery] = []
        self._is_json = self.protocol == V1_JSON
        self._codec = JsonCodec.for_module(self.database.bound)
        connection_id = self.caller.connection_id or _NO_CONNECTION
        self._send(v1.IdentityToken(self.caller.identity, token, connection_id))

    def _receive(self, payload: Payload, now: Timestamp) -> None:
        # Text or binary decides how it is read, the protocol how it is answered (section 3.6).
        match message := _read(self.protocol, payload):
            case v1.CallReducer():
                self._call_reducer(message, now)
            case v1.CallProcedure(name, args, request_id):
                self.database.procedures.call(
                    self.caller,
                    name,
                    args,
                    now=now,
                    done=lambda outcome: self._procedure_done(name, request_id, outcome),
                )
            case v1.Subscribe():
                self._subscribe_legacy(message)
            case v1.SubscribeSingle(text, request_id, query_id):
                self._subscribe((text,), request_id, query_id, is_single=True)
            case v1.SubscribeMulti(texts, request_id, query_id):
                self._subscribe(texts, request_id, query_id, is_single=False)
            case v1.Unsubscribe(request_id, query_id):
                self._unsubscribe(request_id, query_id, is_single=True)
            case v1.UnsubscribeMulti(request_id, query_id):
                self._unsubscribe(request_id, query_id, is_single=False)
            case _:
                self._one_off(message)

    # --- calls --------------------------------------------------------------------------------

    def _call_reducer(self, message: v1.CallReducer, now: Timestamp) -> None:
        outcome = self.database.call_reducer(
            self.caller, message.reducer, message.args, now=now, request_id=message.request_id
        )
        if message.flags != v1.NO_SUCCESS_NOTIFY:
            self._send(self._transaction(outcome))
        elif outcome.share:
            self.on_commit(outcome.commit, outcome.share)

    def _transaction(self, outcome: ReducerOutcome) -> v1.TransactionUpdate:
        origin = outcome.commit.origin
        status: v1.UpdateStatus
        if outcome.verdict == "committed":
            status = v1.Committed(_update(outcome.share))
        else:
            status = v1.Failed(outcome.chain or outcome.text)
        refused = outcome.verdict == "refused"
        return v1.TransactionUpdate(
            status=status,
            timestamp=outcome.commit.timestamp,
            caller_identity=self.caller.identity,
            caller_connection_id=self.caller.connection_id or _NO_CONNECTION,
            reducer_call=v1.ReducerCallInfo(
                origin.reducer,
                origin.reducer_index,
                self._args(origin, refused),
                0 if refused else origin.request_id,
            ),
            energy_quanta_used=0,
            total_host_execution_duration=NO_TIME,
        )

    def _args(self, origin: Origin, refused: bool) -> bytes | str:
        """Return the arguments as this protocol writes them; none of a call that was refused."""
        if refused:
            return "[]" if self._is_json else b""
        function = self.database.reducers[origin.reducer]
        if self._is_json:
            text = origin.args_json
            return function.args_json(origin.args) if text is None else text
        if origin.args_json is None:
            return origin.args
        return function.encode(function.decode_json(origin.args_json))

    def _procedure_done(self, name: str, request_id: int, outcome: ProcedureOutcome) -> None:
        status: v1.ProcedureStatus
        function = self.database.procedures.get(name)
        if outcome.value is None or function is None:
            status = v1.ProcedureInternalError(outcome.text)
        elif self._is_json:
            status = v1.ProcedureReturned(function.result_json(outcome.value))
        else:
            status = v1.ProcedureReturned(outcome.value)
        self._send(v1.ProcedureResult(status, outcome.timestamp, NO_TIME, request_id))

    # --- subscriptions ------------------------------------------------------------------------

    def _subscribe_legacy(self, message: v1.Subscribe) -> None:
        live = self.database.live
        before = self._legacy

        def drop(query: LiveQuery) -> None:
            if query not in before:
                live.release(query, self, _LEGACY)

        try:
            queries = self._live_queries(
                message.query_strings,
                lambda query: live.hold(query, self, _LEGACY),
                drop,
            )
        except SetRefused as refused:
            self._refuse(message.request_id, None, refused.text)
            return
        for query in before:
            if query not in queries:
                live.release(query, self, _LEGACY)
        self._legacy = queries
        self._send(v1.InitialSubscription(self._content(queries), message.request_id, NO_TIME))

    def _subscribe(
        self, texts: tuple[str, ...], request_id: int, query_id: int, *, is_single: bool
    ) -> None:
        if query_id in self._sets:
            self._refuse(request_id, query_id, already_exists(self, query_id))
            return
        fresh: list[LiveQuery] = []

        def hold(query: LiveQuery) -> None:
            if query.table.definition.is_event:
                raise DerivedError(_EVENTS_NEED_V2)
            if self._count(query):
                fresh.append(query)

        try:
            queries = self._live_queries(texts, hold, self._discount)
        except SetRefused as refused:
            plain = isinstance(refused.cause, DerivedError)
            self._refuse(request_id, query_id, str(refused.cause) if plain else refused.text)
            return
        self._sets[query_id] = queries
        if is_single and len(queries) == 1:
            query = queries[0]
            rows = _subscribe_rows(query, query.rows(self.database.version), are_deletes=False)
            self._send(v1.SubscribeAppliedMessage(request_id, 0, query_id, rows))
        else:
            content = self._content(fresh)
            self._send(v1.SubscribeMultiApplied(request_id, 0, query_id, content))

    def _unsubscribe(self, request_id: int, query_id: int, *, is_single: bool) -> None:
        queries = self._sets.pop(query_id, None)
        if queries is None:
            self._refuse(request_id, query_id, not_found(self, query_id))
            return
        rows = {query: query.rows(self.database.version) for query in queries}
        gone = [query for query in queries if self._discount(query)]
        if not is_single:
            content = self._content(gone, are_deletes=True, rows=rows)
            self._send(v1.UnsubscribeMultiApplied(request_id, 0, query_id, content))
        elif len(gone) == 1:
            # With more than one query, or one that another id still holds, the real server fails
            # in the same way, after it has dropped the reference.
            dropped = _subscribe_rows(gone[0], rows[gone[0]], are_deletes=True)
            self._send(v1.UnsubscribeAppliedMessage(request_id, 0, query_id, dropped))
        else:
            self._refuse(request_id, query_id, "Internal error")

    def _count(self, query: LiveQuery) -> bool:
        """Count one more use of a query; True if it is the first."""
        count = self._counts.get(query, 0)
        if not count:
            self.database.live.hold(query, self, _COUNTED)
        self._counts[query] = count + 1
        return not count

    def _discount(self, query: LiveQuery) -> bool:
        """Count one use of a query less; True if it was the last."""
        self._counts[query] -= 1
        if self._counts[query]:
            return False
        del self._counts[query]
        self.database.live.release(query, self, _COUNTED)
        return True

    def _one_off(self, message: v1.OneOffQuery) -> None:
        problem = None
        tables: tuple[v1.OneOffTable, ...] = ()
        try:
            found = self.database.queries.one_off(message.query_string, self.caller)
            tables = (v1.OneOffTable(*found),)
        except (QueryError, DerivedError) as error:
            problem = str(error)
        self._send(v1.OneOffQueryResponse(message.message_id, problem, tables, NO_TIME))

    # --- updates ------------------------------------------------------------------------------

    def on_commit(self, commit: Commit, share: Share) -> None:
        # As with version 10 modules: all but the caller get the light form (section 4.4).
        self._queue_shared(
            commit,
            (self.protocol, share_key(share)),
            lambda: self._encode(
                v1.TransactionUpdateLight(commit.origin.request_id, _update(share))
            ),
        )

    def on_query_failed(self, slots: list[Slot], text: str) -> None:
        self.database.live.release_all(self)
        self._sets.clear()
        self._counts.clear()
        self._legacy = []
        self._refuse(None, None, text)

    # --- messages -----------------------------------------------------------------------------

    def _content(
        self,
        queries: list[LiveQuery],
        *,
        are_deletes: bool = False,
        rows: dict[LiveQuery, RowList] | None = None,
    ) -> v1.DatabaseUpdate:
        """Return the rows of queries; those over a table without rows are left out."""
        version = self.database.version
        tables: dict[str, list[tuple[LiveQuery, v1.QueryUpdate]]] = {}
        for query in queries:
            if query.table.rows or rows is not None:
                content = query.rows(version) if rows is None else rows[query]
                tables.setdefault(query.table.name, []).append(
                    (query, _query_update(content, are_deletes))
                )
        return _database_update(tables)

    def _refuse(self, request_id: int | None, query_id: int | None, text: str) -> None:
        self._send(v1.SubscriptionErrorMessage(0, request_id, query_id, None, text))

    def _send(self, message: v1.ServerMessage) -> None:
        self._queue(self._encode(message))

    def _encode(self, message: v1.ServerMessage) -> Outgoing | str:
        if self._is_json:
            return v1.SERVER.to_json(message, self._codec)
        return Outgoing(v1.encode_server(message))


def _read(protocol: str, payload: Payload) -> v1.ClientMessage:
    """Read a message.

    Raises:
        DecodeError: it is not a message; for text that is not JSON, in the server's words.
    """
    try:
        message: v1.ClientMessage = next(decode_client_payload(protocol, payload))
        return message
    except DecodeError as error:
        cause = error.__cause__
        if isinstance(cause, json.JSONDecodeError) and cause.msg == "Expecting value":
            words = f"expected value at line {cause.lineno} column {cause.colno}"
            raise DecodeError(words) from cause
        raise


def _query_update(rows: RowList, are_deletes: bool) -> v1.QueryUpdate:
    return v1.QueryUpdate(rows, EMPTY_ROWS) if are_deletes else v1.QueryUpdate(EMPTY_ROWS, rows)


def _subscribe_rows(query: LiveQuery, rows: RowList, *, are_deletes: bool) -> v1.SubscribeRows:
    store = query.table
    update = v1.TableUpdate(
        store.table_id, store.name, len(rows), (_query_update(rows, are_deletes),)
    )
    return v1.SubscribeRows(store.table_id, store.name, update)


def _update(share: Share) -> v1.DatabaseUpdate:
    """Return a share: one table update per table, one entry in it per query and slot."""
    tables: dict[str, list[tuple[LiveQuery, v1.QueryUpdate]]] = {}
    for _, delta in share:
        update = v1.QueryUpdate(delta.deletes, delta.inserts)
        tables.setdefault(delta.query.table.name, []).append((delta.query, update))
    return _database_update(tables)


def _database_update(
    tables: dict[str, list[tuple[LiveQuery, v1.QueryUpdate]]],
) -> v1.DatabaseUpdate:
    return tuple(
        v1.TableUpdate(
            parts[0][0].table.table_id,
            name,
            sum(len(update.deletes) + len(update.inserts) for _, update in parts),
            tuple(update for _, update in parts),
        )
        for name, parts in tables.items()
    )
