"""`Faults`: what a test can make the server do wrong, or do rarely (docs/protocol.md section 11)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

#: The compression tags of section 3.6.
Tag: TypeAlias = Literal["none", "brotli", "gzip"]


class Faults(msgspec.Struct):
    """Knobs that one database applies to its connections; all off by default.

    They may be changed at any time and count from the next message.
    """

    ok_empty: bool = False
    """v2: answer a call that changed nothing for the caller with OkEmpty instead of an empty Ok."""

    before_2_11: bool = False
    """Be like servers before 2.11: end a connection that sends SubscribeBatch, ignore session ids."""

    drop_before_first_message: bool = False
    """End new connections after the upgrade, without a close frame."""

    rotate_tags: tuple[Tag, ...] = ()
    """Compress payloads with these in turn, ignoring their size and the client's option."""

    messages_per_frame: int = 4096
    """v3: most messages in one payload; 1 switches batching off."""

    hold_until: int = 0
    """v3: keep messages back until this many can leave in one payload (0 sends at once)."""

    always_offsets: bool = False
    """Send row lists as RowOffsets even where FixedSize would do."""

    insert_and_delete: bool = False
    """v2: add to every update a row that is inserted and deleted by the same message."""

    duplicate_query_rows: bool = False
    """Send the rows of every query of a new set twice, as two queries would."""

    reverse_procedures: bool = False
    """Keep the results of procedures back until two wait, then send the later one first."""

    close_reason_length: int = 0
    """Lengthen close reasons to this many characters, beyond the 123 bytes of RFC 6455."""
