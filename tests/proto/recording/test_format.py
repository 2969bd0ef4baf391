from __future__ import annotations

import base64
import json

import pytest

from spacetime_proto.errors import DecodeError
from spacetime_proto.messages import v1, v2
from spacetime_proto.messages.compression import deflate
from spacetime_proto.messages.json_rows import NO_ROWS
from spacetime_proto.protocols import V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN
from spacetime_proto.sats.rows import RowList
from spacetime_proto.testing import Header, RecordedClose, RecordedMessage, Recorder, Session
from spacetime_proto.types import ConnectionId, Identity
from tests.support.payloads import compress

TOKEN = "a token that looks like none"
JWT = "eyJ0eXAiOiJKV1Qi.eyJoZXhfaWRlbnRpdHki.7XYzSI4K-t8M_c"
IDS = (Identity(bytes(32)), ConnectionId(bytes(16)))
GREETING = v2.InitialConnection(*IDS, TOKEN)
V1_GREETING = v1.IdentityToken(IDS[0], TOKEN, IDS[1])


def record(
    protocol: str, *lines: RecordedMessage | RecordedClose, keep: bool = False
) -> tuple[Session, str]:
    """Return what a recorder wrote, read back and as text."""
    out: list[str] = []
    recorder = Recorder(out.append, record_tokens=keep)
    recorder.start(Header(protocol))
    for line in lines:
        recorder.add(line)
    text = "".join(out)
    return Session.from_text(text), text


# --- the format -------------------------------------------------------------------------------


def test_what_a_recorder_writes() -> None:
    out: list[str] = []
    recorder = Recorder(out.append)
    recorder.start(Header(V2_BSATN, {"compression": "None"}, "a note", {"x": "y"}))
    recorder.message("client", b"\x00\xff")
    recorder.message("server", "text")
    recorder.closed("server", 1011, "no")
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in out)
    assert [json.loads(line) for line in out] == [
        {
            "protocol": V2_BSATN,
            "params": {"compression": "None"},
            "note": "a note",
            "response_headers": {"x": "y"},
        },
        {"dir": "client", "kind": "binary", "data": "AP8="},
        {"dir": "server", "kind": "text", "data": "text"},
        {"dir": "server", "kind": "closed", "code": 1011, "reason": "no"},
    ]


def test_a_session_is_read_and_written_back() -> None:
    session = Session(
        Header(V1_JSON, {"light": "true"}, "é\n", {}),
        (
            RecordedMessage("client", "é"),
            RecordedMessage("server", b"\xff"),
            RecordedClose("client", None, ""),
        ),
    )
    assert Session.from_text(session.to_text()) == session


def test_absent_facts_and_empty_lines() -> None:
    session = Session.from_text(f'{{"protocol":"{V2_BSATN}","note":5}}\n\n  \n')
    assert session == Session(Header(V2_BSATN), ())


HEADER = json.dumps({"protocol": V2_BSATN})


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"not valid JSON: .* in line 1"),
        ("[]", "not a JSON object in line 1"),
        ("{}", "'protocol' is missing or of the wrong type in line 1"),
        ('{"protocol":"v9"}', "unknown protocol 'v9' in line 1"),
        (f'{{"protocol":"{V2_BSATN}","params":[]}}', "'params' is not an object of strings"),
        (
            f'{{"protocol":"{V2_BSATN}","response_headers":{{"a":1}}}}',
            "'response_headers' is not an object of strings",
        ),
        (HEADER + "\n{", r"not valid JSON: .* in line 2"),
        (HEADER + "\n\n" + "[" * 100_000, "not valid JSON.* in line 3"),
        (HEADER + '\n{"kind":"text","data":""}', "'dir' is missing or of the wrong type in line 2"),
        (HEADER + '\n{"dir":"up","kind":"text","data":""}', "unknown direction 'up' in line 2"),
        (HEADER + '\n{"dir":"client","kind":"smoke","data":""}', "unknown kind 'smoke' in line 2"),
        (HEADER + '\n{"dir":"client","kind":"text"}', "'data' is missing"),
        (HEADER + '\n{"dir":"client","kind":"binary","data":"A"}', "invalid base64: .* in line 2"),
        (HEADER + '\n{"dir":"client","kind":"binary","data":"A*=="}', "invalid base64"),
        (HEADER + '\n{"dir":"client","kind":"binary","data":"é"}', "invalid base64"),
        (HEADER + '\n{"dir":"server","kind":"closed","code":true,"reason":""}', "'code' is"),
        (HEADER + '\n{"dir":"server","kind":"closed","code":1}', "'reason' is missing"),
    ],
)
def test_damaged_recordings_name_the_line(text: str, match: str) -> None:
    with pytest.raises(DecodeError, match=match):
        Session.from_text(text)


def test_decode_tells_who_said_what() -> None:
    query = v2.OneOffQuery(1, "q")
    session, _ = record(
        V3_BSATN,
        RecordedMessage("server", compress(v2.encode_server(GREETING))),
        RecordedMessage("client", v2.encode_client(query) * 2 + b"\xff"),
        RecordedClose("server", 1011, ""),
        keep=True,
    )
    *said, (direction, error) = session.decode()
    assert said == [("server", GREETING), ("client", query), ("client", query)]
    assert direction == "client"
    assert isinstance(error, DecodeError)


# --- tokens -----------------------------------------------------------------------------------


def greeting(protocol: str, tag: int = 0) -> bytes | str:
    """Return the first payload of a server, compressed with `tag` whatever its size."""
    if protocol == V1_JSON:
        return v1.SERVER.to_json(V1_GREETING, NO_ROWS)
    body = v1.encode_server(V1_GREETING) if protocol == V1_BSATN else v2.encode_server(GREETING)
    if protocol == V3_BSATN:
        body += v2.encode_server(v2.TransactionUpdate())
    return bytes((tag,)) + (deflate(body, tag) if tag else body)


@pytest.mark.parametrize("protocol", [V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN])
@pytest.mark.parametrize("tag", [0, 1, 2])
def test_the_token_of_a_greeting_becomes_filler_of_its_length(protocol: str, tag: int) -> None:
    payload = greeting(protocol, tag)
    session, text = record(protocol, RecordedMessage("server", payload))
    (_, found), *rest = session.decode()
    assert isinstance(found, v1.IdentityToken | v2.InitialConnection)
    assert found.token == "x" * len(TOKEN)
    assert (found.identity, found.connection_id) == IDS
    assert [message for _, message in rest] == (
        [v2.TransactionUpdate()] if protocol == V3_BSATN else []
    )
    assert TOKEN not in text
    line = session.lines[0]
    assert isinstance(line, RecordedMessage)
    if tag == 0:
        assert len(line.payload) == len(payload)
        assert TOKEN.encode() not in (
            line.payload if isinstance(line.payload, bytes) else line.payload.encode()
        )
    else:
        assert line.payload[0] == payload[0]


@pytest.mark.parametrize("protocol", [V1_BSATN, V1_JSON, V2_BSATN])
def test_tokens_are_kept_if_asked_for(protocol: str) -> None:
    payload = greeting(protocol)
    session, _ = record(protocol, RecordedMessage("server", payload), keep=True)
    assert session.lines == (RecordedMessage("server", payload),)


def test_tokens_of_the_handshake() -> None:
    out: list[str] = []
    Recorder(out.append).start(
        Header(
            V2_BSATN,
            {"token": "secret", "compression": "None", "other": JWT},
            "",
            {"Spacetime-Identity-Token": "also secret", "spacetime-identity": "c2"},
        )
    )
    header = Session.from_text("".join(out)).header
    assert header.params == {"token": "x" * 6, "compression": "None", "other": "x" * len(JWT)}
    assert header.response_headers == {
        "Spacetime-Identity-Token": "x" * 11,
        "spacetime-identity": "c2",
    }


@pytest.mark.parametrize("algorithm", ["none", "brotli", "gzip"])
def test_what_looks_like_a_token_is_replaced_everywhere(algorithm: str) -> None:
    rows = RowList.from_rows([f"<{JWT}>".encode(), bytes(2000)])
    message = v2.SubscribeAppliedMessage(1, 1, (v2.SingleTableRows("t", rows),))
    call = v2.CallReducer(1, "f", JWT.encode())
    session, _ = record(
        V2_BSATN,
        RecordedMessage("server", greeting(V2_BSATN)),
        RecordedMessage("server", compress(v2.encode_server(message), algorithm)),
        RecordedMessage("client", v2.encode_client(call)),
    )
    _, (_, applied), (_, called) = session.decode()
    assert isinstance(applied, v2.SubscribeAppliedMessage)
    assert applied.rows[0].rows.slices() == [b"<" + b"x" * len(JWT) + b">", bytes(2000)]
    assert called == v2.CallReducer(1, "f", b"x" * len(JWT))


def test_text_with_a_token() -> None:
    call = v1.CallReducer("f", json.dumps([JWT]), 1)
    session, _ = record(
        V1_JSON,
        RecordedMessage("server", greeting(V1_JSON)),
        RecordedMessage("client", v1.CLIENT.to_json(call)),
    )
    assert list(session.decode())[1] == (
        "client",
        v1.CallReducer("f", json.dumps(["x" * len(JWT)]), 1),
    )


def test_payloads_without_a_token_stay_as_they_are() -> None:
    payload = b"\x02" + deflate(v2.encode_server(v2.TransactionUpdate()), 2)
    session, _ = record(
        V2_BSATN, RecordedMessage("server", greeting(V2_BSATN)), RecordedMessage("server", payload)
    )
    assert session.lines[1] == RecordedMessage("server", payload)


@pytest.mark.parametrize(
    ("protocol", "payload"),
    [
        (V2_BSATN, compress(v2.encode_server(v2.TransactionUpdate()))),
        (V1_BSATN, compress(v1.encode_server(v1.TransactionUpdateLight(1, ())))),
        (V1_JSON, v1.SERVER.to_json(v1.TransactionUpdateLight(1, ()), NO_ROWS)),
    ],
)
def test_a_server_that_does_not_greet(protocol: str, payload: bytes | str) -> None:
    session, _ = record(protocol, RecordedMessage("server", payload))
    assert session.lines == (RecordedMessage("server", payload),)


def test_damaged_payloads_are_kept_but_for_what_looks_like_a_token() -> None:
    filler = "x" * len(JWT)
    for protocol in (V1_JSON, V2_BSATN):
        session, _ = record(
            protocol,
            RecordedMessage("server", f"{{{JWT}"),
            RecordedMessage("server", b"\x09" + JWT.encode()),
            RecordedMessage("server", b""),
        )
        assert session.lines == (
            RecordedMessage("server", f"{{{filler}"),
            RecordedMessage("server", b"\x09" + filler.encode()),
            RecordedMessage("server", b""),
        )


def test_a_token_in_another_spelling_is_found_too() -> None:
    payload = greeting(V1_JSON)
    assert isinstance(payload, str)
    spelt = payload.replace(TOKEN, "\\u0061" + TOKEN[1:])
    session, text = record(V1_JSON, RecordedMessage("server", spelt))
    assert TOKEN[1:] not in text
    assert list(session.decode()) == [
        ("server", v1.IdentityToken(IDS[0], "x" * len(TOKEN), IDS[1]))
    ]


def test_a_new_start_expects_a_new_greeting() -> None:
    out: list[str] = []
    recorder = Recorder(out.append)
    for _ in range(2):
        recorder.start(Header(V2_BSATN))
        recorder.message("server", greeting(V2_BSATN))
    assert base64.b64encode(TOKEN.encode()).decode()[8:-8] not in "".join(out)
    assert out[1] == out[3]
