"""The ledger of query sets: which were asked for, which are live, and what answers change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from ..errors import Disconnected, LocalProtocolError, ProtocolError, SubscriptionError
from .causes import SubscribeApplied, SubscriptionFailed, UnsubscribeApplied
from .context import Context
from .events import SetApplied, SetEnded, SetFailed
from .meaning import LEGACY_SET, SHARED_SET, Applied
from .states import SubscriptionInput, SubscriptionState
from .subscriptions import Subscription
from .updates import Updates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..cache.cache import Cache, Plan
    from ..cache.changes import TableChange
    from .context import ContextOwner
    from .db import Db
    from .dialects.dialect import Dialect
    from .events import Event
    from .meaning import BatchApplied, Refused, Unapplied
    from .outbox import Outbox


class SetRequest(NamedTuple):
    """A Subscribe or Unsubscribe that waits for its answer."""

    subscription: Subscription
    is_subscribe: bool


class Sets:
    """The query sets of one connection.

    Args:
        dialect: encodes the requests, and says whether sets share their rows.
        outbox: queues them.
        requests: where they wait for their answers, by request id.
        cache, db, owner, previous: the arguments of `Updates`.
        replayed: the subscriptions taken over from the connection before.
        may_batch: whether to ask for all of them with one request, if the dialect has it.
    """

    def __init__(
        self,
        dialect: Dialect,
        outbox: Outbox,
        requests: dict[int, SetRequest],
        *,
        cache: Cache,
        db: Db,
        owner: ContextOwner,
        previous: Cache | None,
        replayed: Iterable[Subscription],
        may_batch: bool,
    ) -> None:
        self.live: dict[int, Subscription] = {}
        """The sets whose rows are in the cache, by id."""
        self.updates = Updates(cache, db, owner, self, previous)
        """The ledger of the cache, which asks this one which rows concern it."""
        self._dialect = dialect
        self._outbox = outbox
        self._owner = owner
        self._requests = requests
        self._batches: dict[int, list[Subscription]] = {}
        """The requests for several sets that wait for their answers, by request id."""
        self._may_batch = may_batch and dialect.has_batches
        self._legacy: Subscription | None = None
        self._next_id = 1
        self._highest_id = 0
        self._to_replay = list(replayed)
        self._replaying: set[Subscription] = set()
        self._held: list[Event] = []
        """Events that are kept back until all replayed sets are settled."""

    # --- requests -----------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription) -> None:
        """Queue a Subscribe for a pending subscription; LocalProtocolError as `Outbox`."""
        subscription.choose(self._dialect.module, self._dialect.protocol)
        request_id = self._outbox.new_id()
        set_id: int | None = None
        if subscription.legacy and self._dialect.has_legacy_set:
            payload = self._dialect.subscribe_legacy(request_id, subscription.queries)
        else:
            set_id = self._next_id
            payload = self._dialect.subscribe(request_id, set_id, subscription.queries)
            self._next_id += 1
        self._outbox.put(payload)
        self.subscribe_sent(request_id, set_id, subscription)

    def subscribe_sent(
        self, request_id: int, set_id: int | None, subscription: Subscription
    ) -> None:
        """Note that a Subscribe with these ids is on its way; None is v1's legacy set."""
        subscription.move(SubscriptionInput.SEND)
        if set_id is None:
            set_id = LEGACY_SET
        else:
            self._highest_id = max(self._highest_id, set_id)
        subscription.set_id = set_id
        self._requests[request_id] = SetRequest(subscription, True)

    def _subscribe_all(self, subscriptions: list[Subscription]) -> bool:
        """Queue one request for several subscriptions; False if it would be too large to send."""
        asked: list[tuple[int, Subscription]] = []
        for set_id, subscription in enumerate(subscriptions, self._next_id):
            subscription.choose(self._dialect.module, self._dialect.protocol)
            asked.append((set_id, subscription))
        request_id = self._outbox.new_id()
        sets = [(set_id, subscription.queries) for set_id, subscription in asked]
        try:
            self._outbox.put(self._dialect.subscribe_batch(request_id, sets))
        except LocalProtocolError:
            return False
        self._next_id += len(asked)
        self.batch_sent(request_id, asked)
        return True

    def batch_sent(self, request_id: int, asked: Iterable[tuple[int, Subscription]]) -> None:
        """Note that a request for several sets, given with their ids, is on its way."""
        batch = self._batches[request_id] = []
        for set_id, subscription in asked:
            subscription.move(SubscriptionInput.SEND)
            subscription.set_id = set_id
            self._highest_id = max(self._highest_id, set_id)
            batch.append(subscription)

    @property
    def awaits_batch(self) -> bool:
        """Whether a request for several sets has no answer yet."""
        return bool(self._batches)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ask for the end of a subscription that was sent.

        Raises:
            LocalProtocolError: it is over, or the end was asked for before, or it is the legacy
                set of v1, which can only be replaced.
        """
        if subscription.set_id == LEGACY_SET:
            raise LocalProtocolError(
                "the legacy subscription of protocol v1 cannot be ended, only replaced"
            )
        if subscription.state is SubscriptionState.PENDING:
            raise LocalProtocolError("the subscription was not sent on this connection")
        subscription.move(SubscriptionInput.UNSUBSCRIBE)
        request_id = self._outbox.new_id()
        self._outbox.put(self._dialect.unsubscribe(request_id, subscription.set_id))
        self._requests[request_id] = SetRequest(subscription, False)

    def unsubscribe_sent(self, request_id: int, set_id: int) -> None:
        """Note that an Unsubscribe with these ids is on its way (used by playback)."""
        subscription = self.live.get(set_id)
        if subscription is None:  # a recording may end what was never asked for
            subscription = Subscription(())
            subscription.move(SubscriptionInput.SEND)
            subscription.move(SubscriptionInput.UNSUBSCRIBE)
        self._requests[request_id] = SetRequest(subscription, False)

    # --- which rows concern this client -------------------------------------------------------

    def concerned(self, changes: list[TableChange]) -> list[TableChange]:
        """Drop the changes of sets that have ended; assign changes of v1 to their bag.

        Nearly always there is nothing to do, and `changes` itself is returned.

        Raises:
            ProtocolError: a change of a set that this connection never asked for.
        """
        live = self.live
        if self._dialect.shares_rows:
            if self._legacy is not None:
                return [
                    structs.replace(change, query_set=self._v1_bag(change.table))
                    for change in changes
                ]
            return changes
        for change in changes:
            if change.query_set not in live:
                break
        else:
            return changes
        for change in changes:
            if change.query_set > self._highest_id:
                raise ProtocolError(
                    f"an update names query set {change.query_set}, which is unknown"
                )
        return [change for change in changes if change.query_set in live]

    def _v1_bag(self, table: str) -> int:
        """Guess the bag of a v1 change while a legacy set is live: the message does not say.

        Without other sets it is the legacy set. With others, it is the legacy set only for tables
        that no other set names.
        """
        for set_id, subscription in self.live.items():
            if set_id != LEGACY_SET and any(table in query for query in subscription.queries):
                return SHARED_SET
        return LEGACY_SET

    # --- answers ------------------------------------------------------------------------------

    def _request(self, request_id: int, answer: str) -> SetRequest:
        # Not removed yet: if an `on_before_delete` callback raises, nothing may have changed, and
        # the end of the connection settles the subscription.
        try:
            request = self._requests[request_id]
        except KeyError:
            text = f"{answer} answers request {request_id}, which is unknown"
            raise ProtocolError(text) from None
        asked = "Subscribe" if request.is_subscribe else "Unsubscribe"
        if answer != "SubscriptionError" and answer != f"{asked}Applied":
            raise ProtocolError(
                f"{answer} answers request {request_id}, which was the {asked} of"
                f" {list(request.subscription.queries)!r}"
            )
        return request

    def on_applied(self, message: Applied) -> Iterator[Event]:
        subscription = self._request(message.request_id, "SubscribeApplied").subscription
        yield from self._applied(message, subscription)

    def on_batch_applied(self, message: BatchApplied) -> Iterator[Event]:
        """Settle the sets of a request for several.

        This client sends it only to replay, so the new cache is not shown before the last of them
        is settled, and callbacks see all sets change as one step.
        """
        request_id, results = message.request_id, message.results
        batch = self._batches.get(request_id)
        if batch is None:
            raise ProtocolError(
                f"SubscribeBatchApplied answers request {request_id}, which is unknown"
            )
        if [set_id for set_id, _ in results] != [one.set_id for one in batch]:
            raise ProtocolError(
                f"SubscribeBatchApplied names other query sets than request {request_id}"
            )
        del self._batches[request_id]
        for subscription, (set_id, outcome) in zip(batch, results, strict=True):
            if isinstance(outcome, str):
                yield from self._fail(subscription, outcome, None)
            else:
                yield from self._applied(Applied(request_id, set_id, outcome), subscription)

    def _applied(self, message: Applied, subscription: Subscription) -> Iterator[Event]:
        ctx = Context(self._owner, SubscribeApplied(subscription))
        changes = message.changes
        if message.set_id is None:
            set_id, replaced = LEGACY_SET, self._legacy
            changes = [structs.replace(change, query_set=set_id) for change in changes]
            drop: tuple[int, ...] = (set_id,)
        else:
            set_id, replaced = message.set_id, subscription.replaces
            drop = () if replaced is None else (replaced.set_id,)
        plan = self.updates.cache.plan(changes, drop=drop)
        yield from self.updates.before(plan, ctx)
        self._requests.pop(message.request_id, None)  # not there: a set of a batch
        subscription.move(SubscriptionInput.APPLIED)
        if message.set_id is None:
            self._legacy = subscription
        self.live[set_id] = subscription
        changed = self.updates.apply(plan, ctx)
        if replaced is not None and replaced is not subscription:
            self._retire(replaced, set_id)
        if subscription.state is SubscriptionState.APPLIED:
            first_time, subscription.was_applied = not subscription.was_applied, True
            if first_time:
                yield SetApplied(ctx, subscription)
        yield from changed
        yield from self._conclude(subscription)

    def _retire(self, replaced: Subscription, new_set: int) -> None:
        """End a set whose rows have just been replaced by those of another set."""
        if replaced.is_ended:
            return
        if replaced.set_id != new_set:
            self.live.pop(replaced.set_id, None)
        if replaced.set_id != LEGACY_SET and replaced.state is SubscriptionState.APPLIED:
            self.unsubscribe(replaced)
        elif replaced.state in (SubscriptionState.APPLIED, SubscriptionState.SENT):
            replaced.move(SubscriptionInput.LOST)

    def on_unapplied(self, message: Unapplied) -> Iterator[Event]:
        subscription = self._request(message.request_id, "UnsubscribeApplied").subscription
        if message.changes is None:
            plan = self.updates.cache.plan((), drop=(message.set_id,))
        else:
            plan = self.updates.cache.plan(message.changes)
        yield from self._unapplied(message.request_id, message.set_id, subscription, plan)

    def _unapplied(
        self, request_id: int, set_id: int, subscription: Subscription, plan: Plan
    ) -> Iterator[Event]:
        ctx = Context(self._owner, UnsubscribeApplied(subscription))
        yield from self.updates.before(plan, ctx)
        del self._requests[request_id]
        if self.live.get(set_id) is subscription:
            del self.live[set_id]
        subscription.move(SubscriptionInput.ENDED)
        changed = self.updates.apply(plan, ctx)
        yield from self._conclude(subscription, SetEnded(ctx, subscription), *changed)

    def on_refused(self, message: Refused) -> Iterable[Event]:
        request_id, set_id, text = message.request_id, message.set_id, message.error
        if request_id is not None:
            subscription, is_subscribe = self._request(request_id, "SubscriptionError")
            if is_subscribe:
                del self._requests[request_id]
                return self._fail(subscription, text, None)
            # The server has no such set any more, so its rows are stale here too.
            set_id = subscription.set_id
            is_live = self.live.get(set_id) is subscription and not self._dialect.shares_rows
            plan = self.updates.cache.plan((), drop=(set_id,) if is_live else ())
            return self._unapplied(request_id, set_id, subscription, plan)
        if set_id is None or self._dialect.shares_rows:
            return self._lose_everything(text)
        live = self.live.get(set_id)
        if live is not None:
            return self._fail(live, text, set_id)
        if set_id > self._highest_id:
            raise ProtocolError(f"SubscriptionError names query set {set_id}, which is unknown")
        return ()

    def refused_legacy_request(self) -> int | None:
        """Return the oldest legacy Subscribe that waits: SpacetimeDB 1.x refuses it without an id."""
        for request_id, (subscription, is_subscribe) in self._requests.items():
            if is_subscribe and subscription.set_id == LEGACY_SET:
                return request_id
        return None

    def _fail(self, subscription: Subscription, text: str, live: int | None) -> Iterator[Event]:
        """End a set that was refused, or one that is `live` under this id."""
        error = SubscriptionError(text, queries=subscription.queries)
        ctx = Context(self._owner, SubscriptionFailed(subscription, error))
        plan = self.updates.cache.plan((), drop=() if live is None else (live,))
        yield from self.updates.before(plan, ctx)
        if live is not None:
            del self.live[live]
        outcome = _refused(subscription, error, ctx)
        yield from self.updates.apply(plan, ctx)
        yield from self._conclude(subscription, outcome)

    def _lose_everything(self, text: str) -> Iterator[Event]:
        """An error with neither id: the server has dropped all of this client's sets."""
        lost = dict.fromkeys(self.live.values())
        ctx = Context(self._owner, SubscriptionFailed(None, SubscriptionError(text)))
        plan = self.updates.cache.plan_clear()
        yield from self.updates.before(plan, ctx)
        self.live.clear()
        self._legacy = None
        yield from self.updates.apply(plan, ctx)
        for subscription in lost:
            error = SubscriptionError(text, queries=subscription.queries)
            yield from self._conclude(subscription, _refused(subscription, error, ctx))

    # --- replay, and the end ------------------------------------------------------------------

    def replay(self) -> Iterable[Event]:
        """Subscribe again to the sets of before; without any, report the difference."""
        if self.updates.is_shown:
            return ()
        asked = [one for one in self._to_replay if not one.is_ended]
        self._replaying.update(asked)
        if not (self._may_batch and len(asked) > 1 and self._subscribe_all(asked)):
            for subscription in asked:
                self.subscribe(subscription)
        return self._finish_replay()

    def _conclude(self, subscription: Subscription, *events: Event) -> Iterable[Event]:
        """Return the events of a settled set; while replaying, keep them until all are settled."""
        if self.updates.is_shown:
            return events
        self._replaying.discard(subscription)
        self._held.extend(events)
        return self._finish_replay()

    def _finish_replay(self) -> Iterable[Event]:
        """When all sets are settled, show the new cache; return the difference and kept events."""
        if self._replaying:
            return ()
        held, self._held = self._held, []
        return [*self.updates.reveal(), *held]

    @property
    def subscriptions(self) -> list[Subscription]:
        """The subscriptions that another connection would have to take over."""
        asked = [one.subscription for one in self._requests.values() if one.is_subscribe]
        found = dict.fromkeys([*self.live.values(), *asked, *self._to_replay])
        return [subscription for subscription in found if not subscription.is_ended]

    def end(
        self, cause: BaseException | None, ctx: Context[Any], *, for_good: bool
    ) -> Iterator[Event]:
        """Settle all sets: the connection is gone."""
        asked = [one.subscription for one in self._requests.values()]
        waiting = dict.fromkeys([*asked, *self.live.values(), *self._to_replay])
        yield from self._held  # lost before the new cache was shown, but over all the same
        yield from end_subscriptions(waiting, cause, ctx, for_good=for_good)


def _refused(subscription: Subscription, error: SubscriptionError, ctx: Context[Any]) -> Event:
    """Record that a set was refused or has failed; return the event."""
    was_ending = subscription.state is SubscriptionState.ENDING
    subscription.move(SubscriptionInput.REFUSED)
    subscription.error = error
    return SetEnded(ctx, subscription) if was_ending else SetFailed(ctx, subscription, error)


def end_subscriptions(
    waiting: Iterable[Subscription],
    cause: BaseException | None,
    ctx: Context[Any],
    *,
    for_good: bool,
) -> Iterator[Event]:
    """Move subscriptions on after their connection is lost; yield the events of ended ones."""
    for subscription in [one for one in waiting if not one.is_ended]:
        was_ending = subscription.state is SubscriptionState.ENDING
        if not for_good:
            subscription.move(SubscriptionInput.REPLAY)
            if subscription.is_ended:
                yield SetEnded(ctx, subscription)
            continue
        subscription.move(SubscriptionInput.LOST)
        if subscription.state is SubscriptionState.FAILED:
            error = Disconnected.because("the subscription was not applied", cause)
            subscription.error = error
            yield SetFailed(ctx, subscription, error)
        elif was_ending:
            yield SetEnded(ctx, subscription)
