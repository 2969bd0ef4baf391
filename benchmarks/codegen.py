"""Prints what bindings of a module with 200 tables cost. Run: python benchmarks/codegen.py

A module as large ones are: every table has eight columns, a key, a second unique column and two
indexes; there are two reducers per table and an enum and a sum for every tenth. It is generated from
JSON and imported in fresh interpreters, the first time without compiled files. Targets of the
project: generated in under 2 s, imported in under 0.5 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spacetime_proto.codegen.package import generate
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    TIMESTAMP,
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
)
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.schema.model import (
    ColumnDef,
    IndexDef,
    ModuleDef,
    ReducerDef,
    TableDef,
    TypeDef,
)

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {"generate": 2.0, "import": 0.5}

_IMPORT = """
import json, sys, time
sys.path[:0] = [{folder!r}, {root!r}]
import spacetime_proto.bindings  # what every program has imported anyway
start = time.perf_counter()
import module_bindings as mb
imported = time.perf_counter()
mb.MODULE.create_db()
print(json.dumps([imported - start, time.perf_counter() - imported]))
"""


def large_module(tables: int) -> ModuleDef:
    """Return a module with that many tables."""
    string, u32 = Primitive("String"), Primitive("U32")
    types: list[Any] = []
    names: list[TypeDef] = []
    made, reducers = [], []

    def add(name: str, ty: Any) -> int:
        types.append(ty)
        names.append(TypeDef(name, len(types) - 1))
        return len(types) - 1

    kind = shape = 0
    for number in range(tables):
        if number % 10 == 0:
            variants = tuple(Variant(name, UNIT) for name in ("idle", "walking", "running"))
            kind = add(f"Kind{number}", SumType(variants))
            payloads = (Variant("circle", Primitive("F64")), Variant("label", string))
            shape = add(f"Shape{number}", SumType((*payloads, Variant("none", UNIT))))
        columns = {
            "id": u32,
            "owner": IDENTITY,
            "name": option(string),
            "created": TIMESTAMP,
            "kind": RefType(kind),
            "shape": RefType(shape),
            "scores": ArrayType(u32),
            "active": Primitive("Bool"),
        }
        row = ProductType(tuple(Element(name, ty) for name, ty in columns.items()))
        name = f"entity_{number}"
        made.append(
            TableDef(
                name=name,
                accessor=name,
                row_ref=add(f"Entity{number}", row),
                columns=tuple(
                    ColumnDef(column, ty, at) for at, (column, ty) in enumerate(columns.items())
                ),
                primary_key=0,
                unique_columns=(0, 1),
                indexes=(
                    IndexDef(f"{name}_id", "id", "btree", (0,)),
                    IndexDef(f"{name}_owner", "owner", "btree", (1,)),
                    IndexDef(f"{name}_created", "created", "btree", (3,)),
                    IndexDef(f"{name}_both", "kind_active", "btree", (4, 7)),
                ),
            )
        )
        params = ProductType((Element("owner", IDENTITY), Element("name", option(string))))
        reducers.append(ReducerDef(f"create_{name}", f"create_{name}", params))
        params = ProductType((Element("id", u32), Element("shape", RefType(shape))))
        reducers.append(ReducerDef(f"update_{name}", f"update_{name}", params))
    return ModuleDef(
        Typespace(tuple(types)),
        tuple(sorted(names, key=lambda named: named.name)),
        tuple(sorted(made, key=lambda table: table.name)),
        tuple(reducers),
    )


def measure(tables: int) -> dict[str, float]:
    """Return seconds by step, and the size of the package."""
    schema = to_v10_json(large_module(tables))
    start = time.perf_counter()
    module = load_schema(schema)
    read = time.perf_counter()
    files = generate(module, source="benchmark", version="1")
    done = time.perf_counter()
    figures = {
        "schema, KiB": len(schema) / 1024,
        "files": float(len(files)),
        "package, KiB": sum(len(text.encode()) for text in files.values()) / 1024,
        "read the schema": read - start,
        "generate": done - start,
    }
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "module_bindings"
        package.mkdir()
        for name, text in files.items():
            (package / name).write_text(text, encoding="utf-8")
        code = _IMPORT.format(folder=folder, root=str(ROOT))
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        command = [sys.executable, "-c", code]
        rounds = [json.loads(subprocess.check_output(command, env=environment)) for _ in range(6)]
        # The first import compiles and keeps what it compiled; of the others the best counts, so
        # that other work on the machine matters least.
        figures["import, the first time"] = rounds[0][0]
        figures["import"] = min(times[0] for times in rounds[1:])
        figures["make client.db"] = min(times[1] for times in rounds)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    figures = measure(options.tables)
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"bindings of a module with {options.tables} tables")
        for name, value in figures.items():
            is_time = name not in ("schema, KiB", "files", "package, KiB")
            text = f"{value * 1000:10.1f} ms" if is_time else f"{value:10.0f}"
            target = f"   (target: under {TARGETS[name]} s)" if name in TARGETS else ""
            print(f"  {name:<26}{text}{target}")
    missed = [name for name, limit in TARGETS.items() if figures[name] >= limit]
    if options.check and missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
