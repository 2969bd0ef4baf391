"""Recorded connections: one JSON line per WebSocket message, to replay or to look at.

The first line is an object with the facts of the session: ``protocol``, ``params`` (the query
parameters sent), ``note``, ``response_headers`` (of the upgrade). Every further line is

* ``{"dir": "client" | "server", "kind": "binary" | "text", "data": ...}``, one message, binary data
  as base64; or
* ``{"dir": "client" | "server", "kind": "closed", "code": int | null, "reason": text}``.

`Recorder` writes that as it happens; `Session` reads and writes a whole file. Neither opens files:
text comes as an argument and is handed to a function.

Tokens are left out of a recording unless asked for. Wherever one is found it is replaced by filler
of the same length, so that lengths and offsets stay as they were.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from ..errors import DecodeError, ProtocolError
from ..messages import payloads, v1, v2
from ..messages.compression import deflate
from ..protocols import ALL_PROTOCOLS, V1_BSATN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..messages.json_rows import JsonCodec
    from ..messages.payloads import ClientMessage, ServerMessage

Direction: TypeAlias = Literal["client", "server"]

_TOKEN_HEADER: Final = "spacetime-identity-token"
_JWT: Final = re.compile(rb"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_JWT_TEXT: Final = re.compile(_JWT.pattern.decode())


class Header(msgspec.Struct, frozen=True):
    """The facts of a session."""

    protocol: str
    """The negotiated subprotocol, such as ``v2.bsatn.spacetimedb``."""
    params: dict[str, str] = {}
    """Query parameters of the upgrade request."""
    note: str = ""
    """A description for human readers."""
    response_headers: dict[str, str] = {}
    """Headers of the upgrade response, names in lower case."""


class RecordedMessage(msgspec.Struct, frozen=True):
    """One WebSocket message: bytes for a binary one, str for a text one."""

    direction: Direction
    payload: bytes | str


class RecordedClose(msgspec.Struct, frozen=True):
    """The end of the connection; `direction` is the side that ended it."""

    direction: Direction
    code: int | None = None
    """Close code, None if there was no close frame."""
    reason: str = ""


Line: TypeAlias = RecordedMessage | RecordedClose


class Session(msgspec.Struct, frozen=True):
    """A whole recorded connection."""

    header: Header
    lines: tuple[Line, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> Session:
        """Read a recording.

        Raises:
            DecodeError: a line that is not JSON, lacks something or has invalid base64; names it.
        """
        lines = iter(enumerate(text.splitlines(), 1))
        number, first = next(lines, (1, ""))
        header = _read_header(_object(first, number), number)
        rest = [_read_line(_object(line, at), at) for at, line in lines if line.strip()]
        return cls(header, tuple(rest))

    def to_text(self) -> str:
        """Write the recording, as it is; see `Recorder` for one that replaces tokens."""
        out: list[str] = []
        recorder = Recorder(out.append, record_tokens=True)
        recorder.start(self.header)
        for line in self.lines:
            recorder.add(line)
        return "".join(out)

    def decode(
        self, codec: JsonCodec | None = None
    ) -> Iterator[tuple[Direction, ClientMessage | ServerMessage | ProtocolError]]:
        """Yield (direction, message) for each message.

        A message that does not decode ends its payload and is yielded as the error.

        Args:
            codec: reads the rows of v1.json.
        """
        protocol = self.header.protocol
        for line in self.lines:
            if isinstance(line, RecordedClose):
                continue
            messages: Iterable[ClientMessage | ServerMessage]
            if line.direction == "client":
                messages = payloads.decode_client_payload(protocol, line.payload)
            else:
                messages = payloads.decode_server_payload(protocol, line.payload, codec=codec)
            try:
                for message in messages:
                    yield line.direction, message
            except ProtocolError as error:
                yield line.direction, error


class Recorder:
    """Writes a recording while the connection runs.

    Args:
        write: takes one line at a time, newline included; a file's `write` will do.
        record_tokens: keep tokens as they are. Such a recording lets its reader act as the user.
    """

    def __init__(self, write: Callable[[str], object], *, record_tokens: bool = False) -> None:
        self._write = write
        self._keeps_tokens = record_tokens
        self._protocol = ""
        self._is_greeted = False

    def start(self, header: Header) -> None:
        """Begin a recording, once the upgrade has succeeded."""
        self._protocol = header.protocol
        self._is_greeted = False
        params, headers = header.params, header.response_headers
        if not self._keeps_tokens:
            params = _without_token(params, "token")
            headers = _without_token(headers, _TOKEN_HEADER)
        self._line(
            {
                "protocol": header.protocol,
                "params": params,
                "note": header.note,
                "response_headers": headers,
            }
        )

    def message(self, direction: Direction, payload: bytes | str) -> None:
        """Record one whole message."""
        if not self._keeps_tokens:
            payload = self._redacted(direction, payload)
        if isinstance(payload, str):
            kind, data = "text", payload
        else:
            kind, data = "binary", base64.b64encode(payload).decode("ascii")
        self._line({"dir": direction, "kind": kind, "data": data})

    def closed(self, direction: Direction, code: int | None = None, reason: str = "") -> None:
        """Record the end of the connection."""
        self._line({"dir": direction, "kind": "closed", "code": code, "reason": reason})

    def add(self, line: Line) -> None:
        """Record a line of another recording."""
        if isinstance(line, RecordedMessage):
            self.message(line.direction, line.payload)
        else:
            self.closed(line.direction, line.code, line.reason)

    def _line(self, value: Mapping[str, Any]) -> None:
        self._write(json.dumps(value) + "\n")

    def _redacted(self, direction: Direction, payload: bytes | str) -> bytes | str:
        # The first message is decoded, because its token may have any form. Everywhere else, in
        # arguments or rows, only text that looks like a JSON web token can be found.
        try:
            if direction == "server" and not self._is_greeted:
                self._is_greeted = True
                payload = _redacted_greeting(self._protocol, payload)
            if isinstance(payload, str):
                return _JWT_TEXT.sub(_filler, payload)
            if direction == "client":
                return _JWT.sub(_filler_bytes, payload)
            data, start = payloads.decompress(payload)
            body = data[start:]
            redacted = _JWT.sub(_filler_bytes, body)
            return payload if redacted == body else _packed(payload, redacted)
        except ProtocolError:
            # A recording must keep damaged payloads too. They cannot be decompressed, so only their
            # plain bytes are searched.
            if isinstance(payload, str):
                return _JWT_TEXT.sub(_filler, payload)
            return _JWT.sub(_filler_bytes, payload)


def _redacted_greeting(protocol: str, payload: bytes | str) -> bytes | str:
    """Return the first payload of a server with the token in its first message replaced."""
    if isinstance(payload, str):
        (message,) = payloads.decode_server_payload(protocol, payload)
        if not isinstance(message, v1.IdentityToken):
            return payload
        quoted = json.dumps(message.token)
        if quoted in payload:
            return payload.replace(quoted, json.dumps("x" * len(message.token)))
        # The sender escapes the token differently: encode the whole message again.
        filled = msgspec.structs.replace(message, token="x" * len(message.token))
        return v1.SERVER.to_json(filled)
    data, start = payloads.decompress(payload)
    if protocol == V1_BSATN:
        greeting, end = v1.decode_server(data, start)
        if not isinstance(greeting, v1.IdentityToken):
            return payload
        body = v1.encode_server(msgspec.structs.replace(greeting, token=_same_length(greeting)))
    else:
        first, end = v2.decode_server(data, start)
        if not isinstance(first, v2.InitialConnection):
            return payload
        body = v2.encode_server(msgspec.structs.replace(first, token=_same_length(first)))
    return _packed(payload, body + data[end:])


def _same_length(greeting: v1.IdentityToken | v2.InitialConnection) -> str:
    return "x" * len(greeting.token.encode())


def _packed(payload: bytes, body: bytes) -> bytes:
    """Return `body` in the same compression as `payload`, whatever its size."""
    tag = payload[:1]
    return tag + (deflate(body, tag[0]) if tag[0] else body)


def _filler(match: re.Match[str]) -> str:
    return "x" * len(match[0])


def _filler_bytes(match: re.Match[bytes]) -> bytes:
    return b"x" * len(match[0])


def _without_token(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {
        key: "x" * len(value) if key.lower() == name else _JWT_TEXT.sub(_filler, value)
        for key, value in values.items()
    }


# --- reading ----------------------------------------------------------------------------------


def _object(text: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not valid JSON: {error}", what=f"line {number}") from error
    if not isinstance(value, dict):
        raise DecodeError("not a JSON object", what=f"line {number}")
    return value


def _field(value: dict[str, Any], name: str, kinds: type | tuple[type, ...], number: int) -> Any:
    found = value.get(name)
    if not isinstance(found, kinds) or isinstance(found, bool):
        raise DecodeError(f"{name!r} is missing or of the wrong type", what=f"line {number}")
    return found


def _texts(value: dict[str, Any], name: str, number: int) -> dict[str, str]:
    found = value.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise DecodeError(f"{name!r} is not an object of strings", what=f"line {number}")
    return found


def _read_header(value: dict[str, Any], number: int) -> Header:
    protocol = _field(value, "protocol", str, number)
    if protocol not in ALL_PROTOCOLS:
        raise DecodeError(f"unknown protocol {protocol!r}", what=f"line {number}")
    note = value.get("note", "")
    return Header(
        protocol,
        _texts(value, "params", number),
        note if isinstance(note, str) else "",
        _texts(value, "response_headers", number),
    )


def _read_line(value: dict[str, Any], number: int) -> Line:
    direction = _field(value, "dir", str, number)
    if direction not in ("client", "server"):
        raise DecodeError(f"unknown direction {direction!r}", what=f"line {number}")
    kind = _field(value, "kind", str, number)
    if kind == "closed":
        code = _field(value, "code", (int, type(None)), number)
        return RecordedClose(direction, code, _field(value, "reason", str, number))
    data = _field(value, "data", str, number)
    if kind == "text":
        return RecordedMessage(direction, data)
    if kind != "binary":
        raise DecodeError(f"unknown kind {kind!r}", what=f"line {number}")
    try:
        return RecordedMessage(direction, base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"invalid base64: {error}", what=f"line {number}") from error
