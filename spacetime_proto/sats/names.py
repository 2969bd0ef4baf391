"""The one rule that turns a name of a schema into a Python identifier (`python_name`).

1. Unicode NFKC, as Python itself reads identifiers; every character that cannot be part of one
   becomes ``_``; an empty name becomes ``unnamed``.
2. A name that starts with a digit gets ``_`` in front.
3. Leading underscores are removed when there are two or more, or when the name also ends with one:
   ``__x`` would be mangled inside a class, ``__x__`` belongs to Python, ``_x_`` to `enum`.
4. Keywords and ``mro`` (which `enum` refuses) get ``_`` appended.

Built-in names such as ``id`` and ``type`` stay as they are: fields are attributes, which shadow
nothing. Where several names stand side by side, `python_names` keeps them apart by appending ``_``,
or a number to a name with a leading underscore, which must not end with one (rule 3).
"""

from __future__ import annotations

import keyword
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_RESERVED: Final = frozenset((*keyword.kwlist, "mro"))


def python_name(name: str) -> str:
    """Return the Python identifier for a name of a schema (the rule above)."""
    text = unicodedata.normalize("NFKC", name)
    if not (text.isascii() and text.isidentifier()):
        text = "".join(char if f"a{char}".isidentifier() else "_" for char in text)
        if text and not text[0].isidentifier():
            text = f"_{text}"
    if text.startswith("__") or (text.startswith("_") and text.endswith("_")):
        text = text.lstrip("_")
        if text and not text[0].isidentifier():
            text = f"_{text}".rstrip("_")
    if text in _RESERVED:
        text += "_"
    return text or "unnamed"


def python_names(
    names: Iterable[str | None], *, prefix: str = "field_", reserved: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return distinct identifiers for names that stand side by side, in order.

    Args:
        names: the names; None stands for one that has none and becomes `prefix` and its position.
        prefix: what nameless ones are called.
        reserved: identifiers that are taken already.
    """
    taken = set(reserved)
    result = []
    for position, name in enumerate(names):
        text = stem = f"{prefix}{position}" if name is None else python_name(name)
        number = 1
        while text in taken:
            number += 1
            text = f"{stem}_{number}" if stem.startswith("_") else f"{text}_"
        taken.add(text)
        result.append(text)
    return tuple(result)
