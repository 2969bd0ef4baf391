"""``spacetime-py demo``: two clients, one under asyncio and one under trio, talk to each other."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import CommandError, OptionalDatabaseOption, OptionalHostOption, TokenOption, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.from_thread import BlockingPortal

    from ..aio.client import AsyncClient

__all__ = ["demo"]

_QUERIES = ("SELECT * FROM user", "SELECT * FROM message")
#: Seconds that the demo waits for an expected row or answer.
_PATIENCE = 10.0
#: How many messages the final state shows.
_SHOWN = 20


def demo(
    host: OptionalHostOption = None,
    database: OptionalDatabaseOption = None,
    token: TokenOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the last state only.")
    ] = False,
) -> None:
    """Show a client at work: subscriptions, reducer calls and row callbacks, over a real socket.

    Without --host (a server that runs the quickstart chat) it starts the embedded development
    server on a free port. On a terminal it
    becomes an interactive chat afterwards: "/name NEW", a message, or Ctrl-D to end.
    """
    if (host is None) != (database is None):
        raise CommandError("--host and --database belong together")
    with _ends_at_ctrl_c(), ExitStack() as stack:
        show = Printer(quiet)
        if host is None or database is None:
            from ..server.chat_module import module
            from ..server.serving import serve_in_thread

            database = "chat"
            server = stack.enter_context(serve_in_thread(module, database=database))
            host = server.url
            show(f"Embedded development server on {host}, in memory; database {database!r}.")
        else:
            show(f"SpacetimeDB at {host}, database {database!r}.")
        alice = Peer("Alice", "asyncio", host, database, token, show, stack)
        bob = Peer("Bob", "trio", host, database, None, show, stack)
        _scene(alice, bob)
        if sys.stdin.isatty() and sys.stdout.isatty():
            _chat(alice, show)
        show.stop()  # only the rows of the goodbyes follow
        _print_state(alice, bob)


@contextmanager
def _ends_at_ctrl_c() -> Iterator[None]:
    """While the block runs, Ctrl-C ends the process at once, with exit code 130.

    Nothing has to be saved. A KeyboardInterrupt would wait for ever if an event loop is just
    starting in another thread, because nothing ends that loop.
    """

    def leave(signum: int, frame: object) -> None:
        os._exit(130)  # every line was flushed when it was printed

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Printer:
    """Prints whole lines from several threads, unless it is quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Print nothing from now on."""
        with self._lock:
            self._quiet = True

    def __call__(self, line: str) -> None:
        """Print a line."""
        with self._lock:
            if not self._quiet:
                print(line, flush=True)


class Peer:
    """One client in an event loop of its own; its methods are called from the main thread.

    Args:
        name: what it calls itself.
        backend: ``"asyncio"`` or ``"trio"``.
        host: server.
        database: database.
        token: token, or None.
        show: prints a line.
        stack: closes everything at the end.
    """

    def __init__(
        self,
        name: str,
        backend: str,
        host: str,
        database: str,
        token: str | None,
        show: Printer,
        stack: ExitStack,
    ) -> None:
        from anyio.from_thread import start_blocking_portal

        if find_spec(backend) is None:
            raise CommandError(
                f"this part of the demo runs under {backend}: pip install 'spacetimedb-client[demo]'"
            )
        from ..aio.client import connect

        self.name = name
        self._show = show
        self._label = f"[{name:5} {backend:7}]"
        self._changed = threading.Condition()
        self._portal: BlockingPortal = stack.enter_context(start_blocking_portal(backend))
        self.client: AsyncClient[Any] = stack.enter_context(
            self._portal.wrap_async_context_manager(connect(host, database, token=token))
        )
        _check_is_chat(self.client.module, database)
        self.say(f"connected as {_short(self.client.identity)}, {self.client.protocol}")
        self._portal.call(self._listen)
        self._portal.call(self.client.subscribe, *_QUERIES)
        self.say(
            f"subscribed: {self.client.db.user.count()} users, "
            f"{self.client.db.message.count()} messages"
        )

    def say(self, text: str) -> None:
        """Print a line about this client."""
        self._show(f"{self._label} {printable(text)}")

    async def _listen(self) -> None:
        db = self.client.db
        db.user.on_insert(self._on("user + {}", self.user_text))
        db.user.on_delete(self._on("user - {}", self.user_text))
        db.user.on_update(self._on("user {} -> {}", self.user_text))
        db.message.on_insert(self._on("message + {}", self.message_text))

    def _on(self, form: str, text: Callable[[Any], str]) -> Callable[..., None]:
        """Return a row callback that prints."""

        def callback(ctx: Any, *rows: Any) -> None:
            self.say(form.format(*map(text, rows)))
            with self._changed:
                self._changed.notify_all()

        return callback

    def user_text(self, user: Any) -> str:
        """Return a user as people read it."""
        state = "online" if user.online else "offline"
        return f"{user.name or _short(user.identity)} ({state})"

    def message_text(self, message: Any) -> str:
        """Return a message as people read it."""
        author = self.client.db.user.identity.find(message.sender)
        name = author.name if author is not None and author.name else _short(message.sender)
        return f"{name}: {message.text}"

    def call(self, reducer: str, **arguments: Any) -> bool:
        """Call a reducer and print its outcome; False if the module refused."""
        from spacetime_proto.errors import InternalError, ReducerError

        make = getattr(self.client.module.reducers, reducer)
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        try:
            self._portal.call(self.client.call, make(*arguments.values()))
        except (ReducerError, InternalError) as error:
            self.say(f"{reducer}({shown}) was refused: {error}")
            return False
        self.say(f"{reducer}({shown}) committed")
        return True

    def wait_for(self, is_so: Callable[[Any], bool]) -> None:
        """Wait until the cache of this client is as expected.

        Raises:
            CommandError: it is not within the time limit.
        """
        client = self.client

        def check() -> bool:
            with client.lock:
                return is_so(client.db)

        with self._changed:
            if not self._changed.wait_for(check, _PATIENCE):
                raise CommandError(f"{self.name} did not see a change within {_PATIENCE:g} s")


def _check_is_chat(module: Any, database: str) -> None:
    """Make sure that the database runs the quickstart chat.

    Raises:
        CommandError: it is not the quickstart chat.
    """
    missing = [
        f"{kind} {name!r}"
        for kind, has, names in (
            ("table", module.bound.tables, ("user", "message")),
            ("reducer", module.bound.reducers, ("set_name", "send_message")),
        )
        for name in names
        if name not in has
    ]
    if missing:
        raise CommandError(
            f"{database} does not run the quickstart chat module: it has no {missing[0]}"
        )


def _scene(alice: Peer, bob: Peer) -> None:
    """The steps of the demo, one line each."""
    both = (alice, bob)
    for me in both:
        me.call("set_name", name=me.name)
        for peer in both:
            peer.wait_for(partial(_is_named, me))
    for me, text in ((alice, "Hello from asyncio!"), (bob, "Hello from trio!")):
        counts = [peer.client.db.message.count() for peer in both]
        me.call("send_message", text=text)
        for peer, count in zip(both, counts, strict=True):
            peer.wait_for(partial(_has_more_messages, count))
    bob.call("send_message", text="")


def _is_named(peer: Peer, db: Any) -> bool:
    user = db.user.identity.find(peer.client.identity)
    return user is not None and user.name == peer.name


def _has_more_messages(count: int, db: Any) -> bool:
    found: int = db.message.count()
    return found > count


def _chat(me: Peer, show: Printer) -> None:
    """Let the user be one of the two until the end of input."""
    show('You are Alice: "/name NEW" renames you, anything else is a message, Ctrl-D ends.')
    for line in sys.stdin:
        text = line.rstrip("\n")
        if text.startswith("/name "):
            me.call("set_name", name=text[6:].strip())
        elif text:
            me.call("send_message", text=text)


def _print_state(alice: Peer, bob: Peer) -> None:
    """Print the rows of both caches, which are equal now."""
    db = alice.client.db
    with alice.client.lock:
        users = sorted(map(alice.user_text, db.user))
        latest = sorted(db.message, key=lambda m: m.sent)[-_SHOWN:]
        messages = [alice.message_text(m) for m in latest]
    print("Users:", printable(", ".join(users)))
    print("Messages:")
    for message in messages:
        print(f"  {printable(message)}")
    same = sorted(map(repr, db.user)) == sorted(map(repr, bob.client.db.user))
    print(f"Both clients hold the same rows: {'yes' if same else 'no'}", flush=True)


def _short(identity: Any) -> str:
    return str(identity)[:8]
