"""How the end of a blocking client is told: what a callback raised comes out where the callback ran."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from spacetime_proto.client.pump import Invoke
from spacetime_proto.errors import Disconnected

from ..driver_base import EXPLAIN_TIME, DriverBase, may_be_stale
from ..options import callback_name, is_async_callable
from .dial import Dialer

if TYPE_CHECKING:
    from collections.abc import Callable

DbT = TypeVar("DbT")


class TellingDriver(DriverBase[DbT]):
    """The part of `BlockingDriver` that keeps what callbacks raise, and raises it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dialer = Dialer(self.address, self.options)
        self._callback_error: Exception | None = None
        """What a callback raised, and so ended the client."""
        self._callback_thread: int | None = None
        """Which thread ran that callback."""

    def check_callback(self, callback: Callable[..., object]) -> None:
        if is_async_callable(callback):
            raise TypeError(
                f"{callback_name(callback)} is an async function; a blocking client takes plain "
                "functions only"
            )

    def _ends_client(self, error: Exception, want: Any) -> bool:
        """Note what a callback raised, unless the user's handler is about to get it."""
        if type(want) is Invoke and want.function is self.status.rules.on_callback_error:
            return False
        if self._callback_error is None:
            self._callback_error = error
            self._callback_thread = threading.get_ident()
        elif self._callback_error is not error:
            self._callback_error.add_note(f"After that, another callback raised {error!r}.")
        return True

    def raise_last(self, raised: BaseException | None) -> None:
        """Raise what ended the client, if nothing was `raised` and it was not told before.

        If bindings that no longer fit explain either error, SchemaMismatch takes its place.
        """
        error = self.take_error()
        if raised is None:
            raised = error
        elif error is not None and error is self._callback_error and error is not raised:
            raised.add_note(f"Before that, a callback of the client raised {error!r}.")
            error = None
        else:
            error = None
        if may_be_stale(raised):
            self._explain(raised, self._dialer.describe(self.database, timeout=EXPLAIN_TIME))
        if error is not None:
            raise error

    def raise_over(self, what: str) -> None:
        self.raise_callback_error()
        super().raise_over(what)

    def raise_callback_error(self) -> None:
        """Raise what a callback raised, if nothing has raised it yet."""
        if self.is_done and self._callback_error is not None:
            self.raise_error()

    def surface(self) -> None:
        """The same, if this thread ran that callback."""
        if self._callback_thread == threading.get_ident():
            self.raise_callback_error()

    def _end(self) -> None:
        error = self._callback_error
        if error is not None:
            self.status.error = error
            for stream in list(self.streams):
                stream.end(Disconnected.because("a callback ended the client", error))
        super()._end()


def refuse_async_result(result: Any, function: Callable[..., Any]) -> None:
    """Raise TypeError if what a callback returned would have to be awaited."""
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()  # or Python warns that it was never awaited
        raise TypeError(
            f"the callback {callback_name(function)} returned an awaitable; a blocking "
            "client runs plain functions only"
        )
