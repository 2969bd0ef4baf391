"""The kind of a payload's message, without reading the message."""

from __future__ import annotations

import pytest

from spacetime_proto.messages import v1, v2
from spacetime_proto.messages.kinds import kind_of
from tests.support.payloads import compress

V1, V1_JSON, V2, V3 = (
    f"{name}.spacetimedb" for name in ("v1.bsatn", "v1.json", "v2.bsatn", "v3.bsatn")
)


@pytest.mark.parametrize("protocol", [V2, V3])
def test_v2_and_v3(protocol: str) -> None:
    assert kind_of(protocol, "client", v2.encode_client(v2.OneOffQuery(1, "SELECT"))) == (
        "OneOffQuery"
    )
    answer = compress(v2.encode_server(v2.TransactionUpdate(())))
    assert kind_of(protocol, "server", answer) == "TransactionUpdate"
    large = compress(v2.encode_server(v2.OneOffQueryResult(1, "x" * 5000)))
    assert kind_of(protocol, "server", large) in ("brotli", "gzip", "OneOffQueryResult")


def test_v1() -> None:
    call = v1.encode_client(v1.OneOffQuery(b"1" * 16, "SELECT"))
    assert kind_of(V1, "client", call) == "OneOffQuery"
    text = v1.CLIENT.to_json(v1.OneOffQuery(b"1" * 16, "SELECT"))
    assert kind_of(V1_JSON, "client", text) == "OneOffQuery"
    assert kind_of(V1_JSON, "server", ' { "TransactionUpdate" : {}}') == "TransactionUpdate"


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"", "unknown"),
        (b"\0", "unknown"),
        (b"\0\xff", "unknown"),
        (b"\x01...", "brotli"),
        (b"\x02...", "gzip"),
        (b"\x07...", "unknown"),
        ("", "unknown"),
        ("[1]", "unknown"),
        ('{"DropTable": {}}', "unknown"),
    ],
)
def test_damaged_and_compressed_ones(payload: bytes | str, kind: str) -> None:
    assert kind_of(V2 if isinstance(payload, bytes) else V1_JSON, "server", payload) == kind
    assert kind_of(V2, "client", b"") == "unknown"
