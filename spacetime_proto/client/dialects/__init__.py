"""Dialects: one protocol each, between wire messages and what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..options import V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN
from .base import Dialect
from .v1 import V1Bsatn, V1Json
from .v2 import V2, V3

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...messages.limits import Limits
    from ...schema.bound import BoundModule

__all__ = ["Dialect", "dialect_for"]

_DIALECTS: dict[str, Callable[[BoundModule, Limits], Dialect]] = {
    V1_JSON: V1Json,
    V1_BSATN: V1Bsatn,
    V2_BSATN: V2,
    V3_BSATN: V3,
}


def dialect_for(protocol: str, module: BoundModule, limits: Limits) -> Dialect:
    """Return the dialect of a negotiated subprotocol.

    Raises:
        KeyError: not one of ours; the WebSocket machine refuses such an answer before.
    """
    return _DIALECTS[protocol](module, limits)
