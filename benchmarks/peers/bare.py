"""The floor: a bare socket that understands nothing. bare.py URL SCENARIO COUNT ROWS PROTOCOL

``subscribe`` receives the bytes and counts them; ``calls`` sends frames made beforehand, 256 in
flight, and counts the bytes of the answers (version 2: a frame for each call).
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from usage import Stopwatch

from benchmarks.traffic import Answers, applied, frames, greeting
from spacetime_proto.messages import v2

IN_FLIGHT = 256
READ = 256 * 1024


def frame(message: v2.ClientMessage) -> bytes:
    """Return a client's frame of a short message, masked with zeros."""
    payload = v2.encode_client(message)
    return bytes((0x82, 0x80 | len(payload))) + bytes(4) + payload


def dial(url: str, database: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    sock = socket.create_connection((host, int(port)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(
        f"GET /v1/database/{database}/subscribe HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: v2.bsatn.spacetimedb\r\n\r\n".encode()
    )
    received = b""
    end = -1
    while end < 0 or len(received) < end + 4 + len(frames([greeting()])):
        received += sock.recv(READ)
        end = received.find(b"\r\n\r\n")
    return sock


def receive(sock: socket.socket, rows: int) -> None:
    left = sum(len(part) for part in applied("player", rows, 0, 0))
    sock.sendall(frame(v2.Subscribe(0, 0, ("SELECT * FROM player",))))
    while left:
        left -= len(sock.recv(READ))


def call(sock: socket.socket, count: int) -> None:
    size = len(Answers(batched=False).to([bytes(4)]))
    one = frame(v2.CallReducer(0, "no_op", b""))
    sock.sendall(one * IN_FLIGHT)
    sent, left = IN_FLIGHT, count * size
    while left:
        left -= len(sock.recv(READ))
        in_flight = sent - count + -(-left // size)
        more = min(count - sent, IN_FLIGHT - in_flight)
        if more:
            sock.sendall(one * more)
            sent += more


def main() -> None:
    url, scenario, count, rows, protocol = sys.argv[1:]
    applied("player", int(rows), 0, 0)
    watch = Stopwatch()
    with dial(url, f"{scenario}-{count}-{rows}-{protocol}") as sock:
        connected_at = time.time()
        watch.start()
        if scenario == "subscribe":
            receive(sock, int(rows))
        else:
            call(sock, int(count))
        watch.stop()
    print(json.dumps({"connected_at": connected_at, "ms": watch.ms, "cpu_ms": watch.cpu_ms}))


if __name__ == "__main__":
    main()
