"""What mypy and pyright make of programs with generated bindings.

`programs/right.py` pins the public types with ``assert_type``; every marked line of
`programs/wrong.py` must be rejected, and no other. Both checkers run in their strict modes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.codegen.package import generate
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    TIMESTAMP,
    UNIT,
    Primitive,
    RefType,
    SumType,
    Variant,
    option,
)
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.model import IndexDef, ProcedureDef, ReducerDef
from tests.support.golden import GOLDEN
from tests.support.modules import make_module, product
from tests.typing.checkers import CHECKERS, write

PROGRAMS = Path(__file__).parent / "programs"
U8, I64, STRING, F64 = (Primitive(name) for name in ("U8", "I64", "String", "F64"))

MODULE = make_module(
    {
        "User": product(
            identity=IDENTITY,
            name=STRING,
            age=U8,
            banned=Primitive("Bool"),
            nick=option(STRING),
            color=RefType(3),
            shape=RefType(4),
            since=TIMESTAMP,
        ),
        "Log": product(user=IDENTITY, level=U8, text=STRING),
        "Alert": product(text=STRING),
        "Color": SumType((Variant("red", UNIT), Variant("green", UNIT))),
        "Shape": SumType((Variant("Circle", F64), Variant("Empty", UNIT))),
    },
    {
        "user": (
            "User",
            {
                "primary_key": 0,
                "unique_columns": (0, 1),
                "indexes": (IndexDef(None, "age", "btree", (2,)),),
            },
        ),
        "log": ("Log", {"indexes": (IndexDef(None, "user_level", "btree", (0, 1)),)}),
        "alert": ("Alert", {"is_event": True}),
    },
    reducers=[ReducerDef("set_name", "set_name", product(name=STRING, nick=option(STRING)))],
    procedures=[
        ProcedureDef("add", "add", product(lhs=I64, rhs=I64), I64),
        ProcedureDef("look", "look", product(name=STRING), option(RefType(0))),
        ProcedureDef("ping", "ping", product(), UNIT),
    ],
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs and the bindings that they import."""
    folder = tmp_path_factory.mktemp("typing")
    write(folder / "module_bindings", generate(MODULE, source="typed", version="1"))
    for program in PROGRAMS.glob("*.py"):
        shutil.copy(program, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKERS)
def test_the_public_types(check: Any, workplace: Path) -> None:
    assert check(workplace, "right.py", "module_bindings") == {}


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKERS)
def test_wrong_programs_are_rejected(check: Any, workplace: Path) -> None:
    lines = (PROGRAMS / "wrong.py").read_text().splitlines()
    marked = [number for number, line in enumerate(lines, 1) if line.endswith("# wrong")]
    assert sorted(set(check(workplace, "wrong.py").get("wrong.py", []))) == marked


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKERS)
def test_every_recorded_schema_generates_code_that_checks(check: Any, tmp_path: Path) -> None:
    names = []
    for path in sorted(GOLDEN.rglob("schema/*.json")):
        names.append(re.sub(r"\W", "_", path.stem))
        module = load_schema(path.read_text())
        write(tmp_path / names[-1], generate(module, source=path.name, version="1"))
    assert check(tmp_path, *names) == {}


@pytest.mark.slow
def test_every_recorded_schema_generates_code_that_linters_like(tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed")
    for path in sorted((GOLDEN / "schema").glob("*.json")):
        name = re.sub(r"\W", "_", path.stem)
        module = load_schema(path.read_text())
        write(tmp_path / name, generate(module, source=path.name, version="1"))
    rules = ["--select", "E,F,W,I,B,UP,ASYNC,PERF,PGH,RUF,SIM", "--ignore", "E501"]
    for command in (
        ["check", "--isolated", "--target-version", "py311", *rules],
        ["check", "--isolated"],
        ["format", "--isolated", "--check"],
        ["format", "--isolated", "--check", "--line-length", "100"],
    ):
        done = subprocess.run(
            [ruff, *command, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:]


SUBMODULES = """
from typing import assert_type
import combined as mb
from spacetime_proto.bindings import Call


def use(db: mb.Db) -> None:
    assert_type(mb.reducers.my_auth.clean_expired(max_age=3), Call[None])
    row = db.my_auth.session_row.session_id.find(3)
    assert_type(row, mb.MyAuthSessionRow | None)
    mb.tables.my_auth.session_row.where(lambda row: row.user_name == "ann")
    mb.reducers.my_auth.clean_expired("3")  # wrong
    db.my_auth.sessions  # wrong
    mb.tables.my_auth.sessions  # wrong
"""


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKERS)
def test_submodules(check: Any, tmp_path: Path) -> None:
    module = load_schema((GOLDEN / "v2.14" / "schema" / "combined.v10.json").read_text())
    write(tmp_path / "combined", generate(module, source="combined", version="1"))
    (tmp_path / "use.py").write_text(SUBMODULES)
    lines = enumerate(SUBMODULES.splitlines(), 1)
    marked = [number for number, line in lines if line.endswith("# wrong")]
    found = check(tmp_path, "use.py", "combined")
    assert sorted(set(found.pop("use.py"))) == marked
    assert found == {}
