"""Hooks that run the conformance tests: on every protocol, in an event loop, with their worlds.

Another suite that runs the tests of this folder against a server of its own imports both hooks (and
those of `report`) into its ``conftest.py``.
"""

from __future__ import annotations

import inspect

import anyio
import pytest

from tests.conformance.kit import ALL_PROTOCOLS, World

__all__ = ["pytest_generate_tests", "pytest_pyfunc_call"]


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
