"""How long tests wait for what has to come; long, because a busy machine is slow and not wrong."""

from __future__ import annotations

from typing import Final

__all__ = ["PATIENCE"]

#: Seconds after which something that is waited for will not come.
PATIENCE: Final = 60.0
