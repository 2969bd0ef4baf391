"""The package itself: its names are loaded when they are first used."""

from __future__ import annotations

import pytest

import spacetime_proto


def test_every_public_name_comes_from_its_home() -> None:
    for name in spacetime_proto.__all__:
        assert getattr(spacetime_proto, name) is not None
    for name, home in spacetime_proto._HOME_OF.items():
        found = spacetime_proto.__getattr__(name)
        assert found is getattr(spacetime_proto, name)
        assert vars(spacetime_proto)[name] is found, "the second look finds it without loading"
        assert home.startswith(".")
    assert {*spacetime_proto._HOME_OF, "errors"} == {*spacetime_proto.__all__}


def test_what_is_listed_is_there_and_what_is_not_is_an_error() -> None:
    assert {*spacetime_proto.__all__} <= {*dir(spacetime_proto)}
    with pytest.raises(AttributeError, match="module 'spacetime_proto' has no attribute 'Nope'"):
        _ = spacetime_proto.Nope
