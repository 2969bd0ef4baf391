"""The case conversions of SpacetimeDB (docs/protocol.md section 8.5), beside the escape rule for Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..sats.names import python_name, python_names

__all__ = [
    "camel_case",
    "parameter_names",
    "pascal_case",
    "python_name",
    "python_names",
    "snake_case",
    "split_words",
]

if TYPE_CHECKING:
    from ..sats.algebraic import ProductType

_SEPARATORS: Final = re.compile(r"[_\- ]+")


def split_words(name: str) -> list[str]:
    """Split a name into words as SpacetimeDB does (docs/protocol.md section 8.5).

    At ``_``, ``-`` and space, which vanish; between lower and upper case; between letter and digit
    both ways; before the last capital of an acronym.
    """
    words = []
    for part in _SEPARATORS.split(name):
        start = 0
        for at in range(1, len(part)):
            if _is_boundary(part, at):
                words.append(part[start:at])
                start = at
        if part:
            words.append(part[start:])
    return words


def _is_boundary(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if _is_digit(before) or _is_digit(after):
        other = before if _is_digit(after) else after
        return other.isupper() or other.islower()
    if before.islower():
        return after.isupper()
    return before.isupper() and after.isupper() and at + 1 < len(text) and text[at + 1].islower()


def _is_digit(char: str) -> bool:
    return "0" <= char <= "9"


def snake_case(name: str) -> str:
    """``HTTPRequest2`` -> ``http_request_2``."""
    return "_".join(word.lower() for word in split_words(name))


def pascal_case(name: str) -> str:
    """``http_request`` -> ``HttpRequest``."""
    return "".join(word[0].upper() + word[1:].lower() for word in split_words(name))


def camel_case(name: str) -> str:
    """``BannedUntil`` -> ``bannedUntil``."""
    text = pascal_case(name)
    words = split_words(name)
    return words[0].lower() + text[len(words[0]) :] if words else ""


def parameter_names(params: ProductType) -> tuple[str, ...]:
    """Return the parameters of a function as Python names: snake_case, whoever wrote the schema.

    Servers give canonical names since 2.14 and source names before (docs/protocol.md section 8.5).
    They are labels only: arguments are positional on the wire.
    """
    names = (one.name and (snake_case(one.name) or one.name) for one in params.elements)
    return python_names(names, prefix="arg_")
