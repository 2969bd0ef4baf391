"""Events to callbacks: which functions run, with which arguments, in which order.

Order within one message (docs/cache.md, "Order"): ``on_applied``; then table by table inserts, deletes,
updates; then ``on_transaction``; then the reply of the call. The events come in that order already;
this module only looks up the listeners. Callback lists are tuples that are replaced, never changed,
so registering or unregistering during a dispatch takes effect with the next message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from . import events as ev
from .callback_arity import check_callback
from .events import CallDone, ReducerCompleted, TableChanged
from .pending_call import PendingCall
from .subscriptions import Subscription
from .table_handles import CallbackHandle

#: (function, arguments), in the order in which they run.
Calls: TypeAlias = Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]

#: What `on_done` and `on_change` functions get, which wake tasks and threads.
_WAITED_FOR = frozenset({PendingCall, Subscription})
_KINDS = (
    "connect",
    "connect_error",
    "disconnect",
    "transaction",
    "subscription_applied",
    "reducer",
)


class SlowCallback(msgspec.Struct, frozen=True):
    """Tell of callbacks that take long."""

    seconds: float
    """From when on they do; for row callbacks, a batch of them together."""
    tell: Callable[[Sequence[tuple[Callable[..., Any], tuple[Any, ...]]], float], object]
    """Called with the (function, arguments) that have run, and how many seconds that took."""


class Callbacks:
    """The callbacks of a client that belong to no table."""

    def __init__(self) -> None:
        self._by_kind: dict[str, tuple[Callable[..., Any], ...]] = dict.fromkeys(_KINDS, ())
        self.interests = (False, False)
        """Whether there are callbacks for whole transactions, and for the outcomes of all calls. An
        attribute, and another tuple when it changes, because it is looked at once per message."""
        self.slow: SlowCallback | None = None
        """Whom to tell of callbacks that take long."""
        self._own: set[Callable[..., Any]] = set()

    def add_own(self, kind: str, callback: Callable[..., Any]) -> None:
        """Register a callback of the client itself, which does not count as one of the program's."""
        self._own.add(callback)
        self.add(kind, callback)

    def is_users(self, function: Callable[..., Any], args: tuple[Any, ...]) -> bool:
        """Whether that is a callback of the program: no `add_own`, and none that wakes a waiter."""
        return not (args and type(args[0]) in _WAITED_FOR) and function not in self._own

    def add(self, kind: str, callback: Callable[..., Any]) -> CallbackHandle:
        """Register `callback` for ``connect``, ``connect_error``, ``disconnect``,
        ``transaction``, ``subscription_applied`` or ``reducer``.

        Raises:
            TypeError: it does not take the arguments that it will be called with.
        """
        check_callback(f"on_{kind}", callback)
        self._set(kind, (*self._by_kind[kind], callback))
        return CallbackHandle(callback, lambda: self.remove(kind, callback))

    def remove(self, kind: str, callback: Callable[..., Any]) -> None:
        """Unregister; ignored if it is not registered, because handles may be cancelled late."""
        found = list(self._by_kind[kind])
        if callback in found:
            found.remove(callback)
            self._set(kind, tuple(found))

    def _set(self, kind: str, callbacks: tuple[Callable[..., Any], ...]) -> None:
        by_kind = self._by_kind
        by_kind[kind] = callbacks
        self.interests = bool(by_kind["transaction"]), bool(by_kind["reducer"])

    def calls(self, event: ev.Event) -> Calls:
        """Yield the (function, arguments) that `event` makes run, in order."""
        return _CALLS[type(event)](self, event)

    def only_call(
        self, message: list[ev.Event]
    ) -> tuple[Callable[..., Any], tuple[Any, ...], bool] | None:
        """Return the only callback of a message without `calls`: (function, arguments, `is_users`).

        A shortcut for the commonest messages of a busy connection: an updated row with one
        listener, and the outcome of a call. The generators of `calls` took 3 of their 11 us. The
        result must be all that `calls` would yield for the message, so other events and other
        numbers of listeners give None, which means "use `calls`".

        Raises:
            DecodeError: the row is damaged.
        """
        if len(message) != 1:
            if len(message) != 2 or type(message[0]) is not ReducerCompleted:
                return None
            # A call that no caller waits for, and one callback that gets the outcomes of all calls.
            done, listeners_of_all = message[1], self._by_kind["reducer"]
            if type(done) is not CallDone or done.pending.on_done is not None:
                return None
            if len(listeners_of_all) != 1:
                return None
            return listeners_of_all[0], (message[0].ctx,), True
        (event,) = message
        if type(event) is TableChanged:
            listeners, diff = event.listeners, event.diff
            update = listeners.update
            if len(update) != 1 or diff.updated_count != 1:
                return None
            if diff.inserted_count or diff.deleted_count:
                return None
            ((old, new),) = diff.updated
            return update[0], (event.ctx, old, new), True
        if type(event) is CallDone:
            pending = event.pending
            return None if pending.on_done is None else (pending.on_done, (pending,), False)
        return None

    def afterwards(self) -> Calls:
        """Yield the (function, arguments) that run after everything else of a message."""
        return iter(())

    def waiters(self, event: ev.Event) -> Calls:
        """Yield only the functions of the driver that wake tasks or threads waiting for `event`."""
        if isinstance(event, ev.CallDone):
            return self._call_done(event)
        if isinstance(event, ev.SetApplied | ev.SetEnded | ev.SetFailed):
            subscription = event.subscription
            if subscription.on_change is not None:
                return iter([(subscription.on_change, (subscription,))])
        return iter(())

    def _table_changed(self, event: ev.TableChanged) -> Calls:
        listeners = event.listeners
        ctx = event.ctx
        if listeners.insert:
            for row in event.inserted:
                for callback in listeners.insert:
                    yield callback, (ctx, row)
        if listeners.delete:
            for row in event.deleted:
                for callback in listeners.delete:
                    yield callback, (ctx, row)
        if listeners.update:
            for old, new in event.updated:
                for callback in listeners.update:
                    yield callback, (ctx, old, new)

    def _before_delete(self, event: ev.BeforeDelete) -> Calls:
        for row in event.rows:
            for callback in event.listeners.before_delete:
                yield callback, (event.ctx, row)

    def _set_applied(self, event: ev.SetApplied) -> Calls:
        subscription = event.subscription
        if subscription.on_change is not None:
            yield subscription.on_change, (subscription,)
        if subscription.on_applied is not None:
            yield subscription.on_applied, (event.ctx,)
        yield from self._each("subscription_applied", event.ctx)

    def _set_ended(self, event: ev.SetEnded) -> Calls:
        subscription = event.subscription
        if subscription.on_end is not None:
            yield subscription.on_end, (event.ctx,)
        if subscription.on_change is not None:
            yield subscription.on_change, (subscription,)

    def _set_failed(self, event: ev.SetFailed) -> Calls:
        subscription = event.subscription
        if subscription.on_error is not None:
            yield subscription.on_error, (event.ctx, event.error)
        if subscription.on_change is not None:
            yield subscription.on_change, (subscription,)

    def _call_done(self, event: ev.CallDone) -> Calls:
        if event.pending.on_done is not None:
            yield event.pending.on_done, (event.pending,)

    def _each(self, kind: str, *args: Any) -> Calls:
        for callback in self._by_kind[kind]:
            yield callback, args


_CALLS: dict[type, Callable[[Callbacks, Any], Calls]] = {
    ev.TableChanged: Callbacks._table_changed,
    ev.BeforeDelete: Callbacks._before_delete,
    ev.SetApplied: Callbacks._set_applied,
    ev.SetEnded: Callbacks._set_ended,
    ev.SetFailed: Callbacks._set_failed,
    ev.CallDone: Callbacks._call_done,
    ev.Connected: lambda all_, event: all_._each("connect", event.ctx, event.identity, event.token),
    ev.ConnectFailed: lambda all_, event: all_._each("connect_error", event.ctx, event.error),
    ev.Ended: lambda all_, event: all_._each("disconnect", event.ctx, event.error),
    ev.TransactionApplied: lambda all_, event: all_._each("transaction", event.ctx, event.changes),
    ev.ReducerCompleted: lambda all_, event: all_._each("reducer", event.ctx),
}
