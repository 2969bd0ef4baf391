"""Messages of every protocol, both roles, against the crate spacetimedb-client-api-messages.

A message goes to the judge as our bytes, and as JSON that says which field is which. From the first
it makes the same bytes and that JSON, from the second the bytes again: those are its own messages,
which we decode and write again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from spacetime_proto.errors import SpacetimeError
from spacetime_proto.messages import v1, v2
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.messages.payloads import decompress
from spacetime_proto.recording.format import RecordedMessage
from spacetime_proto.sats.rows import RowList
from spacetime_proto.sats.sats_json import dumps, loads
from spacetime_proto.testing import strategies as sts
from spacetime_proto.testing.comparing import comparable
from spacetime_proto.types import TimeDuration
from tests.support.golden import GOOD_SESSIONS, golden_session

from .cases import JUDGED, LONG, SEED
from .rendering import render

if TYPE_CHECKING:
    from .conftest import Judge

pytestmark = LONG


class Kind(msgspec.Struct, frozen=True):
    """Messages of one protocol and role."""

    of: str
    messages: Callable[[], st.SearchStrategy[Any]]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], tuple[Any, int]]


KINDS = (
    Kind("v2 client", sts.v2_client_messages, v2.encode_client, v2.decode_client),
    Kind("v2 server", sts.v2_server_messages, v2.encode_server, v2.decode_server),
    Kind("v1 client", sts.v1_client_messages, v1.encode_client, v1.decode_client),
    Kind("v1 server", sts.v1_server_messages, v1.encode_server, v1.decode_server),
)
of_each_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.of for kind in KINDS])


@of_each_kind
def test_bsatn(rust: Judge, kind: Kind) -> None:
    @seed(SEED)
    @settings(parent=JUDGED, max_examples=300)
    @given(st.lists(kind.messages(), min_size=1, max_size=12))
    def run(messages: list[Any]) -> None:
        ours = [kind.encode(message).hex() for message in messages]
        forms = [render(message) for message in messages]
        answer = rust(of=kind.of, bsatn=ours, json=list(map(dumps, forms)))
        for message, data, form, read, made in zip(
            messages, ours, forms, answer["bsatn"], answer["json"], strict=True
        ):
            assert read.get("bsatn") == data, read
            assert read["left"] == 0
            assert loads(read["objects"]) == form
            # A message that the judge made itself.
            theirs = bytes.fromhex(made["bsatn"])
            decoded, end = kind.decode(theirs)
            assert end == len(theirs)
            assert comparable(decoded) == comparable(message)
            assert kind.encode(decoded) == theirs

    run()


@of_each_kind
def test_damaged_bsatn(rust: Judge, kind: Kind) -> None:
    """What we accept the judge accepts, and reads as the same."""

    @seed(SEED)
    @settings(parent=JUDGED, max_examples=300)
    @given(st.lists(kind.messages().map(kind.encode).flatmap(sts.damaged), min_size=1, max_size=12))
    def run(damaged: list[bytes]) -> None:
        verdicts = rust(of=kind.of, bsatn=[data.hex() for data in damaged])["bsatn"]
        for data, verdict in zip(damaged, verdicts, strict=True):
            try:
                message, end = kind.decode(data)
            except SpacetimeError:
                continue  # The crate looks neither at the bounds of rows nor at their number.
            assert verdict.get("left") == len(data) - end, verdict
            assert _one_sizeless_row(loads(verdict["objects"])) == render(message)

    run()


def _one_sizeless_row(message: Any) -> Any:
    """Write rows of size 0 as we read them: one row, at offset 0 (docs/protocol.md section 15)."""
    if isinstance(message, list):
        return [_one_sizeless_row(item) for item in message]
    if message == {"size_hint": {"FixedSize": 0}, "rows_data": ""}:
        return {"size_hint": {"RowOffsets": [0]}, "rows_data": ""}
    if isinstance(message, dict):
        return {name: _one_sizeless_row(item) for name, item in message.items()}
    return message


def test_rows_of_size_0_are_one_row() -> None:
    table = v1.OneOffTable("t", RowList.decode(bytes(7), 0)[0])
    theirs = {"table_name": "t", "rows": {"size_hint": {"FixedSize": 0}, "rows_data": ""}}
    response = v1.OneOffQueryResponse(b"", None, (table,), TimeDuration(0))
    assert render(response)["OneOffQueryResponse"]["tables"] == [_one_sizeless_row(theirs)]


def test_json_of_clients(rust: Judge) -> None:
    @seed(SEED)
    @settings(parent=JUDGED, max_examples=300)
    @given(st.lists(sts.v1_client_messages(json=True), min_size=1, max_size=12))
    def run(messages: list[Any]) -> None:
        texts = list(map(v1.CLIENT.to_json, messages))
        for message, text, verdict in zip(
            messages, texts, rust(of="v1.json client", json=texts)["json"], strict=True
        ):
            assert loads(verdict["objects"]) == loads(text)
            assert v1.CLIENT.from_json(verdict["objects"]) == message

    run()


def test_json_of_servers(rust: Judge) -> None:
    # Rows are texts in these messages; any bytes will do, written as a JSON string of hex.
    codec = JsonCodec(lambda _, text: bytes.fromhex(loads(text)), lambda _, row: dumps(row.hex()))

    @seed(SEED)
    @settings(parent=JUDGED, max_examples=300)
    @given(st.lists(sts.v1_server_messages(json=True), min_size=1, max_size=12))
    def run(messages: list[Any]) -> None:
        texts = [v1.SERVER.to_json(message, codec) for message in messages]
        for message, text, verdict in zip(
            messages, texts, rust(of="v1.json server", json=texts)["json"], strict=True
        ):
            assert loads(verdict["objects"]) == loads(text), verdict
            again = v1.SERVER.from_json(verdict["objects"], codec)
            assert comparable(again) == comparable(message)

    run()


@pytest.mark.parametrize("protocol", ["v1.bsatn", "v2.bsatn", "v3.bsatn"])
def test_recorded_messages(rust: Judge, protocol: str) -> None:
    """The judge itself is judged by what a server sent."""
    bodies: list[bytes] = []
    for message in recorded(protocol):
        if message.direction == "server":
            assert isinstance(message.payload, bytes)
            data, start = decompress(message.payload)
            ends = [start, len(data)]
            if protocol.startswith("v3"):
                ends = list(boundaries(data, start))
            bodies += [data[start:end] for start, end in pairwise(ends)]
    assert len(bodies) > 100
    of = "v1 server" if protocol.startswith("v1") else "v2 server"
    verdicts = rust(of=of, bsatn=[body.hex() for body in bodies])["bsatn"]
    assert [verdict.get("bsatn", verdict) for verdict in verdicts] == [
        body.hex() for body in bodies
    ]


def boundaries(data: bytes, pos: int) -> Iterator[int]:
    """Yield where each message of a v3 payload starts, and where the last one ends."""
    yield pos
    while pos < len(data):
        _, pos = v2.decode_server(data, pos)
        yield pos


def recorded(protocol: str) -> list[RecordedMessage]:
    """Return the messages of all recorded sessions of a protocol."""
    sessions = [golden_session(name) for name in GOOD_SESSIONS if f".{protocol}." in name]
    return [
        line for session in sessions for line in session.lines if isinstance(line, RecordedMessage)
    ]
