"""Something done in a forked child process, and what came of it."""

from __future__ import annotations

import inspect
import json
import os
import select
import signal
import warnings
from typing import TYPE_CHECKING, Any

from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["in_child", "outcome"]


def outcome(function: Callable[[], Any]) -> str:
    """Return what a call comes to: its value, its exception, or that it waits for an event loop."""
    try:
        result = function()
        if inspect.isawaitable(result):
            try:
                result.__await__().send(None)
            except StopIteration as done:
                result = done.value
            else:
                return "it waits"
        return f"returned {result!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def in_child(attempts: Mapping[str, Callable[[], Any]]) -> dict[str, str]:
    """Do things in a child process, one after the other, and return their outcomes by name."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, since 3.12
        child = os.fork()
    if not child:
        try:
            found = {name: outcome(attempt) for name, attempt in attempts.items()}
            os.write(writer, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(writer)
    said = b""
    try:
        while select.select([reader], [], [], PATIENCE)[0]:
            data = os.read(reader, 65536)
            if not data:
                break
            said += data
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(reader)
        os.waitpid(child, 0)
    found = json.loads(said or b'{"child": "it hangs"}')
    assert isinstance(found, dict)
    return found
