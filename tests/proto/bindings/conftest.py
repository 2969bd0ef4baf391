"""The classes of one module: of a generated package, and of bindings made at run time."""

from __future__ import annotations

import importlib
import sys

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.codegen.package import generate
from tests.support.values_module import MODULE


@pytest.fixture(scope="session")
def generated_values(tmp_path_factory):
    """A generated package that can be imported."""
    folder = tmp_path_factory.mktemp("values")
    (folder / "values_bindings").mkdir()
    for path, text in generate(MODULE, source="values", version="1").items():
        (folder / "values_bindings" / path).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield importlib.import_module("values_bindings")
    sys.path.remove(str(folder))
    for name in list(sys.modules):
        if name.partition(".")[0] == "values_bindings":
            del sys.modules[name]


@pytest.fixture(params=["generated", "run time"])
def types(request):
    """Have the classes of the module as attributes."""
    if request.param == "generated":
        return request.getfixturevalue("generated_values")
    return dynamic_module(MODULE).types
