"""What kind of message a payload holds, by its first bytes: for logs, where decoding costs too much."""

from __future__ import annotations

import re
from typing import Final, Literal

from ..protocols import V2_BSATN, V3_BSATN
from . import v2
from .compression import BROTLI, GZIP

_JSON_TAG: Final = re.compile(r'\s*\{\s*"(\w{1,40})"', re.ASCII)


def kind_of(protocol: str, direction: Literal["client", "server"], payload: bytes | str) -> str:
    """Return the name of a payload's message, as the protocol has it; on v3, of the first one.

    Args:
        protocol: the subprotocol in use.
        direction: which role sends it.
        payload: the payload; it may be damaged.

    Returns:
        ``brotli`` or ``gzip`` for a payload that is compressed, ``unknown`` if the name is none.
    """
    names: tuple[str, ...]
    if protocol in (V2_BSATN, V3_BSATN):
        names = v2.CLIENT.names if direction == "client" else v2.SERVER.names
    else:
        from . import v1

        names = v1.CLIENT.names if direction == "client" else v1.SERVER.names
    if isinstance(payload, str):
        found = _JSON_TAG.match(payload)
        return found[1] if found is not None and found[1] in names else "unknown"
    at = 0
    if direction == "server":
        compression, at = payload[:1], 1
        if compression != b"\0":
            return {bytes([BROTLI]): "brotli", bytes([GZIP]): "gzip"}.get(compression, "unknown")
    tag = payload[at] if len(payload) > at else len(names)
    return names[tag] if tag < len(names) else "unknown"
