"""Answers about query sets: applied, ended, refused, and what that does to the cache.

Functions over a `Connection`, one per kind of message; each yields that message's events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from ..errors import Disconnected, ProtocolError, SubscriptionError
from .events import (
    SetApplied,
    SetEnded,
    SetFailed,
    SubscribeApplied,
    SubscriptionFailed,
    UnsubscribeApplied,
)
from .states import SubscriptionInput, SubscriptionState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .connection import Connection
    from .context import Context
    from .events import Event
    from .incoming import Applied, Refused, Unapplied
    from .subscriptions import Subscription

__all__ = [
    "LEGACY_SET",
    "SHARED_SET",
    "end_subscriptions",
    "on_applied",
    "on_refused",
    "on_unapplied",
    "refused_legacy_request",
]

#: v1 sends each row once per client, whichever sets hold it, so there all sets share one bag.
SHARED_SET = 0
#: The bag of v1's legacy subscription; outside the range of ids on the wire.
LEGACY_SET = 1 << 32


def _request(connection: Connection, request_id: int, kind: str) -> tuple[Subscription, bool]:
    # Looked up, not taken: if a callback refuses the message, the request is still open.
    try:
        return connection.set_requests[request_id]
    except KeyError:
        raise ProtocolError(f"{kind} answers request {request_id}, which is unknown") from None


def on_applied(connection: Connection, message: Applied) -> Iterator[Event]:
    subscription, _ = _request(connection, message.request_id, "SubscribeApplied")
    ctx = connection.context(SubscribeApplied(subscription))
    changes = message.changes
    if message.set_id is None:
        changes = [structs.replace(change, query_set=LEGACY_SET) for change in changes]
        plan = connection.cache.plan(changes, drop=(LEGACY_SET,))
    else:
        replaced = subscription.replaces
        drop = () if replaced is None else (replaced.set_id,)
        plan = connection.cache.plan(changes, drop=drop)
    yield from connection.before(plan, ctx)
    del connection.set_requests[message.request_id]
    set_id = LEGACY_SET if message.set_id is None else message.set_id
    replaced = connection.legacy if message.set_id is None else subscription.replaces
    subscription.move(SubscriptionInput.APPLIED)
    if message.set_id is None:
        connection.legacy = subscription
    connection.sets[set_id] = subscription
    changed = connection.apply(plan, ctx)
    if replaced is not None and replaced is not subscription:
        _retire(connection, replaced, set_id)
    first_time = not subscription.was_applied
    if subscription.state is SubscriptionState.APPLIED:
        subscription.was_applied = True
        if first_time:
            yield SetApplied(ctx, subscription)
    yield from changed
    yield from connection.conclude(subscription)


def _retire(connection: Connection, replaced: Subscription, new_set: int) -> None:
    """End a set whose rows were just replaced by those of another."""
    if replaced.is_ended:
        return
    connection.sets.pop(replaced.set_id, None) if replaced.set_id != new_set else None
    if replaced.set_id != LEGACY_SET and replaced.state is SubscriptionState.APPLIED:
        connection.unsubscribe(replaced)
    elif replaced.state in (SubscriptionState.APPLIED, SubscriptionState.SENT):
        replaced.move(SubscriptionInput.LOST)


def on_unapplied(connection: Connection, message: Unapplied) -> Iterator[Event]:
    subscription, _ = _request(connection, message.request_id, "UnsubscribeApplied")
    ctx = connection.context(UnsubscribeApplied(subscription))
    if message.changes is None:
        plan = connection.cache.plan((), drop=(message.set_id,))
    else:
        plan = connection.cache.plan(message.changes)
    yield from connection.before(plan, ctx)
    del connection.set_requests[message.request_id]
    if connection.sets.get(message.set_id) is subscription:
        del connection.sets[message.set_id]
    subscription.move(SubscriptionInput.ENDED)
    changed = connection.apply(plan, ctx)
    yield from connection.conclude(subscription, SetEnded(ctx, subscription), *changed)


def on_refused(connection: Connection, message: Refused) -> Iterator[Event]:
    if message.request_id is not None:
        subscription, is_subscribe = _request(connection, message.request_id, "SubscriptionError")
        del connection.set_requests[message.request_id]
        if is_subscribe:
            yield from _fail_set(connection, subscription, message.error, drop=())
        else:
            # The server has no such set any more, so its rows are stale here too.
            yield from _on_unapplied_unknown(connection, subscription)
        return
    if message.set_id is None or connection.dialect.shares_rows:
        yield from _lose_everything(connection, message.error)
        return
    live = connection.sets.get(message.set_id)
    if live is not None:
        del connection.sets[message.set_id]
        yield from _fail_set(connection, live, message.error, drop=(message.set_id,))
    elif message.set_id > connection.highest_set:
        raise ProtocolError(f"SubscriptionError names query set {message.set_id}, which is unknown")


def refused_legacy_request(connection: Connection) -> int | None:
    """Return the oldest legacy Subscribe that waits: SpacetimeDB 1.x refuses it without naming it."""
    for request_id, (subscription, is_subscribe) in connection.set_requests.items():
        if is_subscribe and subscription.set_id == LEGACY_SET:
            return request_id
    return None


def _fail_set(
    connection: Connection, subscription: Subscription, text: str, *, drop: tuple[int, ...]
) -> Iterator[Event]:
    error = SubscriptionError(text, queries=subscription.queries)
    ctx = connection.context(SubscriptionFailed(subscription, error))
    plan = connection.cache.plan((), drop=drop)
    yield from connection.before(plan, ctx)
    was_ending = subscription.state is SubscriptionState.ENDING
    subscription.move(SubscriptionInput.REFUSED)
    subscription.error = error
    yield from connection.apply(plan, ctx)
    outcome: Event = (
        SetEnded(ctx, subscription) if was_ending else SetFailed(ctx, subscription, error)
    )
    yield from connection.conclude(subscription, outcome)


def _on_unapplied_unknown(connection: Connection, subscription: Subscription) -> Iterator[Event]:
    ctx = connection.context(UnsubscribeApplied(subscription))
    live = connection.sets.get(subscription.set_id) is subscription
    drop = (subscription.set_id,) if live and not connection.dialect.shares_rows else ()
    plan = connection.cache.plan((), drop=drop)
    yield from connection.before(plan, ctx)
    if live:
        del connection.sets[subscription.set_id]
    if not subscription.is_ended and subscription.state is not SubscriptionState.PENDING:
        subscription.move(SubscriptionInput.ENDED)
    changed = connection.apply(plan, ctx)
    yield from connection.conclude(subscription, SetEnded(ctx, subscription), *changed)


def _lose_everything(connection: Connection, text: str) -> Iterator[Event]:
    """An error with neither id: the server has dropped all of this client's sets."""
    lost = dict.fromkeys(connection.sets.values())
    error = SubscriptionError(text)
    ctx = connection.context(SubscriptionFailed(None, error))
    plan = connection.cache.plan_clear()
    yield from connection.before(plan, ctx)
    connection.sets.clear()
    connection.legacy = None
    yield from connection.apply(plan, ctx)
    for subscription in lost:
        failure = SubscriptionError(text, queries=subscription.queries)
        was_ending = subscription.state is SubscriptionState.ENDING
        subscription.move(SubscriptionInput.REFUSED)
        subscription.error = failure
        outcome: Event = (
            SetEnded(ctx, subscription) if was_ending else SetFailed(ctx, subscription, failure)
        )
        yield from connection.conclude(subscription, outcome)


def end_subscriptions(
    waiting: Iterable[Subscription],
    cause: BaseException | None,
    ctx: Context[Any],
    *,
    for_good: bool,
) -> Iterator[Event]:
    """Move subscriptions on after the loss of their connection, and say which of them failed."""
    for subscription in [one for one in waiting if not one.is_ended]:
        was_ending = subscription.state is SubscriptionState.ENDING
        if not for_good:
            subscription.move(SubscriptionInput.REPLAY)
            if subscription.is_ended:
                yield SetEnded(ctx, subscription)
            continue
        subscription.move(SubscriptionInput.LOST)
        if subscription.state is SubscriptionState.FAILED:
            what = "this client closed the connection" if cause is None else str(cause)
            error = Disconnected(
                f"the subscription was not applied: {what}",
                code=getattr(cause, "code", None),
                reason=getattr(cause, "reason", ""),
            )
            error.__cause__ = cause
            subscription.error = error
            yield SetFailed(ctx, subscription, error)
        elif was_ending:
            yield SetEnded(ctx, subscription)
