"""Modules on the server under test, as the tests of tests/conformance want them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from spacetime_proto.errors import InternalError
from tests.conformance.kit import World
from tests.live.target import Target, built, publish
from tests.scenarios.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

__all__ = ["LiveWorld", "OfficialWorld", "RelayedWorld", "official_target"]


class LiveWorld(World):
    """A database on the server under test."""

    def __init__(self, target: Target, protocol: str) -> None:
        self.where = target.where  # type: ignore[misc]
        self.protocol = protocol
        self._target = target

    @property
    def url(self) -> str:
        return self._target.url

    @property
    def database(self) -> str:
        return self._target.database

    @property
    def bindings(self) -> Any:
        return self._target.module

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield


class OfficialWorld(LiveWorld):
    """A module that has all that the official one has, and panics where that does."""

    is_partial = False
    may_fetch_from_itself = False
    panic_error = InternalError

    def __init__(self, target: Target, protocol: str) -> None:
        super().__init__(target, protocol)
        # The scheduler of 2.14 keeps several calls in flight, that of 2.8.3 waits for each of them.
        self.schedules_side_by_side = target.version >= (2, 14)


class RelayedWorld(OfficialWorld):
    """The same behind a relay, which ends connections where a test has the embedded server do it."""

    def __init__(self, target: Target, protocol: str) -> None:
        super().__init__(target, protocol)
        self._relay: Relay | None = None

    @property
    def url(self) -> str:
        assert self._relay is not None
        return self._relay.url

    @property
    def server(self) -> Self:
        return self

    async def drop_connections(self) -> None:
        """End the connections of all clients, not by closing them properly."""
        assert self._relay is not None
        self._relay.lose_clients()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with Relay(self._target.url) as self._relay:
            yield


@cache
def official_target(url: str, token: str, name: Literal["sdk", "small"]) -> Target:
    """Publish a module, by its name for `.ci/live/build-module`; once in a run.

    Raises:
        NoServerError: the module is not built, and none is to be built.
    """
    return publish(url, token, wasm=built("build-module", name))
