"""One client's connection, without WebSocket: payloads in, payloads out (docs/protocol.md section 4).

`ServerConnection` has what the protocols share: the first message, the outbox with compression and
batching, closing. `connection_v2` and `connection_v1` add the messages. Nothing that a client sends
raises here: it is answered, or the connection ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeAlias

import msgspec

from ...errors import ProtocolError, QueryError
from ...messages.compression import BROTLI, GZIP, brotli_is_available, deflate
from ...messages.payloads import COMPRESS_ABOVE, MAX_BATCH_MESSAGES, SERVER_BATCH_SIZE, join
from ...protocols import V3_BSATN, ProtocolName
from ...types import ConnectionId, Identity, TimeDuration, Timestamp
from ..engine.database import Database
from ..engine.derived import DerivedError
from ..engine.live import LiveQuery, Share, Slot
from ..engine.outcomes import Caller, Commit
from .faults import Tag

Payload: TypeAlias = bytes | str

#: Reported as execution time, which this server does not measure.
NO_TIME: Final = TimeDuration(0)

#: Messages that may wait for a slow client (section 3.4).
_OUTGOING_QUEUE: Final = 16384

_TAGS: Final[dict[Tag, int]] = {"none": 0, "brotli": BROTLI, "gzip": GZIP}


class ConnectionOptions(msgspec.Struct, frozen=True):
    """The query parameters of the upgrade request (section 3.1)."""

    compression: Tag = "brotli"
    light: bool = False
    confirmed: bool = True


class SetRefused(Exception):
    """A query set cannot be subscribed to.

    Attributes:
        cause: what is wrong with one of its queries.
        text: the same with the query, as the server says it.
    """

    def __init__(self, cause: QueryError | DerivedError, text: str) -> None:
        super().__init__(text)
        self.cause = cause
        self.text = text


class Outgoing:
    """One message on its way: its body, and the compressed payloads made of it so far.

    Clients that get the same message share one of these, so it is compressed once.
    """

    __slots__ = ("body", "payloads")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.payloads: dict[int, bytes] = {}

    def payload(self, tag: int) -> bytes:
        """Return the body behind its compression tag."""
        made = self.payloads.get(tag)
        if made is None:
            made = self.payloads[tag] = bytes((tag,)) + (
                deflate(self.body, tag) if tag else self.body
            )
        return made


class ServerConnection(ABC):
    """The server's side of one client.

    Attributes:
        caller: the identity and rights of the client.
        protocol: the negotiated protocol.
        dropped: True when the TCP connection is to be ended without a close frame.
        is_overrun: True when that is because the client reads too slowly; do not wait until queued
            bytes are sent.
        close_request: (code, reason) once the connection is to be closed.
        wake: called when there is something to send, or the connection is to end.
    """

    def __init__(
        self,
        database: Database,
        *,
        protocol: ProtocolName,
        identity: Identity,
        connection_id: ConnectionId,
        token: str,
        options: ConnectionOptions,
    ) -> None:
        self.database = database
        self.protocol = protocol
        self.caller: Caller = database.caller(identity, connection_id, self)
        self.dropped = False
        self.is_overrun = False
        self.close_request: tuple[int, str] | None = None
        self.wake: Callable[[], None] | None = None
        self._token = token
        self._options = options
        self._outbox: list[Outgoing | str] = []
        self._is_live = False
        self._payloads_sent = 0

    # --- life ---------------------------------------------------------------------------------

    def start(self, now: Timestamp) -> None:
        """Run ``client_connected`` and queue the first message; a refusal sets `dropped`."""
        if self.database.faults.drop_before_first_message:
            self.dropped = True
            return
        if self.database.connect(self.caller, now) is not None:
            self.dropped = True
            return
        self._is_live = True
        self._send_first(self._token)

    def receive(self, payload: Payload, now: Timestamp) -> None:
        """Take one WebSocket message from the client; ignored once the connection is ending."""
        if not self._is_open:
            return
        try:
            self._receive(payload, now)
        except ProtocolError as error:
            self.close(1011, getattr(error, "detail", "") or error.message)

    def close(self, code: int, reason: str) -> None:
        """Ask for the connection to be closed, after everything queued was sent."""
        if self.close_request is None:
            wanted = self.database.faults.close_reason_length
            self.close_request = (code, reason.ljust(wanted, "."))
            self._notify()

    def disconnected(self, now: Timestamp) -> None:
        """Take note that the connection is over, however it ended: runs ``client_disconnected``."""
        self._outbox.clear()
        if self._is_live:
            self._is_live = False
            self.database.disconnect(self.caller, now)

    # --- sending ------------------------------------------------------------------------------

    def payloads_to_send(self) -> list[Payload]:
        """Take the WebSocket messages that wait to be sent."""
        outbox = self._outbox
        if not outbox:
            return []
        faults = self.database.faults
        batches = self.protocol == V3_BSATN
        if batches and len(outbox) < faults.hold_until and self.close_request is None:
            return []
        self._outbox = []
        if batches and len(outbox) > 1:
            bodies = [item.body for item in outbox if isinstance(item, Outgoing)]
            most = min(faults.messages_per_frame, MAX_BATCH_MESSAGES)
            outbox = [Outgoing(body) for body in join(bodies, SERVER_BATCH_SIZE, most)]
        return [item if isinstance(item, str) else self._payload(item) for item in outbox]

    def _payload(self, message: Outgoing) -> bytes:
        rotation = self.database.faults.rotate_tags
        if rotation:
            tag = _TAGS[rotation[self._payloads_sent % len(rotation)]]
            self._payloads_sent += 1
        elif len(message.body) > COMPRESS_ABOVE:
            tag = _TAGS[self._options.compression]
        else:
            tag = 0
        if tag == BROTLI and not brotli_is_available():
            tag = GZIP  # a client must accept any tag
        return message.payload(tag)

    def _queue(self, message: Outgoing | str) -> None:
        if self._is_open:
            self._outbox.append(message)
            if len(self._outbox) > _OUTGOING_QUEUE:
                # A slow reader is dropped without a close frame, even inside a frame (section 3.4).
                self.dropped = self.is_overrun = True
                self._outbox.clear()
                self._notify()
                return
            if len(self._outbox) == 1 or self.database.faults.hold_until:
                self._notify()

    def _queue_shared(
        self, commit: Commit, key: Hashable, make: Callable[[], Outgoing | str]
    ) -> None:
        """Queue a message that other clients get too; it is made once, for the first of them."""
        made = commit.encoded.get(key)
        if made is None:
            made = commit.encoded[key] = make()
        self._queue(made)

    def _live_queries(
        self,
        texts: Sequence[str],
        hold: Callable[[LiveQuery], object],
        drop: Callable[[LiveQuery], object],
    ) -> list[LiveQuery]:
        """Return the queries of a set, each of them held.

        Args:
            texts: what the client asked for.
            hold: registers a query; may refuse it.
            drop: takes back what `hold` did.

        Raises:
            SetRefused: one of them is refused; none of them is held then.
        """
        queries: list[LiveQuery] = []
        for text in self.database.queries.expand(texts, self.caller):
            try:
                query = self.database.queries.live_query(text, self.caller)
                hold(query)
            except (QueryError, DerivedError) as error:
                for query in queries:
                    drop(query)
                raise SetRefused(error, f"{error}, executing: `{text}`") from error
            queries.append(query)
        return queries

    @property
    def _is_open(self) -> bool:
        return self._is_live and self.close_request is None and not self.dropped

    def _notify(self) -> None:
        if self.wake is not None:
            self.wake()

    # --- what the protocols add ---------------------------------------------------------------

    @abstractmethod
    def on_commit(self, commit: Commit, share: Share) -> None:
        """Queue this client's share of another caller's transaction."""

    @abstractmethod
    def on_query_failed(self, slots: list[Slot], text: str) -> None:
        """End the sets in these slots and inform the client."""

    @abstractmethod
    def _send_first(self, token: str) -> None:
        """Queue the message that begins a connection."""

    @abstractmethod
    def _receive(self, payload: Payload, now: Timestamp) -> None:
        """Handle one payload.

        Raises:
            ProtocolError: it is not a message; the connection is then closed with 1011 and its text.
        """


def share_key(share: Share) -> Hashable:
    """Return a key for a share, equal for equal shares of the same commit.

    Deltas are compared by `id`, which is enough: a commit has one object per changed query, which
    lives until all shares are handed out.
    """
    return tuple((slot, id(delta)) for slot, delta in share)


def already_exists(connection: ServerConnection, set_id: int) -> str:
    """Return the server's text for a query set id that is in use."""
    return (
        f"Subscription with id QuerySetId {{ id: {set_id} }} already exists for client:"
        f" {_client(connection)}"
    )


def not_found(connection: ServerConnection, set_id: int) -> str:
    """Return the server's text for a query set id that is not live."""
    return f"Subscription not found: ({_client(connection)}, QuerySetId {{ id: {set_id} }})"


def _client(connection: ServerConnection) -> str:
    caller = connection.caller
    return f"(Identity({caller.identity}), ConnectionId({caller.connection_id}))"
