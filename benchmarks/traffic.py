"""What the replay server sends, made beforehand: rows, messages, frames.

The rows are those of the comparison with the official clients: `player` {id u64 key, name string,
x, y, z f32, level u32, online bool}, 43 bytes each, and `location` {id u64 key, chunk u64 btree,
x, z i32, dimension u32}, 28 bytes each, 100 of them to a chunk. Messages are cut and batched as a
SpacetimeDB 2.8.3 server does it: frames of at most 4096 bytes, one message to a payload on v2, up to
4096 messages or 512 KiB to a payload on v3.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Final

from spacetime_proto.messages import v2
from spacetime_proto.sats.rows import RowList
from spacetime_proto.types import ConnectionId, Identity, Timestamp
from spacetime_proto.wire.frames_fast import FastCodec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CALL", "Answers", "applied", "greeting", "ids_of", "prepare", "stream"]

FRAGMENT: Final = 4096
BATCH_MESSAGES: Final = 4096
BATCH_BYTES: Final = 512 * 1024
PER_CHUNK: Final = 100
#: The tag of a payload that is not compressed.
PLAIN: Final = b"\x00"

_PLAYER: Final = Struct("<QI14s3fI?")
_LOCATION: Final = Struct("<QQiiI")
_IDS: Final = Struct("<II")

#: A step that visits every row once, in an order that no cache line likes.
STEP: Final = 7919


def player(number: int, level: int = 0) -> bytes:
    """Return an encoded `player` row of 43 bytes."""
    name = b"player%08d" % number
    return _PLAYER.pack(number, 14, name, 1.0, 2.0, 3.0, level, number % 2 == 0)


def location(number: int) -> bytes:
    """Return an encoded `location` row of 28 bytes."""
    return _LOCATION.pack(number, number // PER_CHUNK, number, -number, 0)


def frames(payloads: Iterable[bytes]) -> bytes:
    """Return payloads as the server's WebSocket frames, joined."""
    codec = FastCodec(client=False, message_size=1 << 30, fragment_size=FRAGMENT, entropy=bytes)
    return b"".join(chunk for payload in payloads for chunk in codec.encode(payload))


def payloads(messages: Sequence[bytes], *, batched: bool) -> Iterable[bytes]:
    """Put messages into payloads: one each, or as many as version 3 puts together."""
    if not batched:
        yield from (PLAIN + message for message in messages)
        return
    batch: list[bytes] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == BATCH_MESSAGES or size + len(message) > BATCH_BYTES):
            yield PLAIN + b"".join(batch)
            batch, size = [], 0
        batch.append(message)
        size += len(message)
    if batch:
        yield PLAIN + b"".join(batch)


def greeting() -> bytes:
    """Return the payload of the first message, which tells the client who it is."""
    identity = Identity(bytes(31) + b"\x01")
    message = v2.InitialConnection(identity, ConnectionId(bytes(15) + b"\x01"), "no token")
    return PLAIN + v2.encode_server(message)


@lru_cache(maxsize=4)
def _applied(table: str, rows: int) -> tuple[bytes, int]:
    """Return the frames of a SubscribeApplied, and where its ids are in them."""
    make = player if table == "player" else location
    listed = RowList.from_rows([make(number) for number in range(rows)])
    message = v2.SubscribeAppliedMessage(0, 0, (v2.SingleTableRows(table, listed),))
    sent = frames([PLAIN + v2.encode_server(message)])
    header = 2 if sent[1] < 126 else 4
    return sent, header + 2  # after the compression tag and the message's


def prepare(table: str, rows: int) -> None:
    """Make what `applied` returns, so that no client waits for it."""
    _applied(table, rows)


def applied(table: str, rows: int, request_id: int, set_id: int) -> list[bytes | memoryview]:
    """Return the frames of a SubscribeApplied that holds the whole table."""
    sent, at = _applied(table, rows)
    head = sent[:at] + _IDS.pack(request_id, set_id)
    return [head, memoryview(sent)[len(head) :]]


@lru_cache(maxsize=8)
def stream(count: int, per_transaction: int, rows: int, set_id: int, *, batched: bool) -> bytes:
    """Return the frames of transactions that update `count` rows in all, each row once per lap."""
    messages = []
    for first in range(0, count, per_transaction):
        old, new = [], []
        for position in range(first, min(first + per_transaction, count)):
            lap, place = divmod(position, rows)
            number = place * STEP % rows
            old.append(player(number, lap))
            new.append(player(number, lap + 1))
        change = v2.PersistentRows(RowList.from_rows(new), RowList.from_rows(old))
        table = v2.TableUpdate("player", (change,))
        update = v2.TransactionUpdate((v2.QuerySetUpdate(set_id, (table,)),))
        messages.append(v2.encode_server(update))
    return frames(payloads(messages, batched=batched))


#: A call of `no_op` is this, with the request's id in the middle.
_CALL_HEAD: Final = b"\x03"
_CALL_TAIL: Final = v2.encode_client(v2.CallReducer(0, "no_op", b""))[5:]
CALL: Final = 1 + 4 + len(_CALL_TAIL)


class Answers:
    """Answers to no-op calls, many at a time: they differ in the request's id only."""

    def __init__(self, *, batched: bool) -> None:
        answer = v2.encode_server(v2.ReducerResult(0, Timestamp(0), v2.ReducerOk()))
        self._answer = answer
        self._batched = batched
        self._one_frame = frames([PLAIN + answer])
        self._id_at = len(self._one_frame) - len(answer) + 1

    @staticmethod
    def are_calls(payload: bytes) -> bool:
        """Whether a client's payload is calls of `no_op` and nothing else."""
        count, rest = divmod(len(payload), CALL)
        return (
            not rest
            and payload[::CALL] == _CALL_HEAD * count
            and all(payload[5 + at :: CALL] == _CALL_TAIL[at : at + 1] * count for at in (0, 5, 9))
        )

    def to(self, ids: list[bytes]) -> bytes:
        """Return the frames that answer requests; an id is the four bytes that the client sent."""
        if self._batched:
            return frames(payloads([self._one(self._answer, 1, id_) for id_ in ids], batched=True))
        frame, at = self._one_frame, self._id_at
        return (frame[:at] + (frame[at + 4 :] + frame[:at]).join(ids)) + frame[at + 4 :]

    @staticmethod
    def _one(answer: bytes, at: int, request_id: bytes) -> bytes:
        return answer[:at] + request_id + answer[at + 4 :]


def ids_of(payload: bytes) -> list[bytes]:
    """Return the request ids in a payload of calls."""
    return [payload[at + 1 : at + 5] for at in range(0, len(payload), CALL)]
