"""What the async and the blocking driver have in common: a client's state, and how its end is told.

`aio` and `blocking` never import each other. `spacetime_proto.client.life` decides when to connect,
read, run callbacks and so on; a driver does it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from spacetime_proto.client.batch_support import BatchSupport
from spacetime_proto.client.callback_arity import check_callback
from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.life import LifeRules, LifeStatus
from spacetime_proto.client.session import ClientSession
from spacetime_proto.client.session_options import Target
from spacetime_proto.client.stats import Stats
from spacetime_proto.errors import (
    Disconnected,
    InternalError,
    LimitExceeded,
    LocalProtocolError,
    ProtocolError,
    QueryError,
    SchemaMismatch,
    SubscriptionError,
)

from .logs import ClientLog
from .token_sources import TokenFile, refused_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.pending_call import PendingCall
    from spacetime_proto.client.table_handles import ChangeStream, TableHandle
    from spacetime_proto.schema.model import ModuleDef

    from .handles_base import ChangeStreamBase
    from .net.address import Address
    from .options import ConnectOptions

DbT = TypeVar("DbT")
R = TypeVar("R")

#: The drivers of this process; those that a fork copies into a child do not belong to it.
_drivers: weakref.WeakSet[DriverBase[Any]] = weakref.WeakSet()
#: URLs of servers that have refused SubscribeBatch, for all clients of this process. To forget them
#: is not needed: a server that was updated still takes one Subscribe per query set.
SERVERS_WITHOUT_BATCH: Final[set[str]] = set()

#: Bytes asked for in one read.
READ_SIZE = 256 * 1024
#: Seconds to wait for the server's schema when a client that failed closes: it may explain why.
EXPLAIN_TIME = 3.0


class DriverBase(Generic[DbT]):
    """Runs a client.

    The error that ends the client is raised by every call that waits at that moment; if there is
    none, leaving the client's ``with`` block raises it, once (`take_error`).

    Attributes:
        status: the state that `life` keeps.
        callbacks: the callbacks of the whole client.
        lock: held while a message is applied and while a request is queued, never while a callback
            runs or a thread waits.
        was_told: whether the error that ended the client was raised somewhere.
        is_entered: whether the client began to connect.
        is_done: whether the client is over, and every pending request has its outcome.
        is_forked: whether this is the copy of a client in a forked child process.
        streams: the change streams that have not ended.

    Raises:
        LocalProtocolError: the database has no name, or the option ``recorder`` makes no sense.
        TypeError: a callback among the options is one that this driver cannot run.
    """

    def __init__(
        self,
        address: Address,
        database: str,
        module: Module[DbT] | None,
        options: ConnectOptions,
        *,
        callbacks: Callbacks | None = None,
    ) -> None:
        if not isinstance(database, str) or not database:
            raise LocalProtocolError(f"database must be a name or an identity, not {database!r}")
        self.address = address
        self.database = database
        self.options = options
        self.lock = threading.RLock()
        self.was_told = False
        self.is_entered = False
        self.is_done = False
        self.is_forked = False
        self.streams: set[ChangeStreamBase[Any]] = set()
        token = options.token
        self._target = Target(
            host=address.host_header,
            database=database,
            path_prefix=address.path_prefix,
            headers=options.headers,
            token_hint=refused_hint(token),
        )
        rules = LifeRules(
            target=self._target,
            url=address.url,
            connect_timeout=options.connect_timeout,
            wait_for_server=options.wait_for_server,
            reconnect=options.reconnect,
            has_fresh_tokens=options.has_fresh_tokens,
            on_callback_error=_with_two_arguments(options.on_callback_error),
            save_token=token.save if isinstance(token, TokenFile) else None,
        )
        self.callbacks = Callbacks() if callbacks is None else callbacks
        self.status: LifeStatus[DbT] = LifeStatus(rules, self.callbacks, entropy=os.urandom)
        if options.on_callback_error is not None:
            self.check_callback(options.on_callback_error)

        self.log = ClientLog(self.status, address.url, database, options.slow_callback)
        for kind in ("connect", "connect_error", "disconnect"):
            callback = getattr(options, f"on_{kind}")
            if callback is not None:
                self.check_callback(callback)
                self.callbacks.add(kind, callback)
        if module is not None:
            self._begin(module)
        _drivers.add(self)

    def _begin(self, module: Module[DbT]) -> None:
        """Make the session; needs bindings."""
        session = ClientSession(self.options.client, module, entropy=os.urandom)
        session.batches = BatchSupport(SERVERS_WITHOUT_BATCH, self.address.url)
        session.set_driver(
            check_callback=self.check_callback,
            change_stream=self._change_stream,
            retry_in=self.retry_in,
        )
        if self.options.recorder is not None:
            from .recorder import RecordingTap

            request = self._target.request_target(self.options.client, session.session_id)
            session.tap = RecordingTap(self.options.recorder, request)
        self.status.session = session
        self.log.watch(session)

    # --- what each driver adds ------------------------------------------------------------------

    def check_callback(self, callback: Callable[..., object]) -> None:
        """Raise TypeError for a callback that this driver cannot run, such as an ``async def``."""

    if TYPE_CHECKING:

        @property
        def in_callback(self) -> bool:
            """Whether this is a callback, or a task that a running one started: it must not wait."""
            raise NotImplementedError

        def flush(self) -> None:
            """Let what was queued be sent soon."""

        def wake(self) -> None:
            """Let the session be asked again what to do: its deadlines may have changed."""

        def close(self) -> None:
            """Begin to close the connection, without waiting for the end."""

        def _descriptors(self) -> Iterable[int]:
            """Return the descriptors of the open sockets."""
            raise NotImplementedError

        def close_soon(self) -> None:
            """Do the same soon; from any thread, at any time."""

        def _change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
            """Return the stream behind ``table.changes()``."""
            raise NotImplementedError

    def now(self) -> float:
        """Return the time in seconds, on the clock that `LifeStatus.retry_at` refers to."""
        return time.monotonic()

    def retry_in(self) -> float | None:
        """Return the seconds until the next attempt to connect; None if there is none."""
        at = self.status.retry_at
        return None if at is None else max(0.0, at - self.now())

    # --- what both do ---------------------------------------------------------------------------

    @property
    def session(self) -> ClientSession[DbT] | None:
        """The session; None until there are bindings."""
        return self.status.session

    def check_process(self) -> None:
        """Refuse to use a client that belongs to the parent process.

        Raises:
            LocalProtocolError: this is a child process, made by ``fork`` after the client was.
        """
        if self.is_forked:
            raise LocalProtocolError(
                f"the client of {self.database!r} belongs to the parent process of this one; a"
                " connection cannot be shared by two processes: call connect again here, in the child"
            )

    def disown(self) -> None:
        """In a forked child: let go of the connection, which is the parent's, without touching it.

        To shut a socket down or to read from it would do so for both processes. So what takes the
        place of each socket here is /dev/null, even for a C library that remembers its descriptor.
        """
        self.is_forked = True
        self._renew_lock()
        with contextlib.suppress(Exception):
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in self._descriptors():
                if descriptor >= 0:
                    os.dup2(null, descriptor)
            os.close(null)

    def _renew_lock(self) -> None:
        """In a forked child: forget the lock. A thread may have held it that is not there any more."""
        self.lock = threading.RLock()

    def refuse_in_callback(self, what: str) -> None:
        """Refuse to wait inside a callback of the same client, which would wait for itself.

        Raises:
            LocalProtocolError: this is a callback, or a forked child process.
        """
        self.check_process()
        if self.in_callback:
            raise LocalProtocolError(
                f"cannot {what} and wait for it inside a callback of the same client, which would"
                " wait for itself; use ctx.submit or ctx.subscribe, or a task or thread of your own"
            )

    def stats(self) -> Stats:
        """Return the numbers of the client's whole life, as they are between two messages."""
        with self.lock:
            session = self.status.session
            return Stats() if session is None else session.stats_at(self.now())

    def abandon(self) -> None:
        """Note that nobody waits any more for a call or query that has no outcome yet."""
        session = self.status.session
        if session is not None:
            with self.lock:
                session.counters.calls_abandoned += 1

    @property
    def is_over(self) -> bool:
        """Whether there will be no connection any more; `is_done` follows when all is cleaned up."""
        return self.is_done or self.status.is_closing

    @property
    def _is_closing(self) -> bool:
        """Whether there is no use any more in waiting for anything but the end."""
        return self.status.is_closing

    def _end(self) -> None:
        """Note that the client is over, and end its change streams."""
        self.is_done = True
        self.log.over()
        for stream in list(self.streams):
            stream.end(self.status.error)

    # --- the end, told once -----------------------------------------------------------------------

    def take_error(self) -> BaseException | None:
        """Return the error that ended the client, or None if it was told before; now it is."""
        if self.was_told:
            return None
        self.was_told = True
        return self.status.error

    def raise_error(self) -> None:
        """Raise the error that ended the client, if there is one and it was not told before."""
        error = self.take_error()
        if error is not None:
            raise error

    def raise_not_up(self) -> None:
        """Raise the error that prevented the first connection."""
        raise self.take_error() or Disconnected("the client was closed before it was connected")

    def raise_ended(self, what: str) -> None:
        """Raise the error that ended the client, also if it was told before; see `raise_over`.

        Raises:
            Disconnected: this side closed it.
            BaseException: what ended it.
        """
        error = self.status.error
        if error is None:
            self.raise_over(what)
        else:
            self.was_told = True
            raise error

    def raise_over(self, what: str) -> None:
        """Raise the error for a request on a client that is over.

        Raises:
            Disconnected: always.
        """
        self.was_told = True
        error, session = self.status.error, self.status.session
        if error is None and session is not None:
            error = session.close_error
        if error is None:
            raise Disconnected(f"cannot {what}: this client is closed")
        raise Disconnected.because(f"cannot {what}: the connection is over", error)

    def outcome(self, pending: PendingCall[R]) -> R:
        """Return the value of a settled call, or raise its error."""
        if isinstance(pending.error, Disconnected):
            self.was_told = True
        return pending.result()

    def _explain(self, error: BaseException | None, found: ModuleDef | None) -> None:
        """Raise SchemaMismatch, caused by `error`, if the bindings do not fit the schema `found`."""
        session = self.status.session
        if session is not None and found is not None:
            try:
                session.module.check_fits(found)
            except SchemaMismatch as mismatch:
                raise mismatch from error


def _disown_all() -> None:
    """In a child process: leave the clients that have begun to connect to the parent."""
    for driver in list(_drivers):
        if driver.is_entered:
            driver.disown()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_disown_all)


def may_be_stale(error: BaseException | None) -> bool:
    """Whether the error could come from bindings that no longer fit the database.

    It could if rows do not decode, or the server does not know a function, table or column.
    """
    while error is not None:
        if isinstance(error, (InternalError, QueryError, SubscriptionError, ProtocolError)):
            return not isinstance(error, LimitExceeded)
        error = error.__cause__
    return False


def _with_two_arguments(handler: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return `on_callback_error` as the pump calls it, with ``(error, function)``.

    The user's handler takes the error, or the error and the callback that raised it. How many
    positional arguments it accepts is found out once, here.
    """
    if handler is None:
        return None
    if check_callback("on_callback_error", handler) == 0:
        return handler
    return lambda error, function: handler(error)
