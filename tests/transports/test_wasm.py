"""Compiled modules describe themselves; those that do anything else are stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.load import load_schema
from spacetime_transports import bindings_writer as generate
from spacetime_transports import wasm
from spacetime_transports.wasm import describe_wasm, load_wasm

wasmtime = pytest.importorskip("wasmtime")

# A BSATN RawModuleDef: version 10 without any section.
EMPTY_V10 = b"\x02\x00\x00\x00\x00"
SINK = '(import "spacetime_10.0" "bytes_sink_write" (func $write (param i32 i32 i32) (result i32)))'


def module(describe="", *, data=EMPTY_V10, extra="", imports=SINK, memory="1"):
    """A module in text form whose description lies at address 64, its length at 32."""
    escaped = "".join(f"\\{byte:02x}" for byte in data)
    size = "".join(f"\\{byte:02x}" for byte in len(data).to_bytes(4, "little"))
    body = describe or "(drop (call $write (local.get 0) (i32.const 64) (i32.const 32)))"
    return wasmtime.wat2wasm(
        f"""(module {imports}
        (memory (export "memory") {memory})
        (data (i32.const 64) "{escaped}") (data (i32.const 32) "{size}")
        {extra}
        (func (export "__describe_module__") (param i32) {body}))"""
    )


def test_a_module_is_asked_for_its_description():
    assert describe_wasm(module()) == EMPTY_V10
    described = load_wasm(module())
    assert described.tables == ()


def test_a_description_in_several_pieces():
    piece = "(drop (call $write (local.get 0) (i32.const 64) (i32.const 32)))"
    assert describe_wasm(module(piece * 3, data=b"ab")) == b"ababab"


def test_the_module_is_started_as_the_host_starts_it():
    step = """(global $at (mut i32) (i32.const 64))
        (func $mark (param i32)
          (i32.store8 (global.get $at) (local.get 0))
          (global.set $at (i32.add (global.get $at) (i32.const 1))))"""
    extra = f"""{step}
        (func (export "__setup__") (param i32) (result i32)
          (call $mark (i32.const 52)) (i32.const 0))
        (func (export "__preinit__20_b") (call $mark (i32.const 51)))
        (func (export "__preinit__05_a") (call $mark (i32.const 50)))
        (func (export "_initialize") (call $mark (i32.const 49)))"""
    assert describe_wasm(module(data=b"    ", extra=extra)) == b"1234"


def test_what_setup_complains_about():
    extra = """(func (export "__setup__") (param i32) (result i32)
        (drop (call $write (local.get 0) (i32.const 64) (i32.const 32))) (i32.const 1))"""
    with pytest.raises(SchemaError, match="does not start: no way"):
        describe_wasm(module(data=b"no way", extra=extra))
    silent = '(func (export "__setup__") (param i32) (result i32) (i32.const 1))'
    with pytest.raises(SchemaError, match="no reason given"):
        describe_wasm(module(extra=silent))


def test_host_functions_that_only_talk_are_ignored():
    imports = (
        SINK
        + """
        (import "spacetime_10.0" "console_log" (func $log
          (param i32 i32 i32 i32 i32 i32 i32 i32)))"""
    )
    zeros = "(i32.const 0) " * 8
    describe = (
        f"(call $log {zeros}) (drop (call $write (local.get 0) (i32.const 64) (i32.const 32)))"
    )
    assert describe_wasm(module(describe, imports=imports)) == EMPTY_V10


def test_other_host_functions_are_refused():
    imports = SINK + '(import "spacetime_10.0" "identity_x" (func $f (result i32)))'
    with pytest.raises(SchemaError, match=r"uses spacetime_10\.0\.identity_x before"):
        describe_wasm(module("(drop (call $f))", imports=imports))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: b"no wasm at all", "does not describe itself"),
        (lambda: wasmtime.wat2wasm("(module)"), "it has no __describe_module__"),
        (lambda: module("(unreachable)"), "does not describe itself"),
        (
            lambda: module(imports=SINK + '(import "env" "m" (memory 1))'),
            "does not describe itself",
        ),
        (
            lambda: module("(drop (call $write (i32.const 0) (i32.const -4) (i32.const -2)))"),
            "outside",
        ),
        (lambda: module(memory="40000"), "does not describe itself"),
    ],
)
def test_modules_that_do_not_describe_themselves(make, words):
    with pytest.raises(SchemaError, match=words):
        describe_wasm(make())


def test_a_module_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(wasm, "FUEL", 100_000)
    with pytest.raises(SchemaError, match="does not describe itself"):
        describe_wasm(module("(loop $again (br $again))"))


def test_a_whole_description_becomes_a_module(tmp_path):
    path = tmp_path / "module.wasm"
    path.write_bytes(module())
    assert generate.module_from_wasm(path).reducers == ()
    path.write_bytes(module(data=b"\x00"))
    with pytest.raises(SchemaError, match=r"module\.wasm: "):
        generate.module_from_wasm(path)


def test_without_wasmtime_the_error_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    path = tmp_path / "module.wasm"
    path.write_bytes(b"")
    with pytest.raises(generate.GenerateError, match=r"spacetimedb-client\[wasm\]"):
        generate.module_from_wasm(path)


GOLDEN = Path(__file__).parents[1] / "golden" / "v2.14"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("modules/*.wasm")), ids=lambda path: path.stem)
def test_modules_of_2_14(path):
    """Also one that imports functions of the newest ABI, and both kinds of HTTP handler."""
    data = path.read_bytes()
    name = "http" if path.stem.startswith("handler") else path.stem
    if path.stem == "combined":
        assert b"spacetime_10.6" in data
    described = describe_wasm(data)
    assert described == (GOLDEN / "schema" / f"{name}.describe.bin").read_bytes()
    expected = load_schema((GOLDEN / "schema" / f"{name}.v10.json").read_bytes())
    module = generate.module_from_wasm(path)
    assert module == expected
    assert generate.generate_package(module, source="x") == generate.generate_package(
        expected, source="x"
    )
