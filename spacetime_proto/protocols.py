"""The WebSocket subprotocols of SpacetimeDB: their names, and which is preferred; its close code."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

ProtocolName: TypeAlias = Literal[
    "v3.bsatn.spacetimedb", "v2.bsatn.spacetimedb", "v1.bsatn.spacetimedb", "v1.json.spacetimedb"
]

V1_JSON: Final = "v1.json.spacetimedb"
V1_BSATN: Final = "v1.bsatn.spacetimedb"
V2_BSATN: Final = "v2.bsatn.spacetimedb"
V3_BSATN: Final = "v3.bsatn.spacetimedb"

#: Best first. A server picks by this order, whatever the order of the client's offer, which is the
#: same here (docs/protocol.md section 3.3).
ALL_PROTOCOLS: Final[tuple[ProtocolName, ...]] = (V3_BSATN, V2_BSATN, V1_BSATN, V1_JSON)

#: The close code of a connection whose session id another connection holds: try again soon
#: (docs/protocol.md section 3.7).
SESSION_BUSY: Final = 4000
