"""Write the seeds of the corpus: small pieces of the recorded traffic and schemas of tests/golden.

usage: python -m tests.fuzz.seed      adds files that are missing; findings are kept
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path

from spacetime_proto.recording.format import RecordedMessage, Session

from .targets import websocket

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
_LARGEST = 3072
_PER_KIND = 3
"""Seeds of one tag or length class: more say nothing new."""


def save(target: str, data: bytes) -> None:
    """Add one seed; its name is its content's hash."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / sha1(data).hexdigest()[:16]).write_bytes(data)


def payloads(protocol: str, direction: str) -> Iterator[bytes | str]:
    """Yield short recorded payloads, a few for each first bytes and order of length."""
    seen: dict[tuple[object, int], int] = {}
    for path in sorted((GOLDEN / "wire").glob(f"*.{protocol}.*.jsonl")):
        for line in Session.from_text(path.read_text()).lines:
            if isinstance(line, RecordedMessage) and line.direction == direction:
                head = 16 if isinstance(line.payload, str) else 1 if direction == "client" else 2
                kind = (line.payload[:head], len(line.payload).bit_length())
                seen[kind] = seen.get(kind, 0) + 1
                if len(line.payload) <= _LARGEST and seen[kind] <= _PER_KIND:
                    yield line.payload


def binary(protocol: str, direction: str) -> Iterator[bytes]:
    """Yield the payloads that are bytes."""
    return (item for item in payloads(protocol, direction) if isinstance(item, bytes))


def messages() -> None:
    """Seeds of the message parsers and of what is around them."""
    for protocol in ("v2.bsatn", "v3.bsatn"):
        for item in binary(protocol, "server"):
            save("v2_server", item)
            if item[0]:
                save("frames", item)
        for item in binary(protocol, "client"):
            save("v2_client", item)
    for item in binary("v1.bsatn", "server"):
        save("v1_server", item)
    for item in binary("v1.bsatn", "client"):
        save("v1_client", item)
    for direction in ("client", "server"):
        for text in payloads("v1.json", direction):
            if isinstance(text, str):
                save("v1_json", direction[:1].encode() + text.encode())
    for name in ("anonymous", "bad_tag"):
        for path in sorted((GOLDEN / "wire").glob(f"{name}.*.jsonl")):
            if path.stat().st_size <= _LARGEST:
                save("recording", path.read_bytes())


def streams() -> None:
    """Seeds of the machines of wire."""
    frames = (
        b"\x82\x03\x00\x01\x02",
        b"\x02\x01\x00\x89\x00\x80\x01\x01",
        b"\x88\x02\x03\xe8",
        b"\x81\x7e\x00\x03abc",
    )
    masked = (
        b"\x82\x83\x01\x02\x03\x04\x01\x03\x01",
        b"\x89\x80\x00\x00\x00\x00",
        b"\x88\x82\x00\x00\x00\x00\x03\xe8",
    )
    for step in (b"\x00", b"\x01", b"\x40"):
        for codec in (0, 4):
            save("websocket", bytes((1 | codec,)) + step + websocket._RESPONSE + b"".join(frames))
            save("websocket", bytes((3 | codec,)) + step + b"".join(frames))
            save("websocket", bytes((0 | codec,)) + step + websocket._REQUEST + b"".join(masked))
            save("websocket", bytes((2 | codec,)) + step + b"".join(masked))
        answers = (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\nno",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No Content\r\n\r\n",
        )
        for role in (0, 1, 3):
            for answer in answers:
                save("http", bytes((role,)) + step + answer)
        save(
            "http",
            b"\x02"
            + step
            + b"POST /v1/identity HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        save("http", b"\x02" + step + websocket._REQUEST)
        save("http", b"\x04" + step + b"\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        save("http", b"\x04" + step + b"\x05\x00\x05\x00\x00\x03\x01a\x00\x00")


def texts() -> None:
    """Seeds of the parsers of text and of types."""
    for query in (
        "SELECT * FROM item",
        "SELECT * FROM *",
        "SELECT item.* FROM item JOIN tag ON item.id = tag.item WHERE tag.label <> 'a''b' AND item.small >= -1",
        "SELECT COUNT(*) AS n FROM item WHERE is_on OR NOT_A_COLUMN = TRUE -- comment",
        "SELECT id AS a, name FROM item WHERE (real < 1.5e3) LIMIT 3",
        "SELECT * FROM item WHERE owner = :sender OR data = 0xff OR at > '2024-01-01T00:00:00Z'",
        "INSERT INTO tag (item, label) VALUES (1, 'x'), (0x10, X'AB')",
        "UPDATE item SET name = 'y', real = .5 WHERE id = 18446744073709551615",
        "DELETE FROM tag WHERE item = 1; /* end */",
        "SET row_limit = 5",
        'SHOW "row_limit"',
    ):
        save("sql", query.encode())
    for url in (
        "http://localhost:3000/prefix",
        "wss://[::1]:1",
        "socks5://u:p%40@proxy",
        "http://bücher.example",
        "a:0",
        "https://u@h/?q#f",
    ):
        save("address", url.encode())
    for pick, text in enumerate(
        (
            '{"f0":true,"f1":1,"f2":-1,"f3":4294967295,"f4":0,"f5":340282366920938463463374607431768211455,"f6":"-0x5","f7":0.1,"f8":1e308,"f9":"\\u00e9"}',
            '[1,[[2,[]],{"f0":3,"f1":[]}]]',
            '["a",{"some":["b",null]}]',
            '{"V1":[2,[{"V0":[]},["c",[1,[]]]]]}',
            '"V1"',
            "[[],{}]",
            "[[[true,false]]]",
            "[]",
            '{"some":[0,{"none":[]}]}',
            '{"err":{"ok":"x"}}',
            '[["0x1"],[1],{"Interval":[2]},[3],"00ff"]',
            '[["a",1,"b"]]',
            '[[0,"x"],{"V1":1.5}]',
            "[1,2.5,1e38]",
        )
    ):
        save("sats_json", bytes((pick,)) + text.encode())
    for body in (
        "00" * 61,
        "0000000000",
        "0100000061" + "01",
        "01",
        "02",
        "0300000000",
        "0100000001000000010000000001",
        "00",
        "01",
        "0000000000",
        "00" * 90,
        "010000000100000061070000000100000062",
    ):
        for pick in range(15):
            save("bsatn", bytes((pick,)) + bytes.fromhex(body))
    schema = json.loads((GOLDEN / "schema" / "sdk-test-event-table.v10.json").read_text())
    for section in schema["sections"]:
        save("schema_json", json.dumps({"sections": [section]}, separators=(",", ":")).encode())
    for path in sorted((GOLDEN / "schema").glob("*.json")):
        text = json.dumps(json.loads(path.read_text()), separators=(",", ":"))
        if len(text) <= 2 * _LARGEST:
            save("schema_json", text.encode())
    save("raw_schema", bytes.fromhex("0200000000"))
    save("raw_schema", bytes.fromhex("01" + "00000000" * 6))
    save("raw_schema", bytes.fromhex("0201000000000100000002010000000001000000610b"))
    save("raw_schema", bytes.fromhex("01020000000000010000006102000000000000010000000109010d"))


if __name__ == "__main__":
    messages()
    streams()
    texts()
