"""Dialects: each translates between one protocol's messages and those of `meaning`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocols import V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN
from .dialect import Dialect
from .dialect_v2 import V2, V3

if TYPE_CHECKING:
    from ...limits import Limits
    from ...schema.bound import BoundModule

__all__ = ["Dialect", "dialect_for"]

_DIALECTS: dict[str, type[Dialect]] = {V2_BSATN: V2, V3_BSATN: V3}


def dialect_for(protocol: str, module: BoundModule, limits: Limits) -> Dialect:
    """Return the dialect of a negotiated subprotocol.

    Raises:
        KeyError: an unknown subprotocol; the WebSocket handshake refuses it earlier.
    """
    if protocol in (V1_BSATN, V1_JSON):
        # Only servers of 1.x pick it, and importing it with the rest takes a sixth of the CPU that
        # importing an async client does (249 instead of 207 ms).
        from .dialect_v1 import V1Bsatn, V1Json

        return (V1Bsatn if protocol == V1_BSATN else V1Json)(module, limits)
    return _DIALECTS[protocol](module, limits)
