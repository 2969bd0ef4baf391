"""A recorded connection, fed through the client: what would its cache and its callbacks be?

The client only handles the server's lines, but these name requests by id. So the client's lines are
decoded as by a server, and their requests noted as sent. Lines that a server could not decode, and
calls of functions that the schema lacks, are skipped: the server answers them with a close or an
error.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from ..cache.cache import Cache
from ..client import events as ev
from ..client.connection import Connection
from ..client.dialects import dialect_for
from ..client.meaning import BatchSent, CallSent, QuerySent, SubscribeSent, UnsubscribeSent
from ..client.pending_call import Call, PendingCall
from ..client.stats import Counters
from ..client.subscriptions import Subscription
from ..errors import DecodeError
from ..sats.sats_json import dumps, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..bindings.client_module import Module
    from ..client.meaning import Greeting, Outgoing
    from ..limits import Limits
    from ..types import ConnectionId, Identity


class Replay:
    """The client's half of a recorded connection, without sockets, callbacks or time.

    Args:
        protocol: the subprotocol that was negotiated.
        module: bindings of the module that was connected to.
        limits: the limits; rows are always decoded on arrival, whatever they say.
    """

    wants_everything = True
    wants_outcomes = True

    def __init__(self, protocol: str, module: Module[Any], limits: Limits) -> None:
        self.module = module
        self.protocol = protocol
        self.counters = Counters()
        bound = module.bound.within(limits)
        cache = Cache(bound, verify_rows=True)
        self.db: Any = module.create_db(None)
        self.db.attach(cache)
        self.connection = Connection(
            bound,
            limits,
            dialect_for(protocol, bound, limits),
            cache=cache,
            db=self.db,
            owner=self,
            on_greeting=self._on_greeting,
        )
        self.identity: Identity | None = None
        """The identity that the server gave."""
        self.connection_id: ConnectionId | None = None
        """The connection id that the server gave."""
        self.counts: dict[str, Counter[str]] = {}
        """Row callbacks by table: ``insert``, ``update``, ``delete``."""

    # --- ContextOwner: no callbacks run, so these are never used ---------------------------------

    def submit(self, call: Call[Any]) -> None:
        """Do nothing: what was sent is in the recording."""

    def subscribe(self, *queries: Any, **callbacks: Any) -> Subscription:
        """Return a subscription that is never sent."""
        return Subscription(map(str, queries))

    # --- lines ----------------------------------------------------------------------------------

    def sent(self, payload: bytes | str) -> None:
        """Take a payload of the client."""
        try:
            for request in self.connection.dialect.decode_sent(payload):
                self._note(request)
        except DecodeError:
            return

    def _note(self, request: Outgoing) -> None:
        calls, sets = self.connection.calls, self.connection.sets
        match request:
            case SubscribeSent(request_id, set_id, queries):
                subscription = Subscription(queries, legacy=set_id is None)
                sets.subscribe_sent(request_id, set_id, subscription)
            case BatchSent(request_id, asked):
                sets.batch_sent(request_id, [(at, Subscription(texts)) for at, texts in asked])
            case UnsubscribeSent(request_id, set_id):
                sets.unsubscribe_sent(request_id, set_id)
            case QuerySent(key, sql):
                calls.call_sent(key, PendingCall(sql, None))
            case CallSent(request_id, kind, name, expects_reply) if expects_reply:
                call: Call[Any] = Call(kind, name)
                calls.call_sent(request_id, PendingCall(name, call))

    def _on_greeting(self, greeting: Greeting) -> None:
        self.identity, self.connection_id = greeting.identity, greeting.connection_id

    def events(self, payload: bytes | str) -> Iterator[ev.Event]:
        """Take a payload of the server and yield its events, as `ClientSession.events` does.

        Raises:
            ProtocolError: it does not decode, names unknown tables, or contradicts the recording.
        """
        inbox = deque([payload])
        while (events := self.connection.receive(inbox)) is not None:
            yield from events

    def received(self, payload: bytes | str) -> None:
        """Take a payload of the server and count its row callbacks; errors as `events`."""
        for event in self.events(payload):
            if type(event) is ev.TableChanged:
                counts = self.counts.setdefault(event.table.table_name, Counter())
                counts["insert"] += len(event.inserted)
                counts["update"] += len(event.updated)
                counts["delete"] += len(event.deleted)

    # --- the outcome ----------------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        """Return protocol, ids, callback counts and the rows of the cache, ready for JSON."""
        return {
            "protocol": self.protocol,
            "identity": None if self.identity is None else self.identity.to_hex(),
            "connection_id": None if self.connection_id is None else self.connection_id.to_hex(),
            "events": {
                table: {kind: n for kind, n in sorted(counts.items()) if n}
                for table, counts in sorted(self.counts.items())
                if any(counts.values())
            },
            "tables": {
                handle.table_name: rows
                for handle in self.db
                if (rows := sorted(map(self._row(handle), handle), key=_sort_key))
            },
        }

    def _row(self, handle: Any) -> Callable[[Any], Any]:
        codec = handle.table.codec
        types = self.module.bound.types
        return lambda row: to_json(codec.type, types, row, style="named", is_checked=True)


def _sort_key(row: Any) -> str:
    """JSON text with sorted keys, which is what rows are sorted by."""
    return dumps(_with_sorted_keys(row))


def _with_sorted_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_sorted_keys(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_with_sorted_keys(item) for item in value]
    return value
