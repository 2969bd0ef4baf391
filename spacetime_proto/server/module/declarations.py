"""Records of the uses of the decorators of `Module`, before anything is resolved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from ...schema.model import Lifecycle
from .columns import Index

FunctionKind: TypeAlias = Literal["reducer", "procedure", "view"]


class TableDecl(msgspec.Struct, kw_only=True):
    """One use of ``@module.table``."""

    row_class: type
    name: str
    accessor: str
    is_public: bool
    is_event: bool
    scheduled: str | None
    indexes: tuple[Index, ...]


class FunctionDecl(msgspec.Struct, kw_only=True):
    """One use of ``@module.reducer``, ``.procedure``, ``.view`` or a lifecycle decorator."""

    kind: FunctionKind
    call: Callable[..., Any]
    name: str
    is_private: bool = False
    lifecycle: Lifecycle | None = None
    is_anonymous: bool = False
    primary_key: str | None = None
