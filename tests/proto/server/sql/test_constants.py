"""`sql.literals`: the column's type decides (docs/protocol.md section 10.2)."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from spacetime_proto.errors import QueryError
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    TIME_DURATION,
    TIMESTAMP,
    UUID,
    ArrayType,
    Primitive,
    RefType,
    option,
)
from spacetime_proto.server.sql.ast import Parameter, SqlConstant
from spacetime_proto.server.sql.constants import (
    is_comparable,
    literal_value,
    parameter_value,
    type_text,
)
from spacetime_proto.types import ConnectionId, Identity, Timestamp, Uuid
from tests.proto.server.support import identity

U8, I64, F32, F64 = (Primitive(name) for name in ("U8", "I64", "F32", "F64"))
BOOL, STRING, U256 = Primitive("Bool"), Primitive("String"), Primitive("U256")
HEX64 = "c2" * 32
Kind = Literal["string", "number", "hex", "bool"]


@pytest.mark.parametrize(
    ("kind", "text", "ty", "value"),
    [
        ("bool", "true", BOOL, True),
        ("bool", "false", BOOL, False),
        ("number", "5", U8, 5),
        ("number", "1.0", U8, 1),
        ("number", "1e2", U8, 100),
        ("string", "5", U8, 5),
        ("hex", "10", U8, 10),
        ("number", "-9223372036854775808", I64, -(1 << 63)),
        ("number", str((1 << 256) - 1), U256, (1 << 256) - 1),
        ("number", "1.5", F64, 1.5),
        ("string", "1.5", F64, 1.5),
        ("number", "0.1", F32, 0.10000000149011612),
        ("string", "x", STRING, "x"),
        ("hex", "01ff", BYTES, b"\x01\xff"),
        ("string", "0x01ff", BYTES, b"\x01\xff"),
        ("hex", HEX64, IDENTITY, Identity.from_hex(HEX64)),
        ("string", HEX64, IDENTITY, Identity.from_hex(HEX64)),
        ("string", "0x" + HEX64[:32], CONNECTION_ID, ConnectionId.from_hex(HEX64[:32])),
        ("hex", HEX64[:32], UUID, Uuid.from_hex(HEX64[:32])),
        (
            "string",
            "00112233-4455-6677-8899-aabbccddeeff",
            UUID,
            Uuid.from_hex("00112233445566778899aabbccddeeff"),
        ),
        ("string", "1970-01-01T00:00:01Z", TIMESTAMP, Timestamp(1_000_000)),
        ("string", "1970-01-01 01:00:00.5+01:00", TIMESTAMP, Timestamp(500_000)),
    ],
)
def test_literals_take_the_type_of_the_column(kind: Kind, text: str, ty: Any, value: Any) -> None:
    found = literal_value(SqlConstant(kind, text), ty)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "ty"),
    [
        ("number", "256", U8),
        ("number", "-1", U8),
        ("number", "1.5", U8),
        ("number", "1e999999999", U8),
        ("hex", "ff", U8),
        ("string", "five", U8),
        ("string", "NaN", F64),
        ("string", "x", F64),
        ("hex", "10", F64),
        ("number", "1e300", F32),
        ("number", "5", STRING),
        ("number", "5", BYTES),
        ("string", "zz", BYTES),
        ("string", "abc", BYTES),
        ("hex", "c2", IDENTITY),
        ("number", "5", IDENTITY),
        ("hex", "01", TIMESTAMP),
        ("string", "1970-01-01", TIMESTAMP),
        ("string", "1970-01-01T00:00:01", TIMESTAMP),
        ("string", "1970-13-01T00:00:01Z", TIMESTAMP),
        ("string", "not-a-uuid", UUID),
        ("number", "1", BOOL),
        ("string", "true", BOOL),
    ],
)
def test_literals_of_another_type_are_refused(kind: Kind, text: str, ty: Any) -> None:
    with pytest.raises(QueryError) as caught:
        literal_value(SqlConstant(kind, text), ty)
    assert str(caught.value) == (
        f"The literal expression `{text}` cannot be parsed as type `{type_text(ty)}`"
    )


def test_booleans_fit_nothing_else() -> None:
    with pytest.raises(QueryError) as caught:
        literal_value(SqlConstant("bool", "true"), U8)
    assert str(caught.value) == "Unexpected type: (expected) Bool != U8 (inferred)"


def test_the_sender_is_an_identity_or_its_bytes() -> None:
    sender = Parameter("sender")
    assert parameter_value(sender, IDENTITY, identity(1)) == identity(1)
    assert parameter_value(sender, BYTES, identity(1)) == identity(1).data
    with pytest.raises(QueryError, match=r"\(expected\) \(__identity__: U256\) != U8 \(inferred\)"):
        parameter_value(sender, U8, identity(1))
    with pytest.raises(QueryError, match="Unsupported parameter: :other"):
        parameter_value(Parameter("other"), IDENTITY, identity(1))


def test_comparable_types() -> None:
    comparable = (BOOL, U8, F32, STRING, BYTES, IDENTITY, CONNECTION_ID, TIMESTAMP, UUID)
    assert all(is_comparable(ty) for ty in comparable)
    assert not any(
        is_comparable(ty)
        for ty in (TIME_DURATION, option(U8), ArrayType(U8), RefType(0))
        if ty != BYTES
    )


def test_types_as_the_server_writes_them() -> None:
    assert type_text(ArrayType(option(U8))) == "Array<(some: U8 | none: ())>"
    assert type_text(RefType(3)) == "&3"
