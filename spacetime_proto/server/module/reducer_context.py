"""The first argument of every function of a module."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from ...types import Identity, TimeDuration, Timestamp, Uuid
from ..engine.procedure_http import Http

if TYPE_CHECKING:
    from ..engine.outcomes import Caller

__all__ = ["Env", "ProcedureContext", "ProcedureSleep", "ReducerContext", "ViewContext"]

T = TypeVar("T")


class Env:
    """``ctx.env``: the environment variables that the module declares, by attribute or by key.

    The value of an optional variable that is not set is None by attribute; by key it is missing. Values
    are secrets, so the repr has none.
    """

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read

    def __getattr__(self, name: str) -> Any:
        try:
            return self._read(name)
        except KeyError as error:
            raise AttributeError(error.args[0], name=name, obj=self) from None

    def __getitem__(self, key: str) -> str:
        value = self._read(key)
        if value is None:
            raise KeyError(f"environment variable {key} has no value")
        return value

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a variable, `default` if it is optional and has none.

        Raises:
            KeyError: the module does not declare it.
        """
        value = self._read(key)
        return default if value is None else value

    def __repr__(self) -> str:
        return "Env(...)"


class Home(Protocol):
    """The part of a database that contexts use."""

    env: Env
    """``ctx.env``."""

    identity: Identity
    tables: Any
    """``ctx.db``."""
    entropy: Callable[[int], bytes]
    """Returns that many unpredictable bytes."""

    def next_v7(self, candidate: int) -> int:
        """Return `candidate` (122 bits), or more, so that it is greater than all before."""
        ...

    def log(self, level: str, message: str, timestamp: Timestamp) -> None:
        """Write a line to the log."""
        ...

    def write(self, caller: Caller, now: Timestamp) -> AbstractContextManager[None]:
        """Run the body as a transaction."""
        ...


class _Base:
    """The common part of the contexts of reducers and procedures.

    Attributes:
        sender: the identity of the caller.
        connection_id: the connection of the caller; None if there is none, as for scheduled
            functions.
        timestamp: when the function started.
        identity: the database's own identity, which is the sender of scheduled functions.
    """

    def __init__(self, database: Home, caller: Caller, timestamp: Timestamp) -> None:
        self._database = database
        self._caller = caller
        self.sender = caller.identity
        self.connection_id = caller.connection_id
        self.timestamp = timestamp
        self.identity = database.identity

    @property
    def env(self) -> Env:
        """The environment variables that the module declares."""
        return self._database.env

    def random_bytes(self, count: int) -> bytes:
        """Return unpredictable bytes from the server's source."""
        return self._database.entropy(count)

    def new_uuid_v4(self) -> Uuid:
        """Return a random UUID."""
        return _uuid(int.from_bytes(self.random_bytes(16), "big") & (1 << 122) - 1, 4)

    def new_uuid_v7(self) -> Uuid:
        """Return a UUID that sorts after all that this database has made before."""
        millis = self.timestamp.micros_since_unix_epoch // 1000
        low = int.from_bytes(self.random_bytes(9), "big")
        return _uuid(self._database.next_v7((millis << 74 | low) & (1 << 122) - 1), 7)

    def log(self, message: str, level: str = "Info") -> None:
        """Write a line to the database's log (``GET /v1/database/NAME/logs``)."""
        self._database.log(level, message, self.timestamp)


class ReducerContext(_Base):
    """The context of a reducer, or of a transaction of a procedure."""

    @property
    def db(self) -> Any:
        """The tables."""
        return self._database.tables


class ViewContext(msgspec.Struct, frozen=True):
    """The context of a view: the caller, the tables for reading, and the environment variables.

    An anonymous view gets the database's own identity as `sender`.
    """

    sender: Identity
    db: Any
    env: Env


class ProcedureSleep(msgspec.Struct, frozen=True):
    """Passed to the engine by ``await ctx.sleep(...)``: the time at which to resume."""

    until: Timestamp

    def __await__(self) -> Generator[ProcedureSleep, Timestamp, Timestamp]:
        return (yield self)


class ProcedureContext(_Base):
    """The context of a procedure. It has no ``db``: a procedure opens transactions itself."""

    http = Http()
    """Sends HTTP requests; only in an ``async def`` procedure."""

    @contextmanager
    def transaction(self) -> Iterator[ReducerContext]:
        """Run the body as one transaction: committed at its end, rolled back if it raises.

        ::

            with ctx.transaction() as tx:
                tx.db.user.insert(User(name="ann"))
        """
        inner = ReducerContext(self._database, self._caller, self.timestamp)
        with self._database.write(self._caller, self.timestamp):
            yield inner

    def with_tx(self, body: Callable[[ReducerContext], T]) -> T:
        """Run ``body(tx)`` as one transaction and return its result."""
        with self.transaction() as tx:
            return body(tx)

    async def sleep(self, duration: float | TimeDuration) -> None:
        """Let others run for a while (seconds); only in an ``async def`` procedure."""
        span = (
            TimeDuration.from_seconds(duration) if isinstance(duration, int | float) else duration
        )
        self.timestamp = await ProcedureSleep(self.timestamp + span)

    async def sleep_until(self, time: Timestamp) -> None:
        """Let others run until `time`."""
        self.timestamp = await ProcedureSleep(time)


def _uuid(bits: int, version: int) -> Uuid:
    """Place 122 bits around the version and variant of RFC 9562."""
    high, rest = bits >> 74, bits & (1 << 74) - 1
    middle, low = rest >> 62, rest & (1 << 62) - 1
    return Uuid.from_int(high << 80 | version << 76 | middle << 64 | 0b10 << 62 | low)
