"""The requests that a program makes of a session, from outside or from a callback, in any state.

`Requests` is one half of `ClientSession`. Requests go to the ledgers of the connection if it is
open; otherwise they wait or are refused.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from ..errors import Disconnected, LocalProtocolError
from ..unknown_names import near_names, shown
from . import events as ev
from .all_tables import AllTables
from .callback_arity import check_callback
from .context import Context
from .offline import Waiting
from .pending_call import Call, PendingCall
from .states import SessionState, SubscriptionInput, SubscriptionState
from .stats import Counters
from .subscriptions import Subscription, query_text, query_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bindings.client_module import Module
    from ..types import ConnectionId, Identity
    from .connection import Connection
    from .events import Event
    from .session_options import ClientOptions
    from .table_handles import ChangeStream, TableHandle


class Requests:
    """Takes requests. Contexts and table handles use it as their `ContextOwner` and `HandleOwner`."""

    db: Any
    module: Module[Any]

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self.counters = Counters()
        """What `stats` shows; a driver adds the calls that its users stop waiting for."""
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
        self._failure: BaseException | None = None
        """What is about to end the current connection."""
        self._is_damaged = False
        """Whether `_failure` is one that another connection would not mend."""
        self._connection: Connection | None = None
        self._was_open = False
        self._end_pending = False
        self._waiting = Waiting(self.counters)
        self._extra: list[Event] = []
        """Events to report before the next message."""
        self._callback_check: Callable[[Callable[..., object]], None] | None = None
        self._stream_factory: Callable[[TableHandle[Any], int], ChangeStream[Any]] | None = None
        self._retry_in: Callable[[], float | None] | None = None

    @property
    def has_connection(self) -> bool:
        """Whether the server has greeted, and nothing has ended the connection since."""
        state = self.state
        return not self._end_pending and (
            state is SessionState.OPEN or state is SessionState.REPLAYING
        )

    # --- HandleOwner: what table handles use --------------------------------------------------

    def set_driver(
        self,
        *,
        check_callback: Callable[[Callable[..., object]], None],
        change_stream: Callable[[TableHandle[Any], int], ChangeStream[Any]],
        retry_in: Callable[[], float | None] | None = None,
    ) -> None:
        """Set what depends on the driver: which callbacks it can run, its change streams, and how
        many seconds it is to the next attempt to connect."""
        self._callback_check = check_callback
        self._stream_factory = change_stream
        self._retry_in = retry_in

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
            raise LocalProtocolError(self._no_call(call))
        return self._request(PendingCall(call.name, call, on_done), "call")

    def _no_call(self, given: object) -> str:
        """Return the error text for what is no call, such as the name of a reducer."""
        name = given if isinstance(given, str) else getattr(given, "__name__", None)
        text = shown(name) if isinstance(name, str) else reprlib.repr(given)
        bound = self.module.bound
        for kind, functions in (("reducers", bound.reducers), ("procedures", bound.procedures)):
            names = {function.definition.accessor: function for function in functions.values()}
            near = near_names(name, [*names, *functions]) if isinstance(name, str) else []
            if near:
                accessor = near[0] if near[0] in names else functions[near[0]].definition.accessor
                return (
                    f"a call is what a function of the bindings returns, not {text}; write"
                    f" call({kind}.{accessor}(...)) with module_bindings.{kind}, or with"
                    f" client.module.{kind}"
                )
        return (
            "a call is what a function of reducers or procedures of the bindings returns, not"
            f" {text}; write call(reducers.NAME(...))"
        )

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
            TypeError: a callback does not take the arguments that it will be called with.
            Disconnected: the connection is closed; its ``__cause__`` is why, if it was lost.
        """
        texts = query_texts(query for query in queries if not isinstance(query, AllTables))
        for name, callback in (
            ("on_applied", on_applied),
            ("on_error", on_error),
            ("on_end", on_end),
        ):
            if callback is not None:
                check_callback(name, callback)
                self.check_callback(callback)
        subscription = Subscription(
            texts, on_applied=on_applied, on_error=on_error, on_end=on_end, legacy=legacy
        )
        subscription.all_tables = any(isinstance(query, AllTables) for query in queries)
        subscription.replaces = replaces
        subscription.bind(self._unsubscribe, self.check_callback)
        if self.state is SessionState.CLOSED or self.state is SessionState.CLOSING:
            # Not LocalProtocolError: the connection may have been lost a moment before the call.
            raise self._over("subscribe")
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
        elif subscription.state in (SubscriptionState.SENT, SubscriptionState.APPLIED):
            if self._connection is None:  # its connection is ending, which settles it next
                subscription.move(SubscriptionInput.UNSUBSCRIBE)
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
            raise self._over(what)
        # `on_connect` runs while the subscriptions are being replayed. Calls made in it are sent
        # after those, so that their rows come after the difference was reported.
        is_replaying = state is SessionState.REPLAYING and not self._end_pending
        if self.options.offline == "wait" or is_replaying:
            self._waiting.calls.append(pending)
            return pending
        if self._was_open:
            raise self.lost(what)
        raise LocalProtocolError(
            f"cannot {what}: the session is {state.value}, not open{self._next_attempt()}"
        )

    def _over(self, what: str) -> Disconnected:
        """Return the error for a request that comes after the end."""
        closed = f"cannot {what}: the connection is closed"
        cause = self.close_error
        return Disconnected(closed) if cause is None else Disconnected.because(closed, cause)

    def lost(self, what: str) -> Disconnected:
        """Return the error for a request that comes while the connection is lost."""
        lost = f"cannot {what}: the connection is lost and not back yet{self._next_attempt()}"
        # Before the end was told, nobody knows whether another attempt follows.
        cause = self._failure or self.close_error
        return Disconnected.because(lost, cause, is_final=self._is_damaged)

    def _next_attempt(self) -> str:
        """Return what a text says of the next attempt."""
        if self.state is SessionState.CONNECTING:
            return " (connecting)"
        retry_in = None if self._retry_in is None else self._retry_in()
        return "" if retry_in is None else f" (waiting, next attempt in {retry_in:.1f} s)"
