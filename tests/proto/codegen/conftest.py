"""Generated packages that can be imported."""

from __future__ import annotations

import importlib
import itertools
import sys

import pytest

_numbers = itertools.count()


@pytest.fixture
def import_package(tmp_path):
    """Write files as a package of a name of its own and import it."""
    made = []

    def load(files):
        name = f"generated_bindings_{next(_numbers)}"
        folder = tmp_path / name
        folder.mkdir()
        for path, text in files.items():
            (folder / path).write_text(text, encoding="utf-8")
        made.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    sys.path.insert(0, str(tmp_path))
    yield load
    sys.path.remove(str(tmp_path))
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] in made:
            del sys.modules[loaded]
