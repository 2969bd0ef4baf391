"""Asks a compiled module for its description, by running its ``__describe_module__`` (docs/protocol.md section 9).

Needs the PyPI package ``wasmtime`` (extra ``wasm``). The module is untrusted: its one working host
function takes the description, and both its work and its memory are limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.raw_bsatn import load_raw_module

if TYPE_CHECKING:
    from spacetime_proto.schema.model import ModuleDef

__all__ = ["describe_wasm", "load_wasm"]

#: Wasm instructions that a module may run to describe itself; real ones take some millions.
FUEL: Final = 5_000_000_000
#: Bytes of linear memory that it may have.
MEMORY: Final = 1 << 30
_SINK: Final = 1


def load_wasm(data: bytes) -> ModuleDef:
    """Return the description of a compiled module.

    Raises:
        SchemaError: it is not a SpacetimeDB module, or it fails to describe itself.
        ModuleNotFoundError: ``wasmtime`` is not installed.
    """
    return load_raw_module(describe_wasm(data))


def describe_wasm(data: bytes) -> bytes:
    """Return what ``__describe_module__`` writes: BSATN of ``RawModuleDef``. Errors as `load_wasm`."""
    try:
        import wasmtime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "reading a compiled module needs wasmtime: pip install 'spacetimedb-client[wasm]'",
            name="wasmtime",
        ) from error
    try:
        return _describe(wasmtime, data)
    except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
        reason = str(error).strip().splitlines()[0]
        raise SchemaError(f"the module does not describe itself: {reason}") from error


def _describe(wasmtime: Any, data: bytes) -> bytes:
    config = wasmtime.Config()
    config.consume_fuel = True
    engine = wasmtime.Engine(config)
    module = wasmtime.Module(engine, data)
    exports = {export.name for export in module.exports}
    if "__describe_module__" not in exports or "memory" not in exports:
        raise SchemaError("no SpacetimeDB module: it has no __describe_module__")
    store = wasmtime.Store(engine)
    store.set_fuel(FUEL)
    store.set_limits(memory_size=MEMORY)
    linker = wasmtime.Linker(engine)
    sink = _Sink()
    for wanted in module.imports:
        if isinstance(wanted.type, wasmtime.FuncType):
            function = sink.write if wanted.name == "bytes_sink_write" else _refuse(wanted)
            linker.define_func(
                wanted.module, wanted.name, wanted.type, function, access_caller=True
            )
    instance = linker.instantiate(store, module)
    functions = instance.exports(store)
    # The order in which the host starts an instance: docs/protocol.md section 9.
    if "_initialize" in exports:
        functions["_initialize"](store)
    for name in sorted(name for name in exports if name.startswith("__preinit__")):
        functions[name](store)
    if "__setup__" in exports and functions["__setup__"](store, _SINK):
        text = sink.take().decode("utf-8", "replace")
        raise SchemaError(f"the module does not start: {text or 'no reason given'}")
    sink.take()
    functions["__describe_module__"](store, _SINK)
    return sink.take()


class _Sink:
    """Collects the bytes that the module writes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, caller: Any, sink: int, pointer: int, length_pointer: int) -> int:
        """``bytes_sink_write``: takes all bytes, so the length behind the pointer stays."""
        memory = caller["memory"]

        def read(address: int, size: int) -> bytes:
            start = address & 0xFFFFFFFF
            if start + size > memory.data_len(caller):
                raise SchemaError("the module writes its description from outside its memory")
            return bytes(memory.read(caller, start, start + size))

        self._data += read(pointer, int.from_bytes(read(length_pointer, 4), "little"))
        return 0

    def take(self) -> bytes:
        """Return what was written since the last `take`."""
        data = bytes(self._data)
        self._data.clear()
        return data


def _refuse(wanted: Any) -> Any:
    """Return a substitute for a host function that is not needed to describe a module."""
    name = f"{wanted.module}.{wanted.name}"
    results = len(wanted.type.results)

    def call(caller: Any, *args: Any) -> Any:
        if not results:
            return None  # console_log and the like: ignored
        raise SchemaError(f"the module uses {name} before it has described itself")

    return call
