"""Every recorded message decodes, and what was decoded encodes to what was recorded."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import DecodeError, ProtocolError
from spacetime_proto.messages import payloads, v1, v2
from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.protocols import ALL_PROTOCOLS, V1_JSON
from spacetime_proto.testing import RecordedClose, RecordedMessage, Session, comparable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_proto.messages.payloads import ClientMessage, ServerMessage


def said_by(session: Session, direction: str) -> Iterator[bytes | str]:
    """Yield the payloads of one side."""
    for line in session.lines:
        if isinstance(line, RecordedMessage) and line.direction == direction:
            yield line.payload


def encode_client(message: Any, *, text: bool) -> bytes | str:
    if type(message).__module__ == v2.Subscribe.__module__:
        return v2.encode_client(message)
    return v1.CLIENT.to_json(message) if text else v1.encode_client(message)


def encode_server(message: Any) -> bytes:
    if type(message).__module__ == v2.TransactionUpdate.__module__:
        return v2.encode_server(message)
    return v1.encode_server(message)


def test_every_protocol_and_compression_was_recorded(golden: Any) -> None:
    kinds = {tuple(name.split(".")[1:4]) for name in golden.names}
    assert kinds == {
        *product(("v1", "v2", "v3"), ("bsatn",), ("none", "gzip", "brotli")),
        ("v1", "json", "none"),
    }


def test_a_recording_is_read_and_written_back(golden: Any, wire_name: str) -> None:
    session = golden.session(wire_name)
    assert session.header.protocol in ALL_PROTOCOLS
    assert Session.from_text(session.to_text()) == session
    assert [json.loads(line) for line in session.to_text().splitlines()] == [
        json.loads(line) for line in golden.text(wire_name).splitlines()
    ]


def test_server_messages_of_bsatn_encode_to_the_recorded_bytes(
    golden: Any, bsatn_name: str
) -> None:
    session = golden.session(bsatn_name)
    for payload in said_by(session, "server"):
        messages = list(payloads.decode_server_payload(session.header.protocol, payload))
        assert isinstance(payload, bytes)
        body, start = payloads.decompress(payload)
        assert b"".join(map(encode_server, messages)) == body[start:]
        if payload[0] == 0:
            # Not compressed: the payload itself, to the byte.
            assert b"\0" + b"".join(map(encode_server, messages)) == payload


def test_server_messages_of_json_encode_to_equal_messages(golden: Any, json_name: str) -> None:
    session = golden.session(json_name)
    assert session.header.protocol == V1_JSON
    codec = golden.codec(json_name)
    for payload in said_by(session, "server"):
        assert isinstance(payload, str)
        message = v1.SERVER.from_json(payload, codec)
        text = v1.SERVER.to_json(message, codec)
        assert comparable(v1.SERVER.from_json(text, codec)) == comparable(message)
        assert _with_plain_rows(json.loads(text), codec) == _with_plain_rows(
            json.loads(payload), codec
        )


def _with_plain_rows(value: Any, codec: JsonCodec) -> Any:
    """Return a parsed message with rows as bytes: a row has several forms in JSON."""
    if isinstance(value, list):
        return [_with_plain_rows(item, codec) for item in value]
    if not isinstance(value, dict):
        return value
    name = value.get("table_name")
    found = {key: _with_plain_rows(item, codec) for key, item in value.items()}
    if "updates" in value:
        found["updates"] = [
            {kind: [codec.encode_row(name, row) for row in rows] for kind, rows in update.items()}
            for update in value["updates"]
        ]
    elif "rows" in value and name is not None:
        found["rows"] = [codec.encode_row(name, row) for row in value["rows"]]
    return found


def test_client_messages_encode_to_what_was_recorded(golden: Any, good_name: str) -> None:
    session = golden.session(good_name)
    for payload in said_by(session, "client"):
        messages = list(payloads.decode_client_payload(session.header.protocol, payload))
        if isinstance(payload, str):
            (message,) = messages
            text = encode_client(message, text=True)
            assert isinstance(text, str)
            assert v1.CLIENT.from_json(text) == message
        else:
            encoded = b"".join(
                encode_client(message, text=False)  # type: ignore[misc]
                for message in messages
            )
            assert encoded == payload


#: Close reasons that come from the server's JSON parser, whose words are its own.
_JSON_WORDS = ("expected value at line 1 column 1", "sent 1002 (protocol error)")


def test_bad_client_messages_do_not_decode(golden: Any, bad_name: str) -> None:
    session = golden.session(bad_name)
    (bad,) = said_by(session, "client")
    with pytest.raises(DecodeError) as caught:
        list(payloads.decode_client_payload(session.header.protocol, bad))
    closed = session.lines[-1]
    assert isinstance(closed, RecordedClose)
    if not closed.reason.startswith(_JSON_WORDS):
        # The server role can close with the words of the real one.
        assert caught.value.detail == closed.reason


def test_a_session_decodes_as_a_whole(golden: Any, wire_name: str) -> None:
    session = golden.session(wire_name)
    said: list[tuple[str, ClientMessage | ServerMessage | ProtocolError]]
    said = list(session.decode(golden.codec(wire_name)))
    direction, greeting = said[0]
    assert direction == "server"
    assert isinstance(greeting, v1.IdentityToken | v2.InitialConnection)
    assert greeting.identity.to_hex() == session.header.response_headers["spacetime-identity"]
    errors = [message for _, message in said if isinstance(message, ProtocolError)]
    assert len(errors) == wire_name.startswith("bad_")
