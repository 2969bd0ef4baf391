"""The messages of v1.json as SATS types (docs/protocol.md section 4.5), so that `sats_json` reads them.

That gives the decoder every form that a server accepts for free: fields by name or by position,
variants by name, tag or decimal text. Arguments, return values and rows are strings that hold JSON.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from ..sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    TIME_DURATION,
    TIMESTAMP,
    UNIT,
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    SumType,
    Typespace,
    Variant,
    option,
)
from ..sats.compile import TypeContext

__all__ = ["CLIENT_MESSAGE", "SERVER_MESSAGE", "context"]

_STRING: Final = Primitive("String")
_STRINGS: Final = ArrayType(_STRING)
_U8: Final = Primitive("U8")
_U32: Final = Primitive("U32")
_U64: Final = Primitive("U64")


def _product(**fields: AlgebraicType) -> ProductType:
    return ProductType(tuple(Element(name, ty) for name, ty in fields.items()))


def _sum(**variants: AlgebraicType) -> SumType:
    return SumType(tuple(Variant(name, ty) for name, ty in variants.items()))


_QUERY_ID: Final = _product(id=_U32)

CLIENT_MESSAGE: Final = _sum(
    CallReducer=_product(reducer=_STRING, args=_STRING, request_id=_U32, flags=_U8),
    Subscribe=_product(query_strings=_STRINGS, request_id=_U32),
    OneOffQuery=_product(message_id=BYTES, query_string=_STRING),
    SubscribeSingle=_product(query=_STRING, request_id=_U32, query_id=_QUERY_ID),
    SubscribeMulti=_product(query_strings=_STRINGS, request_id=_U32, query_id=_QUERY_ID),
    Unsubscribe=_product(request_id=_U32, query_id=_QUERY_ID),
    UnsubscribeMulti=_product(request_id=_U32, query_id=_QUERY_ID),
    CallProcedure=_product(procedure=_STRING, args=_STRING, request_id=_U32, flags=_U8),
)

_QUERY_UPDATE: Final = _product(deletes=_STRINGS, inserts=_STRINGS)
_TABLE_UPDATE: Final = _product(
    table_id=_U32, table_name=_STRING, num_rows=_U64, updates=ArrayType(_QUERY_UPDATE)
)
_DATABASE_UPDATE: Final = _product(tables=ArrayType(_TABLE_UPDATE))
_SUBSCRIBE_ROWS: Final = _product(table_id=_U32, table_name=_STRING, table_rows=_TABLE_UPDATE)
_APPLIED_SINGLE: Final = _product(
    request_id=_U32,
    total_host_execution_duration_micros=_U64,
    query_id=_QUERY_ID,
    rows=_SUBSCRIBE_ROWS,
)
_APPLIED_MULTI: Final = _product(
    request_id=_U32,
    total_host_execution_duration_micros=_U64,
    query_id=_QUERY_ID,
    update=_DATABASE_UPDATE,
)

SERVER_MESSAGE: Final = _sum(
    InitialSubscription=_product(
        database_update=_DATABASE_UPDATE,
        request_id=_U32,
        total_host_execution_duration=TIME_DURATION,
    ),
    TransactionUpdate=_product(
        status=_sum(Committed=_DATABASE_UPDATE, Failed=_STRING, OutOfEnergy=UNIT),
        timestamp=TIMESTAMP,
        caller_identity=IDENTITY,
        caller_connection_id=CONNECTION_ID,
        reducer_call=_product(reducer_name=_STRING, reducer_id=_U32, args=_STRING, request_id=_U32),
        energy_quanta_used=_product(quanta=Primitive("U128")),
        total_host_execution_duration=TIME_DURATION,
    ),
    TransactionUpdateLight=_product(request_id=_U32, update=_DATABASE_UPDATE),
    IdentityToken=_product(identity=IDENTITY, token=_STRING, connection_id=CONNECTION_ID),
    OneOffQueryResponse=_product(
        message_id=BYTES,
        error=option(_STRING),
        tables=ArrayType(_product(table_name=_STRING, rows=_STRINGS)),
        total_host_execution_duration=TIME_DURATION,
    ),
    SubscribeApplied=_APPLIED_SINGLE,
    UnsubscribeApplied=_APPLIED_SINGLE,
    SubscriptionError=_product(
        total_host_execution_duration_micros=_U64,
        request_id=option(_U32),
        query_id=option(_U32),
        table_id=option(_U32),
        error=_STRING,
    ),
    SubscribeMultiApplied=_APPLIED_MULTI,
    UnsubscribeMultiApplied=_APPLIED_MULTI,
    ProcedureResult=_product(
        status=_sum(Returned=_STRING, OutOfEnergy=UNIT, InternalError=_STRING),
        timestamp=TIMESTAMP,
        total_host_execution_duration=TIME_DURATION,
        request_id=_U32,
    ),
)


@cache
def context() -> TypeContext:
    """Return the context that the types above are read in; made on first use."""
    return TypeContext(Typespace())
