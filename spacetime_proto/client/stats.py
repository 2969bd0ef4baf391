"""What a client has done so far, in numbers: `Counters` while it runs, `Stats` to look at.

Each number is counted where the fact happens: bytes in the session, messages in the connection, rows
in the ledger of updates, outcomes in that of calls, callbacks in the pump. Nothing here is done per
row. `Stats` is made when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import Disconnected, InternalError

if TYPE_CHECKING:
    from ..cache.changes import TableDiff
    from .pending_call import Departure, PendingCall


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one client at one moment, over all its connections.

    All but `calls_pending`, `cached_rows` and `cached_bytes` only ever grow, also across reconnects,
    and stay when the client is over. Times are in seconds, sizes in bytes.
    `msgspec.to_builtins` makes a dict of it.
    """

    messages_received: int = 0
    """Messages of the server; on protocol v3 a WebSocket message may hold several."""
    messages_sent: int = 0
    """Requests that were handed out for sending."""
    bytes_received: int = 0
    """Bytes of the stream: HTTP upgrade, frame headers, pings and compressed payloads as they came. TLS
    is not part of it."""
    bytes_sent: int = 0
    """Bytes that were handed out for sending, counted likewise."""
    rows_inserted: int = 0
    """Rows that appeared in the cache, as ``on_insert`` callbacks would see them; rows of event
    tables too. After a reconnect only the difference counts."""
    rows_deleted: int = 0
    """Rows that disappeared, as ``on_delete`` callbacks would see them."""
    rows_updated: int = 0
    """Rows that were replaced by one with the same primary key."""
    absent_deletes: int = 0
    """Deletes by the server of rows that the cache did not hold."""
    cached_rows: int = 0
    """Rows in the cache now."""
    cached_bytes: int = 0
    """The BSATN bytes of these rows, without the row objects and indexes made of them. To add them up
    takes some 20 ns per row, each time."""
    callbacks_run: int = 0
    """Calls of the program's callbacks."""
    callback_seconds: float = 0.0
    """Time in callbacks that returned; of async callbacks with the time that they waited."""
    calls_ok: int = 0
    """Calls and one-off queries that succeeded."""
    calls_failed: int = 0
    """Those whose error is the reducer's or the query's (ReducerError, QueryError)."""
    calls_internal_error: int = 0
    """Those that panicked or that the host could not run (InternalError)."""
    calls_lost: int = 0
    """Calls that were sent and not answered when the connection ended: their outcome is unknown."""
    calls_dropped: int = 0
    """Calls that were never sent, and queries that were not answered, when the connection ended."""
    calls_abandoned: int = 0
    """Those that somebody stopped waiting for, by a timeout or by cancelling. What comes of them is
    counted as well, once it is known."""
    calls_pending: int = 0
    """Those without an outcome now, the ones included that wait for a connection."""
    round_trips: int = 0
    """Calls and queries that were answered and timed: from handing the request out for sending to
    reading the answer."""
    round_trip_min_seconds: float | None = None
    """None before the first answer, like the next two."""
    round_trip_mean_seconds: float | None = None
    round_trip_max_seconds: float | None = None
    attempts: int = 0
    """Attempts to connect."""
    connections: int = 0
    """Attempts that led to the server's greeting."""
    connected_seconds: float = 0.0
    """Time from greeting to end, of all connections."""

    @property
    def reconnects(self) -> int:
        """Connections after the first one."""
        return max(0, self.connections - 1)


class Counters:
    """The numbers behind `Stats`, while they grow. Made by the session, and kept for its whole life."""

    __slots__ = (
        "absent_deletes",
        "attempts",
        "bytes_received",
        "bytes_sent",
        "callback_seconds",
        "callbacks_run",
        "calls_abandoned",
        "calls_answered",
        "calls_dropped",
        "calls_failed",
        "calls_internal_error",
        "calls_lost",
        "connected_seconds",
        "connected_since",
        "connections",
        "departure",
        "messages_received",
        "messages_sent",
        "read_at",
        "round_trip_max",
        "round_trip_min",
        "round_trip_sum",
        "round_trips",
        "rows_deleted",
        "rows_inserted",
        "rows_updated",
        "seconds",
        "together",
    )

    def __init__(self) -> None:
        self.read_at = 0.0
        """When bytes were last read, on the driver's clock."""
        self.messages_received = self.messages_sent = 0
        self.bytes_received = self.bytes_sent = 0
        self.rows_inserted = self.rows_deleted = self.rows_updated = self.absent_deletes = 0
        self.callbacks_run, self.callback_seconds = 0, 0.0
        self.seconds: list[float] = []
        """The times of callbacks that are not counted yet, which is done once for each read."""
        self.calls_answered = self.calls_failed = self.calls_internal_error = 0
        self.calls_lost = self.calls_dropped = self.calls_abandoned = 0
        self.round_trips, self.round_trip_sum = 0, 0.0
        self.round_trip_min, self.round_trip_max = float("inf"), 0.0
        self.departure: Departure | None = None
        self.together = 0
        """How many calls of this departure were answered by what was read at `read_at`. They are
        counted together, because they have the same round trip."""
        self.attempts = self.connections = 0
        self.connected_since: float | None = None
        """When the current connection was greeted."""
        self.connected_seconds = 0.0
        """Of the connections before the current one."""

    def read(self, data: bytes, now: float) -> None:
        """Count bytes that were read."""
        self.bytes_received += len(data)
        if self.together:
            self._add_round_trips()
        if self.seconds:
            self._add_seconds()
        self.read_at = now

    def changed(self, diffs: list[TableDiff]) -> None:
        """Count the rows that a message has changed."""
        for diff in diffs:
            self.rows_inserted += diff.inserted_count
            self.rows_deleted += diff.deleted_count
            self.rows_updated += diff.updated_count

    def answered(self, pending: PendingCall[Any]) -> None:
        """Count the outcome of a call or query whose answer was read at `read_at`."""
        if pending.error is not None:
            if isinstance(pending.error, InternalError):
                self.calls_internal_error += 1
            else:
                self.calls_failed += 1
        if pending.departure is not self.departure:
            self._add_round_trips()
            self.departure = pending.departure
        self.together += 1

    def _add_seconds(self) -> None:
        self.callbacks_run += len(self.seconds)
        self.callback_seconds += sum(self.seconds)
        self.seconds.clear()

    def _add_round_trips(self) -> None:
        """Count the calls that were answered `together`."""
        number, self.together = self.together, 0
        self.calls_answered += number
        departure, self.departure = self.departure, None
        if departure is not None and departure.at is not None:
            seconds = self.read_at - departure.at
            self.round_trips += number
            self.round_trip_sum += number * seconds
            self.round_trip_min = min(self.round_trip_min, seconds)
            self.round_trip_max = max(self.round_trip_max, seconds)

    def unanswered(self, pending: PendingCall[Any]) -> None:
        """Count a call or query that ended without an answer."""
        error = pending.error
        if not isinstance(error, Disconnected):
            # It waited for a connection, and then did not fit the schema.
            self.calls_answered += 1
            self.calls_failed += 1
        elif error.outcome_unknown:
            self.calls_lost += 1
        else:
            self.calls_dropped += 1

    def greeted(self, now: float) -> None:
        """Count a connection that begins."""
        self.connections += 1
        self.connected_since = now

    def ended(self, now: float) -> None:
        """Note that the connection, if there was one, is over."""
        self.connected_seconds = self._connected_until(now)
        self.connected_since = None

    def _connected_until(self, now: float) -> float:
        since = self.connected_since
        return self.connected_seconds + (0.0 if since is None else max(0.0, now - since))

    def at(self, now: float, *, pending: int, rows: int, size: int) -> Stats:
        """Return the numbers as they are now.

        Args:
            now: the time, on the clock of the session's inputs.
            pending: how many calls and queries have no outcome.
            rows: how many rows the cache holds.
            size: how many bytes these are.
        """
        self._add_round_trips()
        self._add_seconds()
        trips = self.round_trips
        return Stats(
            messages_received=self.messages_received,
            messages_sent=self.messages_sent,
            bytes_received=self.bytes_received,
            bytes_sent=self.bytes_sent,
            rows_inserted=self.rows_inserted,
            rows_deleted=self.rows_deleted,
            rows_updated=self.rows_updated,
            absent_deletes=self.absent_deletes,
            cached_rows=rows,
            cached_bytes=size,
            callbacks_run=self.callbacks_run,
            callback_seconds=self.callback_seconds,
            calls_ok=self.calls_answered - self.calls_failed - self.calls_internal_error,
            calls_failed=self.calls_failed,
            calls_internal_error=self.calls_internal_error,
            calls_lost=self.calls_lost,
            calls_dropped=self.calls_dropped,
            calls_abandoned=self.calls_abandoned,
            calls_pending=pending,
            round_trips=trips,
            round_trip_min_seconds=self.round_trip_min if trips else None,
            round_trip_mean_seconds=self.round_trip_sum / trips if trips else None,
            round_trip_max_seconds=self.round_trip_max if trips else None,
            attempts=self.attempts,
            connections=self.connections,
            connected_seconds=self._connected_until(now),
        )
