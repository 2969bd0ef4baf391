"""Fixtures of the conformance tests: the embedded server with each of the official modules."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.conformance.kit import EmbeddedWorld, World
from tests.conformance.report import pytest_addoption, pytest_configure, pytest_runtest_setup
from tests.conformance.running import pytest_generate_tests, pytest_pyfunc_call

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "pytest_runtest_setup",
]


def _world(name: str) -> Any:
    module: Any = importlib.import_module(f"tests.conformance.modules.{name}")

    @pytest.fixture(name=name)
    def world(protocol: str) -> World:
        return EmbeddedWorld(module.make_module, protocol)

    return world


sdk_test = _world("sdk_test")
connect_disconnect = _world("connect_disconnect")
event_table = _world("event_table")
procedure = _world("procedure")
procedure_concurrency = _world("procedure_concurrency")
view = _world("view")
view_pk = _world("view_pk")
procedural_view_pk = _world("procedural_view_pk")
case_conversion = _world("case_conversion")
