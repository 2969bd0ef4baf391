"""A client that has nothing to do does nothing: no polling anywhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit


async def test_an_idle_client_uses_no_cpu(kit: Kit) -> None:
    """The bound is loose because the server lives in this process; the 0.7 SDK's polling of its
    queue ten times a second would still be far beyond it with 20 clients."""
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        before = time.process_time()
        await client.pause(1.0)
        assert time.process_time() - before < 0.05
