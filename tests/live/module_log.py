"""What the live module's own log says of who came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.live.target import Target

__all__ = ["comings_and_goings", "one_after_the_other"]


def comings_and_goings(target: Target) -> list[tuple[str, str]]:
    """Return ("connected" or "disconnected", hexadecimal connection id), in the log's order."""
    words = [tuple(line["message"].split()) for line in target.http.logs(target.database)]
    known = ("connected", "disconnected")
    return [(said[0], said[1]) for said in words if len(said) == 2 and said[0] in known]


def one_after_the_other(connections: Iterable[Any]) -> list[tuple[str, str]]:
    """Return what the log says of connections that never were two at once; the last one lives."""
    return [(what, str(one)) for one in connections for what in ("connected", "disconnected")][:-1]
