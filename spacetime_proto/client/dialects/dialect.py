"""What every dialect does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...limits import Limits
    from ...schema.bound import BoundFunction, BoundModule
    from ..meaning import Incoming, Outgoing

__all__ = ["Dialect"]


class Dialect(ABC):
    """One protocol: requests to payloads, payloads to meaning."""

    protocol: ClassVar[str]
    """The subprotocol's name."""
    shares_rows: ClassVar[bool]
    """Whether the server leaves out rows that another set of this client already holds (v1)."""
    has_legacy_set: ClassVar[bool]
    """Whether there is a Subscribe that replaces the one before it (v1)."""

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
        """Return what the answer to a one-off query is found by: on v1 it has ids of its own."""

    @abstractmethod
    def subscribe(self, request_id: int, set_id: int, queries: Sequence[str]) -> bytes | str:
        """Encode the subscription of one query set."""

    @abstractmethod
    def subscribe_legacy(self, request_id: int, queries: Sequence[str]) -> bytes | str:
        """Encode v1's replacing Subscribe; only where `has_legacy_set`."""

    @abstractmethod
    def unsubscribe(self, request_id: int, set_id: int) -> bytes | str:
        """Encode the end of one query set."""

    def batch(self, payloads: list[bytes | str]) -> list[bytes | str]:
        """Put several messages into as few payloads as the protocol allows."""
        return payloads

    # --- in -----------------------------------------------------------------------------------

    @abstractmethod
    def decode(self, payload: bytes | str) -> tuple[Incoming] | Iterator[Incoming]:
        """Return what the messages of a payload mean, at least one; each is read when it is asked for.

        The commonest payloads are one short message, which was read at once: then it is a tuple.

        Raises:
            ProtocolError: DecodeError or LimitExceeded, for whatever is wrong with it. The iterator
                raises it too.
        """

    @abstractmethod
    def decode_sent(self, payload: bytes | str) -> Iterator[Outgoing]:
        """Yield what a recorded payload of a client asked for; DecodeError as a server has it."""

    @abstractmethod
    def decode_args(self, function: BoundFunction, args: bytes | str) -> tuple[Any, ...]:
        """Decode the arguments of somebody's call."""

    @abstractmethod
    def decode_return(self, function: BoundFunction, value: bytes | str) -> Any:
        """Decode a procedure's return value."""
