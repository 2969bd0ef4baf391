"""Fixtures of the conformance tests: one world per module, on every protocol."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from spacetime_proto.server import Module
from tests.conformance.kit import ALL_PROTOCOLS, EmbeddedWorld, World
from tests.conformance.modules import (
    case_conversion as case_conversion_module,
)
from tests.conformance.modules import (
    connect_disconnect as connect_disconnect_module,
)
from tests.conformance.modules import (
    event_table as event_table_module,
)
from tests.conformance.modules import (
    procedural_view_pk as procedural_view_pk_module,
)
from tests.conformance.modules import (
    procedure as procedure_module,
)
from tests.conformance.modules import (
    procedure_concurrency as procedure_concurrency_module,
)
from tests.conformance.modules import (
    sdk_test as sdk_test_module,
)
from tests.conformance.modules import (
    view as view_module,
)
from tests.conformance.modules import (
    view_pk as view_pk_module,
)
from tests.conformance.report import (
    pytest_addoption,
    pytest_configure,
    pytest_runtest_setup,
)

__all__ = ["pytest_addoption", "pytest_configure", "pytest_runtest_setup"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `protocol` its values, also to tests that only get it through a world."""
    if "protocol" in metafunc.fixturenames:
        wanted = getattr(metafunc.function, "protocols", ALL_PROTOCOLS)
        metafunc.parametrize("protocol", wanted)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an ``async def`` test in an event loop, with its worlds around it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    fixtures = {name: pyfuncitem.funcargs[name] for name in names}
    for value in fixtures.values():
        if isinstance(value, World):
            pyfuncitem.user_properties.append(("where", value.where))

    async def main() -> None:
        await around([one for one in fixtures.values() if isinstance(one, World)])

    async def around(worlds: list[World]) -> None:
        if worlds:
            async with worlds[0].running():
                await around(worlds[1:])
        else:
            await pyfuncitem.obj(**fixtures)

    anyio.run(main)
    return True


def _world(make_module: Callable[[], Module]) -> Any:
    @pytest.fixture
    def world(protocol: str) -> World:
        return EmbeddedWorld(make_module, protocol)

    return world


sdk_test = _world(sdk_test_module.make_module)
connect_disconnect = _world(connect_disconnect_module.make_module)
event_table = _world(event_table_module.make_module)
procedure = _world(procedure_module.make_module)
procedure_concurrency = _world(procedure_concurrency_module.make_module)
view = _world(view_module.make_module)
view_pk = _world(view_pk_module.make_module)
procedural_view_pk = _world(procedural_view_pk_module.make_module)
case_conversion = _world(case_conversion_module.make_module)
