"""The server role: a development server for modules written in Python.

For writing a module::

    from spacetime_proto.server import Context, Module, column

For running one: `spacetime_transports.serve`, or `Host` and `ServerSession` for bytes in, bytes out.
"""

from __future__ import annotations

from ..cache.views import Range
from ..errors import ReducerError
from .annotations import (
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
from .columns import Index, column
from .context import Context, ProcedureContext, ViewContext
from .database import Database
from .faults import Faults
from .fetching import Fetch, Http, HttpFailed
from .host import Host
from .module import Module
from .query_value import Query
from .session import ServerSession
from .store import UniqueViolation
from .tokens import Authority, SecretAuthority, TokenRefused

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
