"""Time and memory of this process (Linux), measured as the other peers measure theirs."""

from __future__ import annotations

import ctypes
import gc
import time
from pathlib import Path

_LIBC = ctypes.CDLL(None)
_STATUS = Path("/proc/self/status")


class Stopwatch:
    """Wall and CPU time, in milliseconds, from `start` to `stop`."""

    def __init__(self) -> None:
        self.ms = self.cpu_ms = 0.0

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        self.ms = 1e3 * (time.perf_counter() - self._wall)
        self.cpu_ms = 1e3 * (time.process_time() - self._cpu)


def _status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return 1024 * int(value.split()[0])
    raise LookupError(field)


def resident() -> int:
    """Return resident memory in bytes, after everything that can be given back was."""
    gc.collect()
    _LIBC.malloc_trim(0)
    return _status("VmRSS")


def peak() -> int:
    """Return the most resident memory since `forget_peak`, in bytes."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Make `peak` count from now on."""
    Path("/proc/self/clear_refs").write_text("5")
