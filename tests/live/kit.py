"""The scenarios' kit, aimed at a real server and one protocol."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.scenarios.kit import Client, Kit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from spacetime_proto.bindings import Module
    from tests.live.target import Target

__all__ = ["Client", "LiveKit", "Log", "short_name"]


def short_name(protocol: str) -> str:
    """Return ``v3`` for ``v3.bsatn.spacetimedb``, ``v1.json`` for ``v1.json.spacetimedb``."""
    name = protocol.removesuffix(".spacetimedb")
    return name if name.startswith("v1.") else name.partition(".")[0]


class LiveKit(Kit):
    """A driver and a protocol; clients share the target's bindings, so that they compile once."""

    def __init__(self, driver: str, protocol: str, target: Target) -> None:
        super().__init__(driver, target)  # type: ignore[arg-type]  # only its url is used
        (self.protocol,) = (name for name in target.protocols if short_name(name) == protocol)
        self.target = target

    @property
    def is_v1(self) -> bool:
        """Whether it is one of the two protocols of 1.x."""
        return self.protocol.startswith("v1.")

    @property
    def tells_of_others(self) -> bool:
        """Whether a client is told which reducer of somebody else changed its rows."""
        return self.is_v1 and not self.target.is_two

    @property
    def is_json(self) -> bool:
        """Whether values travel as JSON, which has no NaN and no infinities."""
        return self.protocol == "v1.json.spacetimedb"

    @asynccontextmanager
    async def connect(
        self,
        module: Module[Any] | None = None,
        *,
        url: str | None = None,
        database: str | None = None,
        prepare: Callable[[Any], None] = lambda raw: None,
        **options: Any,
    ) -> AsyncIterator[Client]:
        """Connect to the target as somebody new, with the protocol under test."""
        options.setdefault("protocols", {self.protocol})
        async with super().connect(
            module or self.target.module,
            url=url,
            database=database or self.target.database,
            prepare=prepare,
            **options,
        ) as client:
            if isinstance(options["protocols"], set):
                assert client.raw.protocol in options["protocols"]
            yield client


class Log(list[tuple[Any, ...]]):
    """What happened to the rows of some tables, as (what, table, row, ...)."""

    def __init__(self, client: Client, *tables: str) -> None:
        super().__init__()
        self.events: list[Any] = []
        for name in tables:
            self._listen(client.db[name])

    def _listen(self, handle: Any) -> None:
        name = handle.table_name

        def note(what: str) -> Callable[..., None]:
            def callback(ctx: Any, *rows: Any) -> None:
                self.events.append(ctx.event)
                self.append((what, name, *rows))

            return callback

        handle.on_insert(note("insert"))
        if hasattr(handle, "on_update"):
            handle.on_update(note("update"))
        if not handle.table.definition.is_event:
            handle.on_delete(note("delete"))

    def take(self) -> list[tuple[Any, ...]]:
        """Return what happened since the last time."""
        found = list(self)
        self.clear()
        self.events.clear()
        return found
