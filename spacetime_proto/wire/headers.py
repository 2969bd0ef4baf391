"""HTTP header fields: checked on the way out, lower-case on the way in, no secrets in the repr.

Every header this package sends passes through `Headers`, so a name or value with a line break,
which would be header injection, can never reach the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, cast

import h11

from ..errors import LocalProtocolError

#: RFC 9110 section 5.6.2: the characters of a field name.
_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
#: RFC 9110 section 5.5, without obs-text: visible ASCII, with blanks and tabs inside only.
_VALUE = re.compile(r"(?:[\x21-\x7e]+(?:[ \t]+[\x21-\x7e]+)*)?")
#: RFC 9112 section 3.2: a request target holds visible ASCII only.
_TARGET = re.compile(r"[\x21-\x7e]+")

_SECRET = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "spacetime-environment",
        "spacetime-identity-token",
    }
)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


class Headers:
    """An immutable, ordered list of header fields with case-insensitive lookup."""

    __slots__ = ("_fields",)

    def __init__(self, fields: HeaderFields = ()) -> None:
        """Check and keep `fields`.

        Raises:
            LocalProtocolError: they are not pairs of text, a name is no token, or a value holds anything but visible ASCII,
                inner blanks and tabs. The value is not quoted: it may be a secret.
        """
        if isinstance(fields, Mapping):
            fields = cast("Mapping[str, str]", fields).items()
        try:
            pairs: tuple[tuple[str, str], ...] = tuple(
                (_text(name), _text(value)) for name, value in fields
            )
        except (TypeError, ValueError):
            raise LocalProtocolError(
                "headers must be a mapping of text to text or pairs of text"
            ) from None
        for name, value in pairs:
            if _NAME.fullmatch(name) is None:
                raise LocalProtocolError(f"{name!r} is not a name that an HTTP header can have")
            if _VALUE.fullmatch(value) is None:
                raise LocalProtocolError(
                    f"the value of HTTP header {name} holds characters that are not allowed in one"
                    " (line breaks, control characters, non-ASCII or outer blanks)"
                )
        self._fields: tuple[tuple[str, str], ...] = pairs

    @classmethod
    def received(cls, raw: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Make headers of what a peer sent: names in lower case, values as Latin-1, unchecked."""
        headers = cls.__new__(cls)
        headers._fields = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw
        )
        return headers

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first field called `name`, in any case, or `default`."""
        wanted = name.lower()
        return next((value for key, value in self._fields if key.lower() == wanted), default)

    def get_all(self, name: str) -> list[str]:
        """Return the values of all fields called `name`, in any case."""
        wanted = name.lower()
        return [value for key, value in self._fields if key.lower() == wanted]

    def tokens(self, name: str) -> list[str]:
        """Return the comma-separated elements of every field called `name`, blanks stripped."""
        pieces = (value.split(",") for value in self.get_all(name))
        return [token for piece in pieces for part in piece if (token := part.strip())]

    def raw(self) -> list[tuple[bytes, bytes]]:
        """Return the fields as bytes, the form that h11 takes."""
        return [(k.encode("latin-1"), v.encode("latin-1")) for k, v in self._fields]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        shown = [(k, "<hidden>" if k.lower() in _SECRET else v) for k, v in self._fields]
        return f"Headers({shown!r})"


HeaderFields: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""The forms in which callers may pass headers: a mapping, pairs, or `Headers`."""


def check_target(target: str) -> str:
    """Return `target` if it can stand in a request line.

    Raises:
        LocalProtocolError: it is empty or holds blanks, control characters or non-ASCII.
    """
    if _TARGET.fullmatch(target) is None:
        raise LocalProtocolError("the path of the URL holds characters that must be %-encoded")
    return target


def head_size(event: h11.Request | h11.Response | h11.InformationalResponse) -> int:
    """Return about how many bytes the header section of `event` took on the wire.

    h11's ``max_incomplete_event_size`` limits only what it keeps of an incomplete header section;
    one that arrives in a single read passes it, whatever its size. Such ones are limited by this
    size.
    """
    return sum(len(name) + len(value) + 4 for name, value in event.headers)
