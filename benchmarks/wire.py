"""The frame codecs side by side: `frames_fast` (the default) and `frames_wsproto`, on the same bytes.

Run it alone: ``python benchmarks/wire.py [--rounds N] [--json]``. CPU time; rounds are interleaved, the median
and the spread (of the middle half) are printed, and the ratio is of medians in this one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import TYPE_CHECKING

from spacetime_proto.wire.frames_fast import FastCodec
from spacetime_proto.wire.frames_wsproto import WsprotoCodec

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.wire.frames import CodecFactory, FrameCodec

KINDS: dict[str, CodecFactory] = {"fast": FastCodec, "wsproto": WsprotoCodec}


def make(kind: CodecFactory, *, client: bool, fragment_size: int | None = None) -> FrameCodec:
    return kind(
        client=client, message_size=1 << 30, fragment_size=fragment_size, entropy=os.urandom
    )


def stream(size: int, count: int, *, client: bool = False, fragment: int | None = None) -> bytes:
    """Return `count` messages of `size` bytes as one role sends them."""
    writer = make(FastCodec, client=client, fragment_size=fragment)
    payload = os.urandom(size)
    return b"".join(chunk for _ in range(count) for chunk in writer.encode(payload))


def receive(data: bytes, read: int, *, client: bool = True) -> Callable[[CodecFactory], None]:
    """Return a job: parse `data` in reads of `read` bytes, and take the messages."""
    reads = [data[at : at + read] for at in range(0, len(data), read)]

    def job(kind: CodecFactory) -> None:
        codec = make(kind, client=client)
        for one in reads:
            codec.feed(one)
            codec.messages.clear()

    return job


def send(size: int, count: int, *, client: bool = True) -> Callable[[CodecFactory], None]:
    """Return a job: write `count` messages of `size` bytes, joined as for one system call."""
    payload = os.urandom(size)

    def job(kind: CodecFactory) -> None:
        codec = make(kind, client=client, fragment_size=None if client else 4096)
        b"".join(chunk for _ in range(count) for chunk in codec.encode(payload))

    return job


#: What is measured: its name, how many messages it has, and the job.
WORK: list[tuple[str, int, Callable[[CodecFactory], None]]] = [
    ("client receives 200 B messages", 5000, receive(stream(200, 5000), 262144)),
    ("client receives 200 B messages, a read each", 5000, receive(stream(200, 5000), 204)),
    ("client receives 1 MiB messages, 64 KiB reads", 16, receive(stream(1 << 20, 16), 65536)),
    (
        "client receives 16 MiB in 4 KiB fragments",
        1,
        receive(stream(1 << 24, 1, fragment=4096), 262144),
    ),
    (
        "server receives 200 B messages",
        5000,
        receive(stream(200, 5000, client=True), 262144, client=False),
    ),
    ("client sends 64 B messages", 5000, send(64, 5000)),
    ("client sends 64 KiB messages", 50, send(65536, 50)),
    ("client sends 1 MiB messages", 4, send(1 << 20, 4)),
    ("server sends 1 MiB messages", 4, send(1 << 20, 4, client=False)),
]


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return, for each work, microseconds per message of both codecs and their ratio."""
    results = {}
    for name, count, job in WORK:
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for turn in range(rounds + 1):
            for kind, factory in KINDS.items():
                begin = time.process_time()
                job(factory)
                if turn:  # the first round warms up
                    times[kind].append((time.process_time() - begin) / count * 1e6)
        median = {kind: statistics.median(found) for kind, found in times.items()}
        result = {f"{kind} us": value for kind, value in median.items()}
        for kind, found in times.items():
            quarters = statistics.quantiles(found, n=4)
            result[f"{kind} spread us"] = quarters[2] - quarters[0]
        result["times faster"] = median["wsproto"] / median["fast"]
        results[name] = result
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'microseconds per message':46} {'fast':>18} {'wsproto':>18}  ratio")
    for name, found in results.items():
        cells = [
            f"{found[f'{kind} us']:11.2f} ±{found[f'{kind} spread us']:5.1f}" for kind in KINDS
        ]
        print(f"{name:46} {cells[0]} {cells[1]} {found['times faster']:6.1f}")


if __name__ == "__main__":
    main()
