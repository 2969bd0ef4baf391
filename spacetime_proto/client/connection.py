"""The client's side of one WebSocket connection, without the WebSocket: payloads in, payloads out.

Three ledgers keep what a connection knows, and nothing else changes them: `Calls` (requests that
wait for a reply), `Sets` (query sets), `Updates` (the cache). `Connection` feeds them: it hands
each message to the ledger that handles it, and sends what the ledgers have queued. It lives as long
as one socket; `ClientSession` makes a new one to reconnect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConnectError, Disconnected, ProtocolError
from ..protocols import SESSION_BUSY
from . import meaning
from .calls import Calls
from .context import Context
from .events import Connected
from .outbox import Outbox
from .sets import Sets

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator

    from ..cache.cache import Cache
    from ..limits import Limits
    from ..schema.bound import BoundModule
    from .context import ContextOwner
    from .db import Db
    from .dialects.dialect import Dialect
    from .events import Event
    from .meaning import Greeting, Incoming
    from .pending_call import PendingCall
    from .sets import SetRequest
    from .subscriptions import Subscription
    from .tap import Tap


class Connection:
    """One connection's requests, answers, query sets and cache.

    Args:
        module: the schema and classes.
        limits: what may be in flight, and how large a request may be.
        dialect: the negotiated protocol.
        cache: the cache to fill.
        db: the table handles, which hold the listeners.
        owner: the session that contexts refer to.
        on_greeting: called with the server's first message; an exception from it ends the
            connection.
        tap: sees every payload.
        previous: after a reconnect, the cache that `db` shows until all `replayed` are settled.
        replayed: the subscriptions taken over from the connection before.
        may_batch: whether the server may know the request that asks for all of them at once.
    """

    def __init__(
        self,
        module: BoundModule,
        limits: Limits,
        dialect: Dialect,
        *,
        cache: Cache,
        db: Db,
        owner: ContextOwner,
        on_greeting: Callable[[Greeting], object],
        tap: Tap | None = None,
        previous: Cache | None = None,
        replayed: Iterable[Subscription] = (),
        may_batch: bool = True,
    ) -> None:
        calls: dict[int | bytes, PendingCall[Any]] = {}
        requests: dict[int, SetRequest] = {}
        self.dialect = dialect
        self.greeting: Greeting | None = None
        """The server's first message, once it has come."""
        self._outbox = outbox = Outbox(limits, calls, requests)
        self.sets = Sets(
            dialect,
            outbox,
            requests,
            cache=cache,
            db=db,
            owner=owner,
            previous=previous,
            replayed=replayed,
            may_batch=may_batch,
        )
        self.updates = self.sets.updates
        self.calls = Calls(module, dialect, outbox, calls, self.sets, owner)
        self._owner = owner
        self._counters = owner.counters
        self._on_greeting = on_greeting
        self._tap = tap
        self._rest: Iterator[Incoming] | None = None
        """The unread messages of the payload that was opened last."""
        self._receivers: dict[type, Callable[[Any], Iterable[Event]]] = {
            meaning.Greeting: self._greeted,
            meaning.Applied: self.sets.on_applied,
            meaning.BatchApplied: self.sets.on_batch_applied,
            meaning.Unapplied: self.sets.on_unapplied,
            meaning.Refused: self.sets.on_refused,
            meaning.Changed: self.calls.on_changed,
            meaning.RowChanged: self.updates.on_row_changed,
            meaning.ReducerReply: self.calls.on_reducer_reply,
            meaning.CallCommitted: self.calls.on_call_committed,
            meaning.ProcedureReply: self.calls.on_procedure_reply,
            meaning.QueryReply: self.calls.on_query_reply,
        }

    def payloads_to_send(self, now: float) -> list[bytes | str]:
        """Take the queued payloads, batched as the protocol allows, to be sent at this time."""
        payloads = self._outbox.take(now)
        self._counters.messages_sent += len(payloads)
        if len(payloads) > 1:
            payloads = self.dialect.batch(payloads)
        if self._tap is not None:
            for payload in payloads:
                self._tap.message("client", payload)
        return payloads

    def receive(self, inbox: deque[bytes | str]) -> Iterable[Event] | None:
        """Handle the next message; return its events, or None if there is none.

        Most messages are applied when this returns, and their events are a list. Others give a
        generator that applies the message between two events, so that `on_before_delete` sees the
        old rows. Run all events before the next call: no callback may see a later transaction.

        Args:
            inbox: the payloads that have come, oldest first; the next is taken when the one before
                has no message left.

        Raises:
            ProtocolError: the payload cannot be decoded, or contradicts earlier messages. Nothing
                of the faulty message was applied.
        """
        rest = self._rest
        message = None if rest is None else next(rest, None)
        if message is None:
            if not inbox:
                self._rest = None
                return None
            payload = inbox.popleft()
            if self._tap is not None:
                self._tap.message("server", payload)
            messages = self.dialect.decode(payload)
            if type(messages) is tuple:
                (message,) = messages
                if rest is not None:
                    self._rest = None
            else:
                self._rest = rest = iter(messages)
                message = next(rest)  # every payload holds a message
        self._counters.messages_received += 1
        return self._receivers[type(message)](message)

    def _greeted(self, message: Greeting) -> Iterator[Event]:
        if self.greeting is not None:
            raise ProtocolError("the server greeted a second time")
        self.greeting = message
        self.calls.greeted(message)
        self._on_greeting(message)
        ctx: Context[Any] = Context(self._owner, None)
        yield Connected(ctx, message.identity, message.connection_id, message.token)
        yield from self.sets.replay()

    def end(self, cause: BaseException | None, *, for_good: bool) -> Iterator[Event]:
        """Settle everything that still waits: the connection is gone.

        Args:
            cause: why, or None when this client closed it.
            for_good: no other connection will take the subscriptions over.
        """
        ctx = self.updates.transaction_context
        yield from self.calls.end(cause, ctx, for_good=for_good)
        yield from self.sets.end(cause, ctx, for_good=for_good)


def before_greeting(cause: BaseException, *, accepted: bool) -> BaseException:
    """Explain an end that came between the handshake and the first message.

    The server drops the connection without a close frame when the module's client_connected
    reducer refuses the client (docs/protocol.md section 3.3), so that is the likely reason; with a
    close code of its own while another connection holds the client's session (section 3.7).
    """
    if not isinstance(cause, Disconnected | OSError):
        return cause
    busy = isinstance(cause, Disconnected) and cause.code == SESSION_BUSY
    if busy:
        text = (
            "the server still has an earlier connection of this client, which it ends now"
            f" (close {SESSION_BUSY}); try again in a moment"
        )
    elif accepted:
        text = (
            "the server accepted the connection and ended it before its first message; most likely "
            f"the module's client_connected reducer refused this client ({cause})"
        )
    else:
        text = f"the connection was lost during the handshake: {cause}"
    error = ConnectError(text, is_transient=busy or not accepted)
    error.retry_soon = busy
    error.__cause__ = cause
    return error
