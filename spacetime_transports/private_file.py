"""Files that hold a secret: readable by their owner only, and replaced as a whole."""

from __future__ import annotations

import contextlib
import os
import tempfile

__all__ = ["write_private"]


def write_private(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path` with mode 0600, creating missing folders with mode 0700.

    The text goes to a new file beside it, which then takes the name: a crash leaves either the old
    content or the new, and at no moment is the secret readable by others.

    Raises:
        OSError: if the file cannot be written.
    """
    target = os.path.abspath(os.fspath(path))
    folder = os.path.dirname(target)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    # mkstemp creates with mode 0600 whatever the umask says.
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
