"""The pytest plugin: servers that end with the test."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import ConnectError
from spacetime_transports import HttpClient
from spacetime_transports.server.chat_module import module

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def plugin() -> ModuleType:
    return importlib.import_module("spacetime_transports.server.pytest_plugin")


def test_servers_run_while_the_fixture_does(plugin: ModuleType) -> None:
    generator = plugin.spacetimedb_server.__wrapped__()
    start = next(generator)
    one, two = start(module, database="one"), start(module, database="two")
    with HttpClient(one.url) as client:
        client.ping()
        assert client.schema("one").tables
    assert one.url != two.url
    with pytest.raises(StopIteration):
        next(generator)
    with pytest.raises(ConnectError):
        HttpClient(two.url).ping()
