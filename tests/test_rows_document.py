"""The programs of docs/rows.md do what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spacetime_proto.codegen.package import generate
from spacetime_transports.bindings_writer import module_from_python
from tests.typing.checkers import ROOT, write
from tests.typing.test_programs import programs

ASK = """
from fastapi.testclient import TestClient

client = TestClient(app)
item = mb.Item(id=1, owner=Identity.from_int(7), title="lamp", price=30, sold=False)
added = client.post("/items", json=item.to_dict())
assert added.json() == 1, added.text
assert client.get("/items").json() == [item.to_dict()]
assert client.get(f"/offers/{item.owner}").json() == {
    "by": str(item.owner), "items": [item.to_dict()]
}
assert client.get("/offers/me").status_code == 422
bad = client.post("/items", json=item.to_dict() | {"price": 1 << 63})
assert bad.json()["detail"][0]["loc"] == ["body", "price"]
"""


@pytest.mark.parametrize(("name", "more"), [("dictionaries", ""), ("fastapi", ASK)])
def test_a_program_runs(name: str, more: str, tmp_path: Path) -> None:
    if more:
        pytest.importorskip("fastapi")
    found = programs()
    (tmp_path / "shop.py").write_text(found["shop.py"])
    module = module_from_python(tmp_path / "shop.py")
    write(tmp_path / "module_bindings", generate(module, source="shop", version="1"))
    (tmp_path / "program.py").write_text(found[f"rows_{name}.py"] + more)
    done = subprocess.run(
        [sys.executable, "program.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
