"""Makes text from a schema harmless inside generated Python source.

A schema is untrusted. Its names reach the output in three ways only: as identifiers that
`python_name` made, as string literals that `literal` wrote, and in comments and docstrings through
`plain`. None of the three lets a name end the token that it is part of.
"""

from __future__ import annotations

import re
import textwrap
from typing import Final

#: Longest line that is written where there is a choice; what ruff and black use unless told.
WIDTH: Final = 88

_MAX_PLAIN: Final = 120
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"', "'": "\\'"}
#: The characters that must be escaped in a literal, by its quote.
_UNSAFE: Final = {quote: re.compile(rf"[^ -~]|[\\{quote}]") for quote in "'\""}
_SAFE: Final = frozenset(
    " !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~"
)


def literal(text: str) -> str:
    """Write a string literal in ASCII, quoted as the formatters do it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + _UNSAFE[quote].sub(_escape, text) + quote


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(text: str) -> str:
    """Return text for a comment or docstring: one line of printable ASCII.

    Other characters become ``?``, and so do backslashes and double quotes, so that the text cannot
    end the comment or docstring.
    """
    safe = "".join(char if char in _SAFE else "?" for char in text[:_MAX_PLAIN])
    return safe + "..." if len(text) > _MAX_PLAIN else safe


def docstring(summary: str, *paragraphs: str, indent: str = "") -> list[str]:
    """Write a docstring, one line if it fits. Paragraph lines are kept, the summary is wrapped."""
    first = textwrap.wrap(summary, WIDTH - len(indent) - 6) or [""]
    if not paragraphs and len(first) == 1:
        return [f'{indent}"""{first[0]}"""']
    lines = [f'{indent}"""{first[0]}', *(f"{indent}{line}" for line in first[1:])]
    for paragraph in paragraphs:
        lines.append("")
        lines.extend(f"{indent}{line}".rstrip() for line in paragraph.splitlines())
    return [*lines, f'{indent}"""']
