"""Clients of the HTTP interface of a server, asynchronous and blocking."""

from __future__ import annotations

from .clients import (
    AsyncHttpClient,
    EnvironmentMetadata,
    HttpClient,
    IssuedIdentity,
    LogEntry,
    Published,
    SqlResult,
    SqlStats,
)

__all__ = [
    "AsyncHttpClient",
    "EnvironmentMetadata",
    "HttpClient",
    "IssuedIdentity",
    "LogEntry",
    "Published",
    "SqlResult",
    "SqlStats",
]
