"""A fake link: two machines without I/O talk to each other, in virtual time and cut anywhere.

Any pair will do that takes bytes and the time and gives bytes back: two WebSockets of `wire`, a
`ClientSession` and a server, or a machine and a script. A typical test:

    link = Link(client, server, cuts=[1, 7, 3], after=drain_events)
    link.run()              # until neither end has more to send
    link.wait(30)           # half a minute passes; deadlines fire when they are due
    link.cut()              # both ends see the connection end; what was in flight is lost
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Machine(Protocol):
    """What a `Link` needs of the machines at its ends."""

    @property
    def deadline(self) -> float | None:
        """When it wants `tick`, None for never."""
        ...

    @property
    def data_to_send(self) -> Callable[..., bytes]:
        """Called with nothing, or with ``now`` if it has a parameter of that name.

        Gives the bytes for the other end, and forgets them.
        """
        ...

    def receive_data(self, data: bytes, *, now: float) -> object:
        """Take bytes from the other end."""
        ...

    def receive_eof(self, *, now: float) -> object:
        """Learn that the other end will send no more."""
        ...

    def tick(self, *, now: float) -> object:
        """Learn that `deadline` has come."""
        ...


class Link:
    """Carries bytes between two machines.

    Args:
        client: one end.
        server: the other end.
        now: where virtual time starts, in seconds.
        cuts: sizes of the pieces in which bytes arrive, in both directions together; once they are
            used up, everything in flight arrives at once.
        after: called after each delivery and tick, to take events out of the machines.

    Attributes:
        now: the present time.
        is_open: False once the link was cut.
        to_client: bytes in flight to the client.
        to_server: bytes in flight to the server.
        client_received: how many bytes the client has received.
        server_received: how many bytes the server has received.
    """

    def __init__(
        self,
        client: Machine,
        server: Machine,
        *,
        now: float = 0.0,
        cuts: Iterable[int] = (),
        after: Callable[[], object] | None = None,
    ) -> None:
        self.client = client
        self.server = server
        self.now = now
        self.is_open = True
        self.to_client = bytearray()
        self.to_server = bytearray()
        self.client_received = 0
        self.server_received = 0
        self._cuts = iter(cuts)
        self._after = after
        self._client_is_next = False

    def step(self) -> bool:
        """Deliver one piece, the directions taking turns; return False if nothing was in flight."""
        self._collect()
        if not (self.to_client or self.to_server):
            return False
        self._client_is_next = not self._client_is_next
        if (self._client_is_next and self.to_client) or not self.to_server:
            piece = self._take(self.to_client)
            self.client_received += len(piece)
            self.client.receive_data(piece, now=self.now)
        else:
            piece = self._take(self.to_server)
            self.server_received += len(piece)
            self.server.receive_data(piece, now=self.now)
        self._call_after()
        return True

    def run(self, max_steps: int = 1_000_000) -> None:
        """Deliver until nothing is in flight.

        Raises:
            RuntimeError: the machines still talk after `max_steps` deliveries.
        """
        for _ in range(max_steps):
            if not self.step():
                return
        raise RuntimeError(f"the machines still talk after {max_steps} deliveries")

    def run_until_received(self, size: int, *, by: Literal["client", "server"]) -> bool:
        """Deliver until an end has received exactly `size` bytes in all.

        Returns:
            whether that many arrived; False if everything in flight was delivered before.
        """
        while True:
            received = self.client_received if by == "client" else self.server_received
            if received >= size:
                return received == size
            cuts = self._cuts
            self._cuts = iter((min(size - received, next(cuts, size)),))
            try:
                if not self.step():
                    return False
            finally:
                self._cuts = cuts

    def wait(self, seconds: float) -> None:
        """Let time pass: deliver, and tick each machine whenever its deadline comes."""
        end = self.now + seconds
        self.run()
        while True:
            due = [
                (deadline, machine)
                for machine in (self.client, self.server)
                if (deadline := machine.deadline) is not None and deadline <= end
            ]
            if not due:
                break
            deadline, machine = min(due, key=lambda item: item[0])
            self.now = max(self.now, deadline)
            machine.tick(now=self.now)
            self._call_after()
            if machine.deadline == deadline:
                raise RuntimeError(f"{type(machine).__name__} did not move its deadline on a tick")
            self.run()
        self.now = end

    def cut(self, *, deliver: bool = False) -> None:
        """End the connection for both ends.

        Args:
            deliver: deliver what is in flight first; else it is lost.
        """
        if deliver:
            self.run()
        if not self.is_open:
            return
        self.is_open = False
        self.to_client.clear()
        self.to_server.clear()
        self.client.receive_eof(now=self.now)
        self._call_after()
        self.server.receive_eof(now=self.now)
        self._call_after()

    def _collect(self) -> None:
        """Take the bytes that the machines send; after a cut they are dropped."""
        to_server = self._output(self.client)
        to_client = self._output(self.server)
        if self.is_open:
            self.to_server += to_server
            self.to_client += to_client

    def _output(self, machine: Machine) -> bytes:
        send = machine.data_to_send
        return send(now=self.now) if "now" in signature(send).parameters else send()

    def _take(self, buffer: bytearray) -> bytes:
        size = max(1, next(self._cuts, len(buffer)))
        piece = bytes(buffer[:size])
        del buffer[:size]
        return piece

    def _call_after(self) -> None:
        if self._after is not None:
            self._after()
