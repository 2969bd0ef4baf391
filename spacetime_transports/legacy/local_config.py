"""Settings of a small program in one INI file: the `local_config` of the original Python SDK.

Programs keep above all their token here, so only the owner can read the file (mode 0600), and it is
replaced as a whole, never half written. Values may contain anything, ``%`` included. Two clients on
one machine use different files if one is started with ``--client N`` on the command line, which
turns ``settings.ini`` into ``settings_N.ini`` (docs/legacy.md).
"""

from __future__ import annotations

import configparser
import io
import os
import sys
from typing import TYPE_CHECKING

from ..whole_file import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SECTION = "main"
_TOKEN_KEY = "auth_token"

# Module state, and public, because the original has it so and programs read it.
config: configparser.ConfigParser | None = None
settings_path: str | None = None


def init(
    config_folder: str | None = None,
    config_file: str | None = None,
    config_root: str | None = None,
    config_defaults: Mapping[str, str] | None = None,
) -> None:
    """Read the settings file, or start with `config_defaults` if there is none (not saved yet).

    Args:
        config_folder: folder below `config_root`; default ``.spacetime_python_sdk``.
        config_file: file name; default ``settings.ini``.
        config_root: default the user's home folder.
        config_defaults: values for a first start; ignored when the file exists.
    """
    global config, settings_path
    root = os.path.expanduser("~") if config_root is None else os.fspath(config_root)
    folder = ".spacetime_python_sdk" if config_folder is None else config_folder
    name = "settings.ini" if config_file is None else config_file
    client = _client_argument(sys.argv)
    if client is not None:
        stem, extension = os.path.splitext(name)
        name = f"{stem}_{client}{extension}"
    settings_path = os.path.join(root, folder, name)

    parser = configparser.ConfigParser(interpolation=None)
    if os.path.exists(settings_path):
        parser.read(settings_path, encoding="utf-8")
        if not parser.has_section(_SECTION):
            parser.add_section(_SECTION)
    else:
        parser.add_section(_SECTION)
        for key, value in (config_defaults or {}).items():
            parser.set(_SECTION, key, value)
    config = parser


def get_string(key: str) -> str | None:
    """Return the value of `key`, or None when it is not set or `init` has not been called."""
    if config is None:
        return None
    return config.get(_SECTION, key, fallback=None)


def set_string(key: str, value: str) -> None:
    """Set `key` and save at once; calls `init` with its defaults if that has not been done."""
    set_config([(key, value)])


def set_config(pairs: Iterable[tuple[str, str]] | Mapping[str, str]) -> None:
    """Set several keys, given as (key, value) pairs or as a mapping, and save once."""
    if config is None:
        init()
    assert config is not None and settings_path is not None
    for key, value in dict(pairs).items():
        config.set(_SECTION, key, value)
    text = io.StringIO()
    config.write(text)
    write_private(settings_path, text.getvalue())


def get_token() -> str | None:
    """Return the saved token (key ``auth_token``), or None."""
    return get_string(_TOKEN_KEY)


def set_token(token: str) -> None:
    """Save the token under the key ``auth_token``."""
    set_string(_TOKEN_KEY, token)


def _client_argument(argv: list[str]) -> str | None:
    """Return X of ``--client X`` or ``--client=X``, as long as it can be part of a file name."""
    for position, argument in enumerate(argv):
        name, equals, value = argument.partition("=")
        if name != "--client":
            continue
        if not equals:
            value = argv[position + 1] if position + 1 < len(argv) else ""
        if value and not any(character in value for character in "/\\\0"):
            return value
    return None
