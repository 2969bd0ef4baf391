"""Files that are replaced as a whole: readers never see half of one, and secrets stay private."""

from __future__ import annotations

import contextlib
import os
import tempfile


def write_private(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path` with mode 0600, creating missing folders with mode 0700.

    Raises:
        OSError: if the file cannot be written.
    """
    target = os.path.abspath(os.fspath(path))
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    write_whole(target, text.encode(), private=True)


def write_whole(path: str | os.PathLike[str], data: bytes, *, private: bool = False) -> None:
    """Write `data` to a new file beside `path`, which then takes the name.

    A crash leaves either the old content or the new.

    Args:
        path: the file; its folder exists.
        data: its whole new content.
        private: only the owner can read it, from the moment it exists.

    Raises:
        OSError: if the file cannot be written.
    """
    # mkstemp creates with mode 0600 whatever the umask says.
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if not private:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
