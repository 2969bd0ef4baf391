"""The server role: a development server for modules written in Python.

For writing a module::

    from spacetime_proto.server import Context, Module, column

For running one: `spacetime_transports.server.serve`, or `Host` and `ServerSession` for bytes in, bytes out.
"""

from __future__ import annotations

from ..cache.views import Range
from ..errors import ReducerError
from .engine.database import Database
from .engine.procedure_http import Fetch, Http, HttpFailed
from .engine.store import UniqueViolation
from .front.faults import Faults
from .front.host import Host
from .front.server_session import ServerSession
from .front.tokens import Authority, SecretAuthority, TokenRefused
from .module.annotations import (
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
from .module.columns import Index, column
from .module.module import DatabaseModule as Module
from .module.reducer_context import Env, ProcedureContext, ViewContext
from .module.reducer_context import ReducerContext as Context
from .module.view_query import ViewQuery as Query

__all__ = [
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "I256",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    "U256",
    "Authority",
    "Context",
    "Database",
    "Env",
    "Faults",
    "Fetch",
    "Host",
    "Http",
    "HttpFailed",
    "Index",
    "Module",
    "ProcedureContext",
    "Query",
    "Range",
    "ReducerError",
    "SecretAuthority",
    "ServerSession",
    "TokenRefused",
    "UniqueViolation",
    "ViewContext",
    "column",
    "sum_type",
]
