"""`Host`: the databases of one server, its identities and tokens, and its clock."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ...types import ConnectionId, Identity, Timestamp
from ..engine.database import Database
from ..engine.procedure_http import Fetcher
from ..module.module import DatabaseModule
from .faults import Faults
from .tokens import (
    WEBSOCKET_TOKEN_LIFE,
    Authority,
    Claims,
    bearer_token,
    check_claims,
    identity_of,
    new_claims,
)

if TYPE_CHECKING:
    from .server_connection import ServerConnection

__all__ = ["Host", "SessionKey"]


#: A session of a client: the database, the client and the number that it made up.
SessionKey: TypeAlias = tuple[Identity, Identity, int]


class OpenSession(Protocol):
    """A `ServerSession`, as its host uses it."""

    @property
    def connection(self) -> ServerConnection | None:
        """The client behind the WebSocket, if the connection has become one."""
        ...

    def abort(self) -> None:
        """End the TCP connection at once."""
        ...


class Host:
    """The state that all connections of one server share.

    Attributes:
        authority: signs and checks tokens.
        databases: by name.
        sessions: the connections that are open.
        holders: which of them holds a session of a client, until its disconnect reducer has run
            (docs/protocol.md section 3.7).
    """

    def __init__(
        self,
        *,
        authority: Authority,
        entropy: Callable[[int], bytes],
        epoch: Timestamp = Timestamp.UNIX_EPOCH,
        on_panic: Callable[[str], None] | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        """Make a host without databases.

        Args:
            authority: signs and checks tokens.
            entropy: returns that many unpredictable bytes.
            epoch: the time of day at which the clock of all `now` arguments (seconds) was 0.
            on_panic: takes the traceback of an unexpected exception of module code.
            fetcher: sends the HTTP requests of procedures; without it they fail.
        """
        self.authority = authority
        self.entropy = entropy
        self.databases: dict[str, Database] = {}
        self.sessions: set[OpenSession] = set()
        self.holders: dict[SessionKey, OpenSession] = {}
        self._epoch = epoch.micros_since_unix_epoch
        self._on_panic = on_panic
        self._fetcher = fetcher

    # --- databases ----------------------------------------------------------------------------

    def add(
        self,
        module: DatabaseModule,
        name: str,
        *,
        now: float,
        owner: Identity | None = None,
        faults: Faults | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Database:
        """Publish a module under a name, in place of one that has it; runs ``init``.

        Args:
            module: the module.
            name: what clients call the database.
            now: the time.
            owner: the identity that counts as the owner.
            faults: what to do wrong on purpose.
            environment: values of the environment variables.

        Raises:
            LocalProtocolError: `environment` does not fit what the module declares.
            SchemaError: the module has no valid schema.
            QueryError: a row-level security filter is not a valid query.
            ReducerError: ``init`` failed.
        """
        database = Database(
            module,
            name=name,
            identity=identity_of("database", name),
            entropy=self.entropy,
            owner=owner,
            faults=faults,
            on_panic=self._on_panic,
        )
        database.publish(self.time(now), environment)
        self.adopt(database)
        return database

    def adopt(self, database: Database) -> None:
        """Serve a database that exists already, as after a restart, under its name."""
        self.remove(database.name)
        self.databases[database.name] = database
        database.fetcher = self._fetcher

    def remove(self, name: str) -> None:
        """Take a database away; its clients are closed with 1001 ``module exited``."""
        database = self.databases.pop(name, None)
        if database is not None:
            for session in list(self.sessions):
                if session.connection is not None and session.connection.database is database:
                    session.connection.close(1001, "module exited")

    def find(self, name: str) -> Database | None:
        """Return the database of a name or a hexadecimal identity."""
        found = self.databases.get(name)
        if found is None and len(name) == 64:
            for database in self.databases.values():
                if database.identity.to_hex() == name.lower():
                    return database
        return found

    def shutdown(self) -> None:
        """Close every client with 1001 ``module exited``."""
        for name in list(self.databases):
            self.remove(name)

    # --- time ---------------------------------------------------------------------------------

    def time(self, now: float) -> Timestamp:
        """Return the time of day at `now` (seconds on the clock of all `now` arguments)."""
        return Timestamp(self._epoch + round(now * 1_000_000))

    @property
    def deadline(self) -> float | None:
        """The time by which `tick` must be called for schedules and sleeping procedures."""
        deadlines = [
            at.micros_since_unix_epoch
            for database in self.databases.values()
            if (at := database.deadline) is not None
        ]
        return (min(deadlines) - self._epoch) / 1_000_000 if deadlines else None

    def tick(self, now: float) -> None:
        """Run the tasks that are due in every database."""
        time = self.time(now)
        for database in list(self.databases.values()):
            database.tick(time)

    # --- identities ---------------------------------------------------------------------------

    def mint(self, now: Timestamp) -> tuple[Claims, str]:
        """Make a new identity; return its claims and its token, which does not expire."""
        subject = str(uuid.UUID(bytes=self.entropy(16), version=4))
        claims = new_claims(subject, now)
        return claims, self.authority.sign(claims.to_json())

    def verify(self, token: str, now: Timestamp) -> Claims:
        """Return the claims of a token.

        Raises:
            TokenRefused: it is malformed or does not validate.
        """
        return check_claims(self.authority.verify(token), now)

    def authenticate(
        self, authorization: str | None, token: str | None, now: Timestamp
    ) -> tuple[Claims, str] | None:
        """Return the claims and token of a request; None if it carries none.

        Args:
            authorization: the header; with it, `token` is ignored.
            token: the query parameter.
            now: the time of day.

        Raises:
            TokenRefused: the token is malformed or does not validate.
        """
        presented = bearer_token(authorization) or token
        if presented is None:
            return None
        return self.verify(presented, now), presented

    def websocket_token(self, claims: Claims, now: Timestamp) -> str:
        """Return a token with the same claims that is good for 60 seconds."""
        payload = claims.to_json()
        payload["exp"] = now.micros_since_unix_epoch // 1_000_000 + WEBSOCKET_TOKEN_LIFE
        return self.authority.sign(payload)

    def new_connection_id(self) -> ConnectionId:
        """Return a random connection id, never the reserved 0."""
        data = self.entropy(16)
        return ConnectionId(data if any(data) else b"\x01" * 16)
