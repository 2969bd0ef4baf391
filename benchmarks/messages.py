"""Prints what messages cost to encode and decode: microseconds each, and MB/s of large payloads.

Run: python benchmarks/messages.py [--rounds N] [--json]

Rows are not decoded here; `benchmarks/codec.py` and `benchmarks/cache.py` measure that. Each figure
is the processor time of the fastest round, so that other work on the machine matters least.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spacetime_proto.limits import Limits
from spacetime_proto.messages import payloads, v1, v2
from spacetime_proto.messages.compression import BROTLI, GZIP, deflate
from spacetime_proto.protocols import V3_BSATN
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

ROW = bytes(range(43))
"""As long as a row of `player`, the table of the comparison with the official clients."""
SNAPSHOT_ROWS = 100_000


def update(inserts: RowList, deletes: RowList = EMPTY_ROWS) -> v2.TransactionUpdate:
    """Return an update of one table in one query set."""
    rows = (v2.PersistentRows(inserts, deletes),)
    return v2.TransactionUpdate((v2.QuerySetUpdate(1, (v2.TableUpdate("player", rows),)),))


def best_of(rounds: int, work: Callable[[], Any], times: int) -> float:
    """Return seconds of processor time per call, in the fastest of `rounds`."""
    fastest = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(times):
            work()
        fastest = min(fastest, (time.process_time() - start) / times)
    return fastest


def measure(rounds: int) -> dict[str, float]:
    """Return microseconds per message, and MB/s where the name says so."""
    one = RowList.from_rows([ROW])
    insert = v2.encode_server(update(one))
    change = v2.encode_server(update(one, one))
    result = v2.encode_server(v2.ReducerResult(7, Timestamp(1), v2.ReducerOk(b"", update(one))))
    call = v2.CallReducer(7, "send_message", b"\x02\0\0\0hi")
    call_bytes = v2.encode_client(call)
    info = v1.ReducerCallInfo("send_message", 3, b"\x02\0\0\0hi", 7)
    table = v1.TableUpdate(4097, "player", 1, (v1.QueryUpdate(EMPTY_ROWS, one),))
    old = v1.encode_server(
        v1.TransactionUpdate(
            v1.Committed((table,)),
            Timestamp(1),
            Identity(bytes(32)),
            ConnectionId(bytes(16)),
            info,
            0,
            TimeDuration(1),
        )
    )
    batch = b"\0" + insert * 100

    same = RowList.from_rows([ROW] * SNAPSHOT_ROWS)
    mixed = RowList.from_rows([ROW[: 40 + number % 4] for number in range(SNAPSHOT_ROWS)])
    small = {
        "v2 TransactionUpdate, one insert, decode (us)": insert,
        "v2 TransactionUpdate, one update, decode (us)": change,
        "v2 ReducerResult, one insert, decode (us)": result,
    }
    found = {
        name: best_of(rounds, lambda data=data: v2.decode_server(data), 5_000) * 1e6
        for name, data in small.items()
    }
    found["v3 payload of 100 such messages, per message (us)"] = (
        best_of(rounds, lambda: list(payloads.decode_server_payload(V3_BSATN, batch)), 50) * 1e4
    )
    message = update(one)
    found["v2 TransactionUpdate, one insert, encode (us)"] = (
        best_of(rounds, lambda: v2.encode_server(message), 5_000) * 1e6
    )
    found["v2 CallReducer, encode (us)"] = (
        best_of(rounds, lambda: v2.encode_client(call), 5_000) * 1e6
    )
    found["v2 CallReducer, decode (us)"] = (
        best_of(rounds, lambda: v2.decode_client(call_bytes), 5_000) * 1e6
    )
    found["v1 TransactionUpdate, one insert, decode (us)"] = (
        best_of(rounds, lambda: v1.decode_server(old), 5_000) * 1e6
    )
    for name, rows in (("one size", same), ("offsets", mixed)):
        body = v2.encode_server(
            v2.SubscribeAppliedMessage(1, 1, (v2.SingleTableRows("player", rows),))
        )
        found[f"snapshot of {SNAPSHOT_ROWS:,} rows, {name}, decode (us)"] = (
            best_of(rounds, lambda body=body: v2.decode_server(body), 5) * 1e6
        )
    body = v2.encode_server(
        v2.SubscribeAppliedMessage(1, 1, (v2.SingleTableRows("player", mixed),))
    )
    limits = Limits()
    for algorithm, tag in (("gzip", GZIP), ("brotli", BROTLI)):
        payload = bytes((tag,)) + deflate(body, tag)
        seconds = best_of(rounds, lambda payload=payload: payloads.decompress(payload, limits), 5)
        found[f"decompress {len(body) / 1e6:.1f} MB, {algorithm} (MB/s)"] = (
            len(body) / 1e6 / seconds
        )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds; the fastest counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    found = measure(given.rounds)
    if given.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    width = max(map(len, found))
    for name, value in found.items():
        sys.stdout.write(f"{name:<{width}}  {value:>12,.2f}\n")


if __name__ == "__main__":
    main()
