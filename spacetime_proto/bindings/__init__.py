"""The names that generated bindings use: they import nothing else of this project."""

from __future__ import annotations

from ..cache.views import IndexView, Range, UniqueColumn
from ..client.context import Context
from ..client.db import Db as DbBase
from ..client.db import DbNamespace
from ..client.pending_call import Call
from ..query.builder import BoolColumn, Column, Columns, LocalColumn, Predicate, Query, TableQuery
from ..query.literals import SENDER
from ..query.local import Selection
from ..types import (
    ConnectionId,
    EnumValue,
    Err,
    Identity,
    Ok,
    ScheduleAt,
    Some,
    SumValue,
    TimeDuration,
    Timestamp,
    Uuid,
)
from ..types import ProductValue as Struct
from .client_module import EventTable, KeyedTable, Module, Namespace, Table, dynamic_module, module
from .legacy_registry import (
    LegacyHost,
    LegacyReducerEvent,
    LegacyRegistry,
    ReducerFunction,
    RowCallback,
    Then,
)

__all__ = [
    "SENDER",
    "BoolColumn",
    "Call",
    "Column",
    "Columns",
    "ConnectionId",
    "Context",
    "DbBase",
    "DbNamespace",
    "EnumValue",
    "Err",
    "EventTable",
    "Identity",
    "IndexView",
    "KeyedTable",
    "LegacyHost",
    "LegacyReducerEvent",
    "LegacyRegistry",
    "LocalColumn",
    "Module",
    "Namespace",
    "Ok",
    "Predicate",
    "Query",
    "Range",
    "ReducerFunction",
    "RowCallback",
    "ScheduleAt",
    "Selection",
    "Some",
    "Struct",
    "SumValue",
    "Table",
    "TableQuery",
    "Then",
    "TimeDuration",
    "Timestamp",
    "UniqueColumn",
    "Uuid",
    "dynamic_module",
    "module",
]
