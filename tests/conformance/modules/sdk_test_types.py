"""The types of the official ``sdk-test`` module, and its columns of one primitive each."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import msgspec

from spacetime_proto import ConnectionId, Identity, TimeDuration, Timestamp, Uuid
from spacetime_proto.server import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    I256,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    sum_type,
)

__all__ = [
    "COLUMNS",
    "KEYABLE",
    "ByteStruct",
    "Column",
    "EnumWithPayload",
    "EveryPrimitiveStruct",
    "EveryVecStruct",
    "SimpleEnum",
    "UnitStruct",
]


class SimpleEnum(enum.Enum):
    zero = 0
    one = 1
    two = 2


@sum_type
class EnumWithPayload:
    u8: U8
    u16: U16
    u32: U32
    u64: U64
    u128: U128
    u256: U256
    i8: I8
    i16: I16
    i32: I32
    i64: I64
    i128: I128
    i256: I256
    bool: bool
    f32: F32
    f64: F64
    str: str
    identity: Identity
    connectionId: ConnectionId  # as in the original
    timestamp: Timestamp
    uuid: Uuid
    bytes: list[U8]
    ints: list[I32]
    strings: list[str]
    simpleEnums: list[SimpleEnum]


@dataclass(frozen=True, kw_only=True)
class UnitStruct:
    pass


@dataclass(frozen=True, kw_only=True)
class ByteStruct:
    b: U8


@dataclass(frozen=True, kw_only=True)
class EveryPrimitiveStruct:
    a: U8
    b: U16
    c: U32
    d: U64
    e: U128
    f: U256
    g: I8
    h: I16
    i: I32
    j: I64
    k: I128
    l: I256  # noqa: E741
    m: bool
    n: F32
    o: F64
    p: str
    q: Identity
    r: ConnectionId
    s: Timestamp
    t: TimeDuration
    u: Uuid


@dataclass(frozen=True, kw_only=True)
class EveryVecStruct:
    a: list[U8]
    b: list[U16]
    c: list[U32]
    d: list[U64]
    e: list[U128]
    f: list[U256]
    g: list[I8]
    h: list[I16]
    i: list[I32]
    j: list[I64]
    k: list[I128]
    l: list[I256]  # noqa: E741
    m: list[bool]
    n: list[F32]
    o: list[F64]
    p: list[str]
    q: list[Identity]
    r: list[ConnectionId]
    s: list[Timestamp]
    t: list[TimeDuration]
    u: list[Uuid]


class Column(msgspec.Struct, frozen=True):
    """One kind of column: ``n: u8`` of ``one_u8``, ``vec_u8``, ``unique_u8``, ``pk_u8``."""

    canonical: str
    """As in table names on the wire: ``u_8``."""
    accessor: str
    """As in the original's source: ``u8``."""
    type_name: str
    """As in class names: ``U8``."""
    letter: str
    """Name of the column."""
    annotation: Any


#: Every kind of column; those of numbers first.
COLUMNS = (
    *(
        Column(f"{sign}_{bits}", f"{sign}{bits}", f"{sign.upper()}{bits}", "n", annotation)
        for sign, annotations in (
            ("u", (U8, U16, U32, U64, U128, U256)),
            ("i", (I8, I16, I32, I64, I128, I256)),
        )
        for bits, annotation in zip((8, 16, 32, 64, 128, 256), annotations, strict=True)
    ),
    Column("bool", "bool", "Bool", "b", bool),
    Column("f_32", "f32", "F32", "f", F32),
    Column("f_64", "f64", "F64", "f", F64),
    Column("string", "string", "String", "s", str),
    Column("identity", "identity", "Identity", "i", Identity),
    Column("connection_id", "connection_id", "ConnectionId", "a", ConnectionId),
    Column("uuid", "uuid", "Uuid", "u", Uuid),
    Column("timestamp", "timestamp", "Timestamp", "t", Timestamp),
    Column("simple_enum", "simple_enum", "SimpleEnum", "e", SimpleEnum),
    Column("enum_with_payload", "enum_with_payload", "EnumWithPayload", "e", EnumWithPayload),
    Column("unit_struct", "unit_struct", "UnitStruct", "s", UnitStruct),
    Column("byte_struct", "byte_struct", "ByteStruct", "s", ByteStruct),
    Column(
        "every_primitive_struct",
        "every_primitive_struct",
        "EveryPrimitiveStruct",
        "s",
        EveryPrimitiveStruct,
    ),
    Column("every_vec_struct", "every_vec_struct", "EveryVecStruct", "s", EveryVecStruct),
)

#: Those that have a ``unique_`` and a ``pk_`` table.
KEYABLE = tuple(
    kind
    for kind in COLUMNS
    if kind.letter == "n"
    or kind.canonical in {"bool", "string", "identity", "connection_id", "uuid"}
)
