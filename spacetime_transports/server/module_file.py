"""Python module files of the embedded server, loaded by path."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from spacetime_proto.errors import SpacetimeError

if TYPE_CHECKING:
    from spacetime_proto.server import Module


class ModuleFileError(SpacetimeError):
    """A Python file does not define a module that can be served."""


def load_module(path: str) -> Module:
    """Run a Python file and return the `spacetime_proto.server.Module` that it defines.

    The variable ``module`` is taken if it is one, else the only one in the file.

    Raises:
        ModuleFileError: no such file, it does not run, or it has no module or several.
    """
    from spacetime_proto.server import Module

    full = os.path.abspath(path)
    if not os.path.isfile(full):
        raise ModuleFileError(f"no such module file: {path}")
    name = os.path.splitext(os.path.basename(full))[0]
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise ModuleFileError(f"not a Python file: {path}")
    loaded = importlib.util.module_from_spec(spec)
    # `dataclass` looks up string annotations in sys.modules.
    sys.modules[name] = loaded
    # A module file may be split over several files beside it.
    sys.path.insert(0, os.path.dirname(full))
    try:
        spec.loader.exec_module(loaded)
    except SyntaxError as error:
        raise ModuleFileError(f"{path}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        raise ModuleFileError(f"{path} does not load: {type(error).__name__}: {error}") from error
    candidate = getattr(loaded, "module", None)
    if isinstance(candidate, Module):
        return candidate
    found = [value for value in vars(loaded).values() if isinstance(value, Module)]
    if len(found) != 1:
        how_many = "no" if not found else "more than one"
        raise ModuleFileError(f"{path} defines {how_many} spacetime_proto.server.Module")
    return found[0]
