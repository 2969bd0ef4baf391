"""Whether the server knows SubscribeBatch, as far as a client can tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..errors import Disconnected

if TYPE_CHECKING:
    from .sets import Sets

#: What a server before 2.11 says when it ends a connection that has sent a SubscribeBatch
#: (docs/protocol.md section 16.2).
_UNKNOWN_BATCH: Final = re.compile(r"unknown tag (0x0*)?5\b", re.IGNORECASE)
#: So many connections in a row may end while they wait for the answer, for other reasons.
_MAX_UNANSWERED: Final = 2


class BatchSupport:
    """What one client knows of its server.

    Args:
        refused_by: URLs of servers that do not know the request, added to as they show it; clients
            that share the set learn from each other. Not given: this client learns alone.
        server: URL of this client's server.
    """

    def __init__(self, refused_by: set[str] | None = None, server: str = "") -> None:
        self._refused_by = set() if refused_by is None else refused_by
        self._server = server
        self._unanswered = 0

    @property
    def is_likely(self) -> bool:
        """Whether to send SubscribeBatch."""
        return self._unanswered < _MAX_UNANSWERED and self._server not in self._refused_by

    def connection_ended(self, sets: Sets, cause: BaseException | None) -> None:
        """Learn from the end of a connection, and mark its cause if the next one will do better."""
        if not sets.awaits_batch:
            if self.is_likely:
                self._unanswered = 0
        elif isinstance(cause, Disconnected) and _UNKNOWN_BATCH.search(cause.reason):
            self._refused_by.add(self._server)
            cause.retry_soon = True
        else:
            self._unanswered += 1
