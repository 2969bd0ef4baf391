"""The option ``recorder`` of `connect`: writing a session down while it runs.

A recording is what ``spacetime-py replay`` reads. Tokens in it are replaced by filler.
"""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING, Literal
from urllib.parse import parse_qsl

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.recording.format import Header, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .options import RecorderTarget


class RecordingTap:
    """A `spacetime_proto.client.tap.Tap` that records.

    Args:
        recorder: a `spacetime_proto.testing.Recorder`, which gets every connection, or the path of
            a file, which is overwritten. A path gets one file per connection: after ``session.jsonl``
            come ``session.2.jsonl`` and so on.
        request: path and query of the upgrade request; the recording keeps the parameters.

    Raises:
        LocalProtocolError: `recorder` is neither.
    """

    def __init__(self, recorder: RecorderTarget, request: str) -> None:
        if not isinstance(recorder, Recorder | str | os.PathLike):
            raise LocalProtocolError(
                f"recorder must be a Recorder or a path, not {type(recorder).__name__}"
            )
        self._recorder = recorder if isinstance(recorder, Recorder) else None
        self._path = None if isinstance(recorder, Recorder) else os.fspath(recorder)
        self._file: IO[str] | None = None
        self._connections = 0
        self._failed = False
        query = request.partition("?")[2]
        self._params = dict(parse_qsl(query, keep_blank_values=True))

    def started(self, protocol: str, headers: Iterable[tuple[str, str]]) -> None:
        """Begin the recording of a connection.

        Raises:
            LocalProtocolError: the file cannot be written.
        """
        self._connections += 1
        if self._path is not None:
            self._close()
            stem, extension = os.path.splitext(self._path)
            number = "" if self._connections == 1 else f".{self._connections}"
            try:
                self._file = open(f"{stem}{number}{extension}", "w", encoding="utf-8")  # noqa: SIM115
            except OSError as error:
                raise LocalProtocolError(f"cannot record to {self._path}: {error}") from error
            self._recorder = Recorder(self._file.write)
        assert self._recorder is not None
        found = {name.lower(): value for name, value in headers}
        with self._writing():
            self._recorder.start(Header(protocol, self._params, "", found))

    def message(self, direction: Literal["client", "server"], payload: bytes | str) -> None:
        """Record a message.

        Raises:
            LocalProtocolError: it cannot be written, as on a full disk.
        """
        assert self._recorder is not None
        with self._writing():
            self._recorder.message(direction, payload)
            if self._file is not None:
                self._file.flush()  # so that the recording is complete if the program crashes

    def closed(self, direction: Literal["client", "server"], code: int | None, reason: str) -> None:
        """Record the end, unless recording is what ended it.

        Raises:
            LocalProtocolError: it cannot be written.
        """
        if self._recorder is not None and not self._failed:  # None if `started` has failed
            with self._writing():
                self._recorder.closed(direction, code, reason)
        self._close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed = True
            where = "" if self._path is None else f" to {self._path}"
            raise LocalProtocolError(f"cannot record{where}: {error}") from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        if self._failed:
            # Closing writes what is still in the buffer, which fails as before.
            with contextlib.suppress(OSError):
                file.close()
        else:
            with self._writing():
                file.close()
