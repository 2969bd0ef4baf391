"""The requests that a program makes of a session, from outside or from a callback, in any state.

`Requests` is one half of `ClientSession`. Requests go to the ledgers of the connection if it is
open; otherwise they wait or are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Disconnected, LocalProtocolError
from . import events as ev
from .all_tables import AllTables
from .context import Context
from .offline import Waiting
from .pending_call import Call, PendingCall
from .states import SessionState, SubscriptionInput, SubscriptionState
from .subscriptions import Subscription, query_text, query_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types import ConnectionId, Identity
    from .connection import Connection
    from .events import Event
    from .session_options import ClientOptions
    from .table_handles import ChangeStream, TableHandle


class Requests:
    """Takes requests. Contexts and table handles use it as their `ContextOwner` and `HandleOwner`."""

    db: Any

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self.state = SessionState.IDLE
        """The state of the session."""
        self.identity: Identity | None = None
        """This client's identity; None before the first greeting."""
        self.connection_id: ConnectionId | None = None
        """The id of the current (or last) connection."""
        self.close_error: BaseException | None = None
        """Why the last connection ended; None if it has not, or if this client closed it."""
        self.wants_everything = True
        """Whether row differences are built for tables without callbacks too. The pump turns it off,
        unless a callback wants whole transactions."""
        self.wants_outcomes = True
        """Whether there is a `ReducerCompleted` event for each call besides `CallDone`. The pump turns
        it off, unless a callback wants those."""
        self._connection: Connection | None = None
        self._was_open = False
        self._end_pending = False
        self._waiting = Waiting()
        self._extra: list[Event] = []
        """Events to report before the next message."""
        self._callback_check: Callable[[Callable[..., object]], None] | None = None
        self._stream_factory: Callable[[TableHandle[Any], int], ChangeStream[Any]] | None = None

    # --- HandleOwner: what table handles use --------------------------------------------------

    def set_driver(
        self,
        *,
        check_callback: Callable[[Callable[..., object]], None],
        change_stream: Callable[[TableHandle[Any], int], ChangeStream[Any]],
    ) -> None:
        """Set what depends on the driver: which callbacks it can run, and its change streams."""
        self._callback_check = check_callback
        self._stream_factory = change_stream

    def check_callback(self, callback: Callable[..., object]) -> None:
        """Refuse a callback that the driver cannot run (TypeError)."""
        if self._callback_check is not None:
            self._callback_check(callback)

    def change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        """Make the stream behind `TableHandle.changes`."""
        if self._stream_factory is None:
            raise LocalProtocolError("changes() needs a client that is driven by a transport")
        return self._stream_factory(table, max_buffered)

    # --- requests -----------------------------------------------------------------------------

    def call(
        self,
        call: Call[Any],
        *,
        on_done: Callable[[PendingCall[Any]], object] | None = None,
    ) -> PendingCall[Any]:
        """Queue a call of a reducer or procedure.

        Args:
            call: what to call.
            on_done: run with the returned object when its outcome is known, after the row callbacks
                of the same message.

        Raises:
            LocalProtocolError: the session is not open and calls do not wait, or the call does not
                fit the schema (EncodeError), or too many are in flight, or it is not a call.
            Disconnected: the connection is lost and ``offline="fail"``.
        """
        if not isinstance(call, Call):
            raise LocalProtocolError(
                f"a call is what a function of reducers or procedures returns, not {call!r}; write"
                " call(reducers.NAME(...))"
            )
        return self._request(PendingCall(call.name, call, on_done), "call")

    def submit(self, call: Call[Any]) -> None:
        """Queue a call without waiting for its outcome."""
        self.call(call)

    def query(
        self,
        query: object,
        *,
        on_done: Callable[[PendingCall[Any]], object] | None = None,
    ) -> PendingCall[Any]:
        """Queue a one-off query; its value will be `Rows`. Errors as `call`."""
        return self._request(PendingCall(query_text(query), None, on_done), "run a query")

    def subscribe(
        self,
        *queries: object,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
        legacy: bool = False,
        replaces: Subscription | None = None,
    ) -> Subscription:
        """Queue a subscription to one query set and return its pending handle.

        Args:
            queries: SQL texts or queries of the builder; lists of them are taken apart. An `AllTables`
                among them stands for every table and view.
            on_applied: ``on_applied(ctx)`` when its first rows are in the cache.
            on_error: ``on_error(ctx, error)`` when it was refused or has failed.
            on_end: ``on_end(ctx)`` when it ended because this client asked.
            legacy: use v1's replaceable set where the protocol has it.
            replaces: the subscription that it replaces when it is applied; callbacks see only the
                difference.

        Raises:
            Disconnected: the connection is closed; its ``__cause__`` is why, if it was lost.
        """
        texts = query_texts(query for query in queries if not isinstance(query, AllTables))
        for callback in (on_applied, on_error, on_end):
            if callback is not None:
                self.check_callback(callback)
        subscription = Subscription(
            texts, on_applied=on_applied, on_error=on_error, on_end=on_end, legacy=legacy
        )
        subscription.all_tables = any(isinstance(query, AllTables) for query in queries)
        subscription.replaces = replaces
        subscription.bind(self._unsubscribe)
        if self.state is SessionState.CLOSED or self.state is SessionState.CLOSING:
            # Not LocalProtocolError: the connection may have been lost a moment before the call.
            raise Disconnected("cannot subscribe: the connection is closed") from self.close_error
        if self.state is SessionState.OPEN:
            assert self._connection is not None
            self._connection.sets.subscribe(subscription)
        else:
            self._waiting.sets.append(subscription)
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription.state is SubscriptionState.PENDING:
            subscription.move(SubscriptionInput.UNSUBSCRIBE)
            self._waiting.forget(subscription)
            self._extra.append(ev.SetEnded(Context(self, None), subscription))
            return
        if self._connection is None:
            subscription.move(SubscriptionInput.UNSUBSCRIBE)  # raises: it is over
        else:
            self._connection.sets.unsubscribe(subscription)

    def _request(self, pending: PendingCall[Any], what: str) -> PendingCall[Any]:
        """Send a call or query, or keep it until it can be sent.

        Raises:
            LocalProtocolError, Disconnected: it can be sent neither now nor later.
        """
        state = self.state
        if state is SessionState.OPEN and not self._end_pending:
            assert self._connection is not None
            self._connection.calls.send(pending)
            return pending
        if pending.call is not None:
            what = f"{what} {pending.name!r}"
        if state is SessionState.CLOSED or state is SessionState.CLOSING:
            raise Disconnected(f"cannot {what}: the connection is closed") from self.close_error
        # `on_connect` runs while the subscriptions are being replayed. Calls made in it are sent
        # after those, so that their rows come after the difference was reported.
        is_replaying = state is SessionState.REPLAYING and not self._end_pending
        if self.options.offline == "wait" or is_replaying:
            self._waiting.calls.append(pending)
            return pending
        if self._was_open:
            raise Disconnected(f"cannot {what}: the connection is lost and not back yet")
        raise LocalProtocolError(f"cannot {what}: the session is {state.value}, not open")
