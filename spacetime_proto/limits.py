"""Every limit on what a peer may make this side do, with its name and default.

A limit that is exceeded raises `LimitExceeded`, which names it as here. All sizes are in bytes, all
times in seconds. The defaults admit everything that a SpacetimeDB server sends; raise one only when
the data behind the error is known to be legitimate.
"""

from __future__ import annotations

import msgspec

__all__ = ["DEFAULT_LIMITS", "MAX_ROWS", "Limits"]

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB

#: Default of `Limits.max_rows_per_message`: about 33 million.
MAX_ROWS = 1 << 25


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one connection."""

    message_size: int = 1 * _GIB
    """Largest WebSocket message accepted, as it comes over the wire."""

    decompressed_size: int = 2 * _GIB
    """Largest payload accepted after decompression."""

    decompression_ratio: int = 1000
    """How many bytes one compressed byte may become, once the result passes the floor below."""

    decompression_floor: int = 64 * _MIB
    """A decompressed payload up to this size is accepted whatever its ratio."""

    nesting_depth: int = 128
    """How deep a value of a recursive type, or a JSON text, may nest."""

    outgoing_size: int = 32 * _MIB
    """Largest message sent; a SpacetimeDB server drops the connection beyond 32 MiB."""

    in_flight: int = 8192
    """Calls, queries and subscriptions that may wait for their answer at one time."""

    header_size: int = 64 * _KIB
    """Largest HTTP header section accepted, of an upgrade or of any other response."""

    handshake_time: float = 10.0
    """Time for the whole WebSocket handshake."""

    max_rows_per_message: int = MAX_ROWS
    """Rows, and the lists and messages that hold them, accepted in one payload."""

    row_ratio: int = 16
    """How many rows one byte on the wire may stand for, once a payload passes the floor below."""

    row_floor: int = 256 * 1024
    """A payload may hold this many rows whatever its size on the wire."""

    zero_size_rows: int = 1_000_000
    """Rows without columns, or array elements of size zero, accepted in one list."""

    verify_rows: bool = False
    """Decode every row when its message comes, not when somebody reads it. For replay, fuzzing."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name != "verify_rows" and not value > 0:
                raise ValueError(f"limit {name} must be greater than 0, not {value!r}")

    def rows_for(self, wire_size: int) -> int:
        """Return how many rows a payload of `wire_size` compressed bytes may hold.

        A row takes more memory as an object than it takes bytes in a well-compressed payload, so
        the size cap alone would let 1 KiB on the wire become gigabytes of row objects.
        """
        # Not with min and max: this is asked for every payload, and they cost twice as much.
        rows = self.row_ratio * wire_size
        if rows < self.row_floor:
            rows = self.row_floor
        return rows if rows < self.max_rows_per_message else self.max_rows_per_message

    def decompressed_for(self, wire_size: int) -> int:
        """Return how many bytes a compressed body of `wire_size` bytes may become."""
        by_ratio = max(self.decompression_floor, self.decompression_ratio * wire_size)
        return min(self.decompressed_size, by_ratio)


#: The limits of a connection that was given none.
DEFAULT_LIMITS = Limits()
