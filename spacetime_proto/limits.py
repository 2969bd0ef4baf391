"""Every limit on what a peer may make this side do, with its name and default.

When the server sends more than a limit allows, `LimitExceeded` is raised; when the program asks for
more, `LocalProtocolError`; the two limits of the handshake raise `HandshakeError`. Each of these
errors ends with ``(limit NAME = VALUE)``. Sizes are in bytes, times in seconds. The defaults admit
everything that a SpacetimeDB server sends; raise one only when the data behind the error is known
to be legitimate. docs/choosing-a-protocol.md has the table.
"""

from __future__ import annotations

import math

import msgspec

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB

#: Default of `Limits.max_rows_per_message`: about 33 million.
MAX_ROWS = 1 << 25


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one connection.

    message_size: int = 1 GiB
        Largest WebSocket message accepted, in bytes as they come over the wire.
    decompressed_size: int = 2 GiB
        Largest payload accepted after decompression, in bytes.
    decompression_ratio: int = 1000
        How many bytes one compressed byte may become, once the result passes the floor below.
    decompression_floor: int = 64 MiB
        A decompressed payload up to this size is accepted whatever its ratio.
    nesting_depth: int = 128
        How often a value may enter a recursive type inside itself, in BSATN and in JSON, and how
        many levels a type may have (SchemaError).
    outgoing_size: int = 32 MiB
        Largest message sent; a SpacetimeDB server drops the connection beyond 32 MiB.
    in_flight: int = 8192
        Calls, queries and subscriptions that may wait for their answer at one time.
    header_size: int = 64 KiB
        Largest HTTP header section accepted in the answer to the upgrade.
    handshake_time: float = 10.0
        Seconds for the whole WebSocket handshake.
    max_rows_per_message: int = 2**25
        Rows, and the lists and messages that hold them, accepted in one payload, however large.
    row_ratio: int = 16
        How many rows one byte on the wire may stand for, once a payload passes the floor below.
    row_floor: int = 2**18
        A payload may hold this many rows whatever its size on the wire.
    zero_size_rows: int = 16_384
        Rows without columns in one list of rows, and array elements that take no bytes in one
        value (a row, the arguments of a call, a result): nothing else bounds how many are
        announced.
    verify_rows: bool = False
        Decode every row when its message comes, not when somebody reads it. For replay, fuzzing.
    """

    message_size: int = 1 * _GIB
    decompressed_size: int = 2 * _GIB
    decompression_ratio: int = 1000
    decompression_floor: int = 64 * _MIB
    nesting_depth: int = 128
    outgoing_size: int = 32 * _MIB
    in_flight: int = 8192
    header_size: int = 64 * _KIB
    handshake_time: float = 10.0
    max_rows_per_message: int = MAX_ROWS
    row_ratio: int = 16
    row_floor: int = 256 * 1024
    zero_size_rows: int = 16_384
    verify_rows: bool = False

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name == "verify_rows":
                if not isinstance(value, bool):
                    raise ValueError(f"limit {name} must be True or False, not {value!r}")
                continue
            kind = (int, float) if name == "handshake_time" else int
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ValueError(f"limit {name} must be a number, not {value!r}")
            if not 0 < value < math.inf:
                raise ValueError(f"limit {name} must be greater than 0, not {value!r}")

    def rows_for(self, wire_size: int) -> int:
        """Return how many rows a payload of `wire_size` compressed bytes may hold.

        A row takes more memory as an object than it takes bytes in a well-compressed payload, so
        the size cap alone would let 1 KiB on the wire become gigabytes of row objects.
        """
        # Without min and max, which take twice as long: this is called for every payload.
        rows = self.row_ratio * wire_size
        if rows < self.row_floor:
            rows = self.row_floor
        return rows if rows < self.max_rows_per_message else self.max_rows_per_message

    def decompressed_for(self, wire_size: int) -> int:
        """Return how many bytes a compressed body of `wire_size` bytes may become."""
        by_ratio = max(self.decompression_floor, self.decompression_ratio * wire_size)
        return min(self.decompressed_size, by_ratio)


def sent_size(payload: bytes | str) -> int:
    """Return how many bytes a payload takes on the wire; `outgoing_size` counts those."""
    if type(payload) is str and not payload.isascii():
        return len(payload.encode())
    return len(payload)


#: The limits of a connection that was given none.
DEFAULT_LIMITS = Limits()
