"""What a token is, where it may come from, and what is wrong with text that is none.

WebSocket clients, HTTP clients, the 0.7 API and the command line all take tokens through this file.
No error here shows a token.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from spacetime_proto.client.callback_arity import check_callback
from spacetime_proto.errors import LocalProtocolError

if TYPE_CHECKING:
    from typing import NoReturn


class InsecureTokenWarning(UserWarning):
    """A token is about to travel over plain http to another machine."""


class TokenFile:
    """A token kept in a file (mode 0600): used when it is there, and saved when one is issued.

    An anonymous program becomes the same user again on its next start::

        connect(host, database, token=TokenFile("~/.config/chat/token"))
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.expanduser(os.fspath(path))

    def __repr__(self) -> str:
        return f"TokenFile({self.path!r})"

    def load(self) -> str | None:
        """Return the saved token, or None if there is no file or it is empty.

        White space around the token and a byte order mark, which editors add, are no part of it.

        Raises:
            LocalProtocolError: if the file is there and cannot be read, or holds something else.
        """
        try:
            with open(self.path, encoding="utf-8-sig") as file:
                text = file.read().strip()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise LocalProtocolError(
                f"cannot read the token file {self.path}: it is not UTF-8 text"
            ) from error
        except OSError as error:
            raise LocalProtocolError(f"cannot read the token file {self.path}: {error}") from error
        return checked_token(text, f"the token in {self.path}") if text else None

    def save(self, token: str) -> None:
        """Keep `token`; does nothing if it is the one already there.

        Raises:
            LocalProtocolError: if the file cannot be written.
        """
        if self.load() == token:
            return
        from .whole_file import (
            write_private,  # with it comes tempfile, a tenth of what options take
        )

        try:
            write_private(self.path, token + "\n")
        except OSError as error:
            raise LocalProtocolError(f"cannot write the token file {self.path}: {error}") from error

    def clear(self) -> None:
        """Forget the saved token: remove the file, if there is one.

        The next connection then gets a new identity, whose token is saved. For a server that was set
        up anew and so does not know the saved token any more.

        Raises:
            LocalProtocolError: if the file is there and cannot be removed.
        """
        try:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.path)
        except OSError as error:
            raise LocalProtocolError(
                f"cannot remove the token file {self.path}: {error}"
            ) from error


TokenSource: TypeAlias = (
    str | TokenFile | Callable[[], "str | None"] | Callable[[], Awaitable["str | None"]] | None
)


# --- from a source to a token -----------------------------------------------------------------


def checked_source(value: TokenSource) -> TokenSource:
    """Return the option ``token``.

    Raises:
        LocalProtocolError: it is of no kind that is allowed, or text that cannot be a token.
        TypeError: it is a callable that takes arguments.
    """
    if value is None or isinstance(value, TokenFile):
        return value
    if callable(value):
        check_callback("token", value)
        return value
    return checked_token(value)


def ask(source: TokenSource) -> Any:
    """Return the token of a source, or what a callable returned, which may be awaitable.

    Raises:
        LocalProtocolError: a file cannot be read, or does not hold a token.
    """
    if isinstance(source, TokenFile):
        return source.load()
    return source() if callable(source) else source


def refuse_awaitable(found: object, source: TokenSource) -> None:
    """Refuse what an async callable returned, where nothing can await it.

    Raises:
        LocalProtocolError: `found` is awaitable.
    """
    if not hasattr(found, "__await__"):
        return
    close = getattr(found, "close", None)
    if close is not None:
        close()  # or Python warns that it was never awaited
    name = getattr(source, "__qualname__", None) or repr(source)
    raise LocalProtocolError(
        f"the token callable {name} returned an awaitable; a blocking client needs a plain function"
        " (AsyncClient and AsyncHttpClient take async ones)"
    )


def refused_hint(source: TokenSource) -> str:
    """Return what an error about a refused token adds if the token was saved; empty otherwise."""
    if not isinstance(source, TokenFile):
        return ""
    return (
        f"the token was saved in {source.path}; if the server was set up anew since, TokenFile.clear()"
        " removes it, and the next connection gets a new identity"
    )


def warn_if_exposed(host: str, *, secure: bool, token: str | None, stacklevel: int = 3) -> None:
    """Warn if `token` would cross a network in the clear: over plain http to another machine.

    Args:
        host: host name or address without port.
        secure: whether the connection is TLS.
        token: the token that will be sent, or None.
        stacklevel: as in `warnings.warn`.
    """
    if secure or token is None or _is_loopback(host):
        return
    warnings.warn(
        f"a token is sent to {host} over plain http, where anyone on the way can read it;"
        " use an https URL",
        InsecureTokenWarning,
        stacklevel=stacklevel,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


# --- text that is no token --------------------------------------------------------------------

#: What text that is given for a token may be instead, most telling first: what begins (or, with
#: ``.*``, looks) like this, and the rest of the sentence that says so.
_MISTAKES: Final = (
    (
        "\ufeff|\xef\xbb\xbf|\ufffe",
        "begins with a byte order mark: read its file as utf-8-sig, or use TokenFile",
    ),
    (r"\s*$", "is only white space"),
    (
        r"\s*(proxy-)?authorization\s*[:=]",
        "is a whole Authorization header: leave out all before the token itself",
    ),
    (
        r"\s*[\"'`\u2018\u201c]?(bearer|basic|token)\s",
        "begins with the scheme of an Authorization header, such as Bearer: leave that word out",
    ),
    (r"\s*[{\[]", "is JSON: pass the text of its field token"),
    (
        r"\s*[\w.-]+\s*=\s*[^\s=]",
        "is a line of settings (name = value): pass the value alone, without quotes",
    ),
    (
        r"\s*[\"'`\u2018\u2019\u201c\u201d]|.*[\"'`\u2018\u2019\u201c\u201d]\s*$",
        "is in quotes: take them off",
    ),
    (r"\w+://", "is a URL: pass the token alone"),
    (
        r"[~./\\]|[a-z]:\\|[^\s]*[/\\]|[\w-]+\.(txt|jwt|token|json|toml|ini|env|pem|key)$",
        "looks like the path of a file: use TokenFile(path)",
    ),
    (r".*[\r\n]$", "ends with a line break: strip() it"),
    (r"\s|.*\s$", "has white space around it: strip() it"),
    (r".*\s", "has white space in it"),
)


def checked_token(value: object, what: str = "the token") -> str | None:
    """Return the text of a token, or None if it is None.

    Args:
        value: what was given.
        what: how the error calls it.

    Raises:
        LocalProtocolError: it is not text, empty, or something that is taken for a token by mistake,
            or it has characters that HTTP headers cannot carry.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        _refuse_kind(value, what)
    if not value:
        raise LocalProtocolError(f"{what} is empty; None asks for a new identity")
    if value.startswith("eyJ") and value.isascii() and _bare(value).isalnum():
        return value  # a JSON web token; without `re`, which takes milliseconds to compile the rest
    for pattern, text in _MISTAKES:
        if re.match(pattern, value, re.IGNORECASE | re.DOTALL):
            raise LocalProtocolError(f"{what} {text}")
    if not value.isascii() or any(ord(c) <= 32 or ord(c) == 127 for c in value):
        raise LocalProtocolError(f"{what} has characters that no JSON web token has")
    return value


def _bare(token: str) -> str:
    """Return a token without the characters that are neither letters nor digits."""
    return token.replace(".", "").replace("-", "").replace("_", "")


def _refuse_kind(value: object, what: str) -> NoReturn:
    kind = type(value).__name__
    hint = ""
    if isinstance(value, os.PathLike):
        hint = "; use TokenFile(path)"
    elif isinstance(value, (bytes, bytearray)):
        hint = "; decode() it"
    elif isinstance(value, dict) or hasattr(value, "token"):
        hint = "; pass its token alone"
    raise LocalProtocolError(
        f"{what} must be text, None, a TokenFile or a callable, not {kind}{hint}"
    )
