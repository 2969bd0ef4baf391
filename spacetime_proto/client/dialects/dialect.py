"""The interface of all dialects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...limits import Limits
    from ...schema.bound import BoundFunction, BoundModule
    from ..meaning import Incoming, Outgoing


class Dialect(ABC):
    """One protocol: requests to payloads, payloads to meaning."""

    protocol: ClassVar[str]
    """The subprotocol's name."""
    shares_rows: ClassVar[bool]
    """Whether the server leaves out rows that another set of this client already holds (v1)."""
    has_legacy_set: ClassVar[bool]
    """Whether there is a Subscribe that replaces the one before it (v1)."""

    has_batches: ClassVar[bool] = False
    """Whether there is one request for several query sets; servers before 2.11 do not know it."""

    def __init__(self, module: BoundModule, limits: Limits) -> None:
        self.module = module
        self.limits = limits

    # --- out ----------------------------------------------------------------------------------

    @abstractmethod
    def call(self, request_id: int, function: BoundFunction, args: Sequence[Any]) -> bytes | str:
        """Encode a call; EncodeError when the arguments do not fit."""

    @abstractmethod
    def query(self, request_id: int, sql: str) -> bytes | str:
        """Encode a one-off query."""

    @abstractmethod
    def query_key(self, request_id: int) -> int | bytes:
        """Return the key that the answer to a one-off query carries: on v1 a message id."""

    @abstractmethod
    def subscribe(self, request_id: int, set_id: int, queries: Sequence[str]) -> bytes | str:
        """Encode the subscription of one query set."""

    def subscribe_batch(
        self, request_id: int, sets: Sequence[tuple[int, Sequence[str]]]
    ) -> bytes | str:
        """Encode the subscription of several query sets, by id; only where `has_batches`."""
        raise NotImplementedError

    @abstractmethod
    def subscribe_legacy(self, request_id: int, queries: Sequence[str]) -> bytes | str:
        """Encode v1's legacy Subscribe, which replaces the set; only where `has_legacy_set`."""

    @abstractmethod
    def unsubscribe(self, request_id: int, set_id: int) -> bytes | str:
        """Encode the end of one query set."""

    def batch(self, payloads: list[bytes | str]) -> list[bytes | str]:
        """Put several messages into as few payloads as the protocol allows."""
        return payloads

    # --- in -----------------------------------------------------------------------------------

    @abstractmethod
    def decode(self, payload: bytes | str) -> tuple[Incoming] | Iterator[Incoming]:
        """Return the meanings of the messages of a payload, at least one.

        An iterator reads each message when it is asked for: callbacks of one message run before
        the next is read. The commonest payload is one short message; it comes as a tuple, which
        saves a generator.

        Raises:
            ProtocolError: DecodeError or LimitExceeded; the iterator raises them too.
        """

    @abstractmethod
    def decode_sent(self, payload: bytes | str) -> Iterator[Outgoing]:
        """Yield the requests in a recorded client payload; DecodeError where a server raises it."""

    @abstractmethod
    def decode_args(self, function: BoundFunction, args: bytes | str) -> tuple[Any, ...]:
        """Decode the arguments of a call that the server reports."""

    @abstractmethod
    def decode_return(self, function: BoundFunction, value: bytes | str) -> Any:
        """Decode a procedure's return value."""
