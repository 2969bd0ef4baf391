"""What the package's top level gives, without importing more than is asked for."""

from __future__ import annotations

import importlib

import pytest

import spacetime_transports


@pytest.mark.parametrize("name", dir(spacetime_transports))
def test_everything_that_is_listed_is_there(name: str) -> None:
    assert getattr(spacetime_transports, name) is not None


def test_modules_are_attributes_too() -> None:
    for name, home in (("blocking", "blocking"), ("local_config", "legacy.local_config")):
        module = importlib.import_module(f"spacetime_transports.{home}")
        assert spacetime_transports.__getattr__(name) is module


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="'nothing'"):
        spacetime_transports.__getattr__("nothing")
