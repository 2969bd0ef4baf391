"""TypeScript uuid, id_ctor_coercion, serde, binary_read_write, algebraic_type, logger, version.

| row | where |
|---|---|
| uuid text and bytes | unit |
| uuid order and versions | unit |
| id_ctor_coercion Identity | unit |
| id_ctor_coercion ConnectionId | unit |
| serde round trip | unit |
| binary_read_write integers | unit |
| binary_read_write floats and texts | unit |
| binary_read_write out of range | unit |
| algebraic_type | unit |
| logger redacts tokens | scripted |
| version | unit |

Of the logger's levels, lazy messages and truncation there is nothing to test: this client writes no
log. "version" is about bindings that do not fit the library or the database.
"""

from __future__ import annotations

import math
import struct
import uuid
from typing import Any

import pytest

from spacetime_proto import ConnectionId, Identity, Uuid
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.errors import DecodeError, EncodeError, SchemaError, SchemaMismatch, redact
from spacetime_proto.sats.algebraic import Primitive
from spacetime_proto.schema.load import load_schema
from tests.conformance.samples import KINDS, sample
from tests.conformance.scripted import ScriptedClient
from tests.support.golden import golden_module, schema_text
from tests.support.script import TOKEN
from tests.support.type_bytes import decode_type, encode_type

MODULE = golden_module("sdk-test")
TYPES = MODULE.bound.types
TEXT = "01888d6e-5c00-7000-8000-000000000001"


# --- uuid, ids ----------------------------------------------------------------------------------


def test_uuid_text_and_bytes() -> None:
    value = Uuid.from_string(TEXT)
    assert str(value) == TEXT
    assert value == Uuid.from_string(TEXT.upper()) == Uuid.from_string(TEXT.replace("-", ""))
    assert value.to_uuid() == uuid.UUID(TEXT)
    assert Uuid.from_uuid(uuid.UUID(TEXT)) == Uuid.from_bytes(uuid.UUID(TEXT).bytes) == value
    # On the wire it is the number of its text, little-endian like every other.
    codec = MODULE.bound.tables["one_uuid"].codec
    row = MODULE.bound.tables["one_uuid"].row_class(value)
    assert codec.encode(row) == uuid.UUID(TEXT).bytes[::-1]
    for text in ("", TEXT[:-1], TEXT.replace("-", "", 1), "g" * 32):
        with pytest.raises(ValueError):
            Uuid.from_string(text)


def test_uuid_order_and_versions() -> None:
    texts = sorted([TEXT, "01888d6e-5c00-7000-8000-000000000002", "0" * 32, "f" * 32])
    assert [Uuid.from_string(text) for text in texts] == sorted(map(Uuid.from_string, texts))
    assert Uuid.from_string(TEXT).to_uuid().version == 7
    assert Uuid.from_uuid(uuid.uuid4()).to_uuid().version == 4


def check_coercion(cls: Any, size: int) -> None:
    data = bytes(range(size))
    made = [
        cls(data),
        cls(list(data)),
        cls.from_bytes(data),
        cls.from_hex(data.hex()),
        cls.from_hex(f"0x{data.hex().upper()}"),
        cls.from_string(data.hex()),
        cls.from_int(int.from_bytes(data, "big")),
    ]
    assert len(set(made)) == 1
    assert (int(made[0]), bytes(made[0]), str(made[0])) == (
        int.from_bytes(data, "big"),
        data,
        data.hex(),
    )
    for wrong in (b"", data + b"\0"):
        with pytest.raises(ValueError, match=cls.__name__):
            cls(wrong)
    with pytest.raises(ValueError, match=cls.__name__):
        cls.from_hex(data.hex()[1:])


def test_id_ctor_coercion_identity() -> None:
    check_coercion(Identity, 32)


def test_id_ctor_coercion_connectionid() -> None:
    check_coercion(ConnectionId, 16)


# --- values and bytes ---------------------------------------------------------------------------


def test_serde_round_trip() -> None:
    """A row of every table of sdk-test, of each kind of sample, to bytes and back."""
    for table in MODULE.bound.tables.values():
        for kind in KINDS:
            values = [sample(TYPES, column.type, kind) for column in table.definition.columns]
            row = table.row_class(*values)
            data = table.codec.encode(row)
            assert table.codec.decode_exact(data) == row, table.definition.name
            with pytest.raises(DecodeError):
                table.codec.decode_exact(data + b"\0")


INTEGERS = [f"{sign}{bits}" for sign in "UI" for bits in (8, 16, 32, 64, 128, 256)]


@pytest.mark.parametrize("name", INTEGERS)
def test_binary_read_write_integers(name: str) -> None:
    codec = TYPES.codec(Primitive(name))
    size, signed = int(name[1:]) // 8, name[0] == "I"
    low = -(2 ** (8 * size - 1)) if signed else 0
    high = 2 ** (8 * size - signed) - 1
    for value in (low, -1 if signed else 1, 0, 7, high):
        data = codec.encode(value)
        assert data == value.to_bytes(size, "little", signed=signed)
        assert codec.decode_exact(data) == value


def test_binary_read_write_floats_and_texts() -> None:
    double, single, text = (TYPES.codec(Primitive(name)) for name in ("F64", "F32", "String"))
    for value in (0.0, -0.0, 1.5, -3.25, math.inf, -math.inf):
        assert double.encode(value) == struct.pack("<d", value)
        assert single.encode(value) == struct.pack("<f", value)
        assert math.copysign(1, double.decode_exact(double.encode(value))) == math.copysign(
            1, value
        )
    assert math.isnan(double.decode_exact(double.encode(math.nan)))
    for value in ("", "plain", "naïve 日本 🎉 \0"):
        data = value.encode()
        assert text.encode(value) == len(data).to_bytes(4, "little") + data
        assert text.decode_exact(text.encode(value)) == value
    with pytest.raises(DecodeError):
        text.decode_exact(b"\1\0\0\0\xff")


@pytest.mark.parametrize("name", INTEGERS)
def test_binary_read_write_out_of_range(name: str) -> None:
    codec = TYPES.codec(Primitive(name))
    bits, signed = int(name[1:]), name[0] == "I"
    for value in (2 ** (bits - signed), -(2 ** (bits - 1)) - 1 if signed else -1, "1", None):
        with pytest.raises(EncodeError):
            codec.encode(value)
    with pytest.raises(DecodeError):
        codec.decode_exact(bytes(bits // 8 - 1))


def test_algebraic_type() -> None:
    """Types are data themselves, and go to bytes and back."""
    for type_ in MODULE.definition.typespace.types:
        data = encode_type(type_)
        assert decode_type(data) == (type_, len(data))


# --- what is not told, and what does not fit ----------------------------------------------------


def test_logger_redacts_tokens(protocol: str) -> None:
    """A token is in no text that a program could log: reprs, errors, whatever a server says."""
    assert redact(f"Bearer {TOKEN} is bad") == "Bearer <token> is bad"
    client = ScriptedClient(protocol)
    failures: list[Any] = []
    client.callbacks.add("connect_error", lambda ctx, error: failures.append(error))
    client.start(token=TOKEN, headers=(("X-Token", TOKEN),))
    assert client.server is not None
    client.server.reject(401, f"Invalid token: {TOKEN}")
    client.deliver()
    client.session.receive_eof(now=0.0)
    client.events()
    [error] = failures
    for text in (str(error), repr(error), error.body, repr(client.session), repr(client.module)):
        assert TOKEN not in text
    assert "<token>" in str(error)


def test_version() -> None:
    chat, other = schema_text("quickstart-chat"), schema_text("sdk-test")
    bindings = dynamic_module(load_schema(chat))
    bindings.check_fits(load_schema(chat))
    with pytest.raises(SchemaMismatch) as caught:
        bindings.check_fits(load_schema(other))
    assert any("user" in text for text in caught.value.differences)
    assert "generate" in str(caught.value)
    with pytest.raises(SchemaError):
        load_schema('{"V11": {}}')
