"""`local_config`: the settings file of the 0.7 API (docs/legacy.md)."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from spacetime_transports.legacy import local_config

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def fresh_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_config, "config", None)
    monkeypatch.setattr(local_config, "settings_path", None)
    monkeypatch.setattr(sys, "argv", ["program"])


def test_before_init_every_key_is_unset() -> None:
    assert local_config.get_string("auth_token") is None


def test_defaults_go_below_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    local_config.init()
    assert local_config.settings_path == str(tmp_path / ".spacetime_python_sdk" / "settings.ini")
    assert not os.path.exists(local_config.settings_path)


def test_values_survive_a_restart_and_the_file_is_private(tmp_path: Path) -> None:
    local_config.init(".chat", config_root=str(tmp_path))
    local_config.set_string("auth_token", "100%_of %(it)s\nsecond line")
    local_config.init(".chat", config_root=str(tmp_path))
    assert local_config.get_string("auth_token") == "100%_of %(it)s\nsecond line"
    path = tmp_path / ".chat" / "settings.ini"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.ini"]


def test_a_file_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "s" / "settings.ini"
    path.parent.mkdir()
    path.write_text("[main]\nauth_token = old\n")
    path.chmod(0o644)
    local_config.init("s", config_root=str(tmp_path))
    assert local_config.get_token() == "old"
    local_config.set_token("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "new" in path.read_text()


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["p", "--client", "2"], "settings_2.ini"),
        (["p", "--client=bob"], "settings_bob.ini"),
        (["p", "--client"], "settings.ini"),
        (["p", "--client", "../evil"], "settings.ini"),
        (["p", "other", "words"], "settings.ini"),
    ],
)
def test_client_argument_names_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: list[str], name: str
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    local_config.init("f", config_root=str(tmp_path))
    assert local_config.settings_path == str(tmp_path / "f" / name)


def test_defaults_are_used_only_without_a_file(tmp_path: Path) -> None:
    local_config.init("f", config_root=str(tmp_path), config_defaults={"key": "default"})
    assert local_config.get_string("key") == "default"
    assert not (tmp_path / "f").exists()
    local_config.set_config([("other", "1"), ("third", "3")])
    local_config.init(
        "f", config_root=str(tmp_path), config_defaults={"key": "changed", "new": "x"}
    )
    assert local_config.get_string("key") == "default"
    assert local_config.get_string("other") == "1"
    assert local_config.get_string("new") is None


def test_set_config_takes_a_mapping_too(tmp_path: Path) -> None:
    local_config.init("f", config_root=str(tmp_path))
    local_config.set_config({"a": "1"})
    assert local_config.get_string("a") == "1"


def test_a_file_without_the_section_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "settings.ini").write_text("[other]\nkept = yes\n")
    local_config.init("f", config_root=str(tmp_path))
    local_config.set_string("a", "1")
    assert "kept = yes" in (tmp_path / "f" / "settings.ini").read_text()


def test_setting_without_init_uses_the_default_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    local_config.set_string("a", "1")
    assert (tmp_path / ".spacetime_python_sdk" / "settings.ini").exists()


def test_a_failed_write_leaves_the_old_file_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local_config.init("f", config_root=str(tmp_path))
    local_config.set_string("a", "1")

    def refuse(source: str, target: str) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        local_config.set_string("a", "2")
    assert "a = 1" in (tmp_path / "f" / "settings.ini").read_text()
    assert len(list((tmp_path / "f").iterdir())) == 1
