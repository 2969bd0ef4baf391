"""The HTTP headers that set and remove environment variables of a database.

``spacetime-environment`` has ``KEY=VALUE`` entries and ``spacetime-environment-remove`` has keys, or
``*`` for all (docs/protocol.md section 8.8). Values are secrets: no error here quotes one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from ..errors import DecodeError, LocalProtocolError

__all__ = [
    "ENVIRONMENT",
    "ENVIRONMENT_REMOVE",
    "Removals",
    "check_key",
    "check_value",
    "decode_environment",
    "decode_removals",
    "encode_environment",
    "encode_removals",
    "parse_assignments",
]

ENVIRONMENT: Final = "spacetime-environment"
ENVIRONMENT_REMOVE: Final = "spacetime-environment-remove"
#: The longest name of a variable, in bytes.
MAX_KEY: Final = 256
#: The longest value, in bytes of UTF-8.
MAX_VALUE: Final = 8192

#: Keys to remove, or all that are stored.
Removals: TypeAlias = Sequence[str] | Literal["all"]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: A value that needs no quotes: visible ASCII without quotes, comma and backslash.
_BARE = re.compile(r"[!#-&(-+\--\[\]-~]*")
#: Up to the quote that ends a double-quoted string.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BLANKS = " \t"
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNPRINTABLE = re.compile(r'[^ -~]|["\\]')


def check_key(key: object) -> str:
    """Return the name of a variable.

    Raises:
        LocalProtocolError: no variable can have this name.
    """
    if isinstance(key, str) and len(key) <= MAX_KEY and _KEY.fullmatch(key):
        return key
    shown = json.dumps(key[:MAX_KEY]) if isinstance(key, str) else repr(type(key).__name__)
    raise LocalProtocolError(
        f"environment key {shown}: invalid name; one has letters, digits and _, at most {MAX_KEY},"
        " and begins with no digit"
    )


def check_value(key: str, value: object) -> str:
    """Return the value of the variable `key`.

    Raises:
        LocalProtocolError: it is no text, or longer than a server accepts.
    """
    if not isinstance(value, str):
        raise LocalProtocolError(
            f"environment key {json.dumps(key)}: the value must be a str, not {type(value).__name__}"
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise LocalProtocolError(
            f"environment key {json.dumps(key)}: the value is no Unicode text"
        ) from None
    if size > MAX_VALUE:
        raise LocalProtocolError(
            f"environment key {json.dumps(key)}: value exceeds size limit"
            f" ({size} bytes, at most {MAX_VALUE})"
        )
    return value


# --- writing ----------------------------------------------------------------------------------


def encode_environment(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return one header field per variable, sorted by key, each as the official client writes it.

    Raises:
        LocalProtocolError: a name or value is not possible.
    """
    checked = {check_key(key): check_value(key, value) for key, value in values.items()}
    return [(ENVIRONMENT, f"{key}={_written(value)}") for key, value in sorted(checked.items())]


def _written(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    return f'"{_UNPRINTABLE.sub(_escaped, value)}"'


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    units = character.encode("utf-16-be").hex()
    return _SHORT.get(character) or "".join(
        f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)
    )


def encode_removals(remove: Removals) -> list[tuple[str, str]]:
    """Return the header field for keys to remove; none if there are none.

    Raises:
        LocalProtocolError: one is no name of a variable.
    """
    if remove == "all":
        return [(ENVIRONMENT_REMOVE, "*")]
    if isinstance(remove, str):
        raise LocalProtocolError(
            f'keys to remove are a list of them, or "all", not the str {remove!r}'
        )
    keys = [check_key(key) for key in remove]
    return [(ENVIRONMENT_REMOVE, ", ".join(keys))] if keys else []


# --- reading ----------------------------------------------------------------------------------


def decode_environment(values: Iterable[str]) -> dict[str, str]:
    """Return the variables in all headers ``spacetime-environment`` of a request.

    Raises:
        DecodeError: a header is malformed, a name or value impossible, or a key there twice.
    """
    found: dict[str, str] = {}
    for text in values:
        for key, value in parse_assignments(_ascii(text, ENVIRONMENT)):
            if key in found:
                raise DecodeError(f"the key {key} is there twice", what=ENVIRONMENT)
            found[key] = value
    return found


def decode_removals(values: Iterable[str]) -> Removals:
    """Return what all headers ``spacetime-environment-remove`` of a request remove.

    Raises:
        DecodeError: one is no name of a variable, or ``*`` does not stand alone.
    """
    keys = [
        key
        for text in values
        for part in _ascii(text, ENVIRONMENT_REMOVE).split(",")
        if (key := part.strip())
    ]
    if keys == ["*"]:
        return "all"
    for key in keys:
        if len(key) > MAX_KEY or not _KEY.fullmatch(key):
            raise DecodeError("not a list of keys, nor * alone", what=ENVIRONMENT_REMOVE)
    return tuple(keys)


def parse_assignments(text: str, what: str = ENVIRONMENT) -> list[tuple[str, str]]:
    """Return the ``KEY=VALUE`` entries of a text, which commas outside of quotes separate.

    A value is bare (visible ASCII without quotes, comma and backslash), in single quotes (as it
    stands), or in double quotes (with the escapes of JSON).

    Raises:
        DecodeError: it is not such a list; the error does not quote it.
    """
    found = []
    rest = text.lstrip(f"{_BLANKS},")
    while rest:
        key, equals, rest = rest.partition("=")
        if not equals:
            raise DecodeError("an entry has no =", what=what)
        if len(key) > MAX_KEY or not _KEY.fullmatch(key):
            raise DecodeError("what stands before a = is no name of a variable", what=what)
        value, rest = _read_value(key, rest, what)
        try:
            found.append((key, check_value(key, value)))
        except LocalProtocolError as error:
            raise DecodeError(str(error), what=what) from None
        rest = rest.lstrip(_BLANKS)
        if rest and rest[0] != ",":
            raise DecodeError(f"more follows after the quoted value of {key}", what=what)
        rest = rest.lstrip(f"{_BLANKS},")
    return found


def _read_value(key: str, rest: str, what: str) -> tuple[str, str]:
    """Return the value at the start of `rest`, and what follows it."""
    if rest.startswith("'"):
        value, quote, rest = rest[1:].partition("'")
        if not quote:
            raise DecodeError(f"the quoted value of {key} has no end", what=what)
        return value, rest
    if rest.startswith('"'):
        quoted = _QUOTED.match(rest)
        if quoted is None:
            raise DecodeError(f"the quoted value of {key} has no end", what=what)
        try:
            return json.loads(quoted[0]), rest[quoted.end() :]
        except ValueError:
            raise DecodeError(f"the value of {key} is no JSON string", what=what) from None
    end = rest.find(",")
    value, rest = (rest, "") if end < 0 else (rest[:end], rest[end:])
    value = value.rstrip(_BLANKS)
    if not _BARE.fullmatch(value):
        raise DecodeError(f"the value of {key} needs quotes", what=what)
    return value, rest


def _ascii(text: str, what: str) -> str:
    if not all(character == "\t" or " " <= character <= "~" for character in text):
        raise DecodeError("characters that no such header may hold", what=what)
    return text
