"""Writing packages: stable, tidy, and never over somebody else's files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from spacetime_proto.codegen.package import MARKER
from spacetime_proto.errors import DatabaseNotFound, SchemaError
from spacetime_transports import bindings_writer as g
from spacetime_transports.server import serve_in_thread
from spacetime_transports.server.chat_module import module as chat

GOLDEN = Path(__file__).parents[1] / "golden" / "schema"
CHAT = GOLDEN / "quickstart-chat.v10.json"
OURS = f"{MARKER}1 from x. Do not edit.\n"
FILES = {"__init__.py": f"{OURS}a = 1\n", "user.py": f"{OURS}b = 'é'\n"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "deep" / "bindings"


def snapshot(folder):
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())
    }


# --- writing ------------------------------------------------------------------------------------


def test_a_new_folder_is_made(folder):
    changes = g.write_package(FILES, folder)
    assert changes.created == ("__init__.py", "user.py")
    assert changes.lines() == ["+ __init__.py", "+ user.py"]
    assert (folder / "user.py").read_bytes() == FILES["user.py"].encode()
    assert sorted(os.listdir(folder)) == ["__init__.py", "user.py"]


def test_files_have_the_mode_of_any_other_source(folder):
    before = os.umask(0o027)
    try:
        g.write_package(FILES, folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "user.py").stat().st_mode) == 0o640


def test_writing_again_touches_nothing(folder):
    g.write_package(FILES, folder)
    before = snapshot(folder)
    changes = g.write_package(FILES, folder)
    assert not changes
    assert changes.unchanged == ("__init__.py", "user.py")
    assert changes.lines() == []
    assert snapshot(folder) == before


def test_only_what_differs_is_written_and_what_is_stale_is_removed(folder):
    g.write_package({**FILES, "old.py": OURS}, folder)
    before = snapshot(folder)
    changes = g.write_package({**FILES, "user.py": f"{OURS}b = 2\n"}, folder)
    assert changes.changed == ("user.py",)
    assert changes.removed == ("old.py",)
    assert changes.lines() == ["~ user.py", "- old.py"]
    after = snapshot(folder)
    assert after["__init__.py"] == before["__init__.py"]
    assert after["user.py"][0] == f"{OURS}b = 2\n".encode()
    assert "old.py" not in after


def test_files_of_the_user_are_left_alone(folder):
    g.write_package(FILES, folder)
    (folder / "mine.py").write_text("x = 1\n")
    (folder / "notes.txt").write_text(OURS)
    (folder / "sub").mkdir()
    (folder / "sub" / "old.py").write_text(OURS)
    (folder / "folder.py").mkdir()
    changes = g.write_package(FILES, folder)
    assert not changes
    assert (folder / "mine.py").read_text() == "x = 1\n"
    assert (folder / "sub" / "old.py").exists()


def test_a_file_that_was_not_generated_is_never_overwritten(folder):
    folder.mkdir(parents=True)
    (folder / "user.py").write_text("mine = 1\n")
    with pytest.raises(g.GenerateError, match=r"would be overwritten: user\.py"):
        g.write_package(FILES, folder)
    assert os.listdir(folder) == ["user.py"]
    assert (folder / "user.py").read_text() == "mine = 1\n"


def test_links_are_not_followed(folder, tmp_path):
    folder.mkdir(parents=True)
    outside = tmp_path / "outside.py"
    outside.write_text(OURS)
    (folder / "user.py").symlink_to(outside)
    with pytest.raises(g.GenerateError, match=r"user\.py"):
        g.write_package(FILES, folder)
    (folder / "user.py").rename(folder / "stale.py")
    g.write_package(FILES, folder)
    assert outside.read_text() == OURS
    assert (folder / "stale.py").is_symlink()
    (folder / "tables.py").symlink_to(tmp_path / "nowhere")
    with pytest.raises(g.GenerateError, match=r"tables\.py"):
        g.write_package({"tables.py": OURS}, folder)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py",
        "/tmp/evil.py",
        "a/b.py",
        "a\\b.py",
        "..",
        "",
        "x",
        "x.pyc",
        ".hidden.py",
        "x.py\n",
    ],
)
def test_names_that_lead_out_of_the_folder_are_refused(folder, name):
    with pytest.raises(g.GenerateError, match="not the name of a file in the folder"):
        g.write_package({"__init__.py": OURS, name: OURS}, folder)
    assert not folder.exists()


def test_the_folder_must_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(g.GenerateError, match="is not a folder"):
        g.write_package(FILES, tmp_path / "file")


def test_a_failing_write_is_one_sentence_and_leaves_no_litter(folder, monkeypatch):
    folder.mkdir(parents=True)

    def full(source, target):
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(g.GenerateError, match=r"cannot write .*: No space left on device"):
        g.write_package(FILES, folder)
    assert os.listdir(folder) == []


def test_checking_writes_nothing(folder):
    assert g.compare_package(FILES, folder).created == ("__init__.py", "user.py")
    assert not folder.exists()
    g.write_package(FILES, folder)
    before = snapshot(folder)
    assert not g.compare_package(FILES, folder)
    assert g.compare_package({"user.py": OURS}, folder).lines() == ["~ user.py", "- __init__.py"]
    assert snapshot(folder) == before


# --- sources ------------------------------------------------------------------------------------


def test_from_a_schema_file(folder):
    module = g.module_from_schema(CHAT)
    files = g.generate_package(module, source=CHAT.name)
    assert g.PackageChanges().lines() == []
    assert "user.py" in files
    assert f"{MARKER}{g.program_version()} from quickstart-chat.v10.json." in files["user.py"]
    assert g.write_package(files, folder)
    assert not g.compare_package(files, folder)


def test_a_schema_file_that_is_none(tmp_path):
    with pytest.raises(g.GenerateError, match=r"cannot read .*: No such file"):
        g.module_from_schema(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(SchemaError, match=r"bad\.json: schema: neither"):
        g.module_from_schema(tmp_path / "bad.json")


def test_from_a_python_module(tmp_path):
    path = tmp_path / "thing_module.py"
    path.write_text(
        "from spacetime_proto.server import Context, Module, column\n"
        "module = Module()\n"
        "@module.table(public=True)\n"
        "class Thing:\n"
        "    id: int = column(primary_key=True)\n"
        "    name: str\n"
        "@module.reducer\n"
        "def add_thing(ctx: Context, name: str) -> None: ...\n"
    )
    module = g.module_from_python(path)
    files = g.generate_package(module, source="thing_module.py")
    assert "    id: UniqueColumn[Thing, int]" in files["thing.py"]
    assert "def add_thing(name: str) -> Call[None]:" in files["reducers.py"]
    path.write_text("1 / 0\n")
    with pytest.raises(g.GenerateError, match="does not load: ZeroDivisionError"):
        g.module_from_python(path)
    path.write_text(
        "from spacetime_proto.server import Module\n"
        "module = Module()\n"
        "@module.table(public=True)\n"
        "class Thing:\n"
        "    x: complex\n"
    )
    with pytest.raises(g.GenerateError, match=r"thing_module\.py"):
        g.module_from_python(path)


def test_from_a_running_server():
    with serve_in_thread(chat, database="chat") as server:
        module = g.module_from_server(server.url, "chat")
        assert [table.name for table in module.tables] == ["message", "user"]
        with pytest.raises(DatabaseNotFound):
            g.module_from_server(server.url, "secret")


def test_the_version_of_a_tree_that_is_not_installed(monkeypatch):
    def missing(name):
        raise g.PackageNotFoundError(name)

    monkeypatch.setattr(g, "distribution_version", missing)
    assert g.program_version() == "0"
