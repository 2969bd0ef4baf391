"""TypeScript websocket_v3_frames.

| row | where |
|---|---|
| how many messages fit in a frame limit | unit |
| one oversized message still goes | unit |
| round trip of concatenated messages | unit |
| partial queue | scripted |
"""

from __future__ import annotations

from spacetime_proto.messages import payloads, v2
from spacetime_proto.messages.payloads import decode_client_payload, decode_server_payload
from spacetime_proto.protocols import V3_BSATN
from tests.conformance.kit import protocols
from tests.conformance.scripted import ScriptedClient
from tests.support.payloads import compress


def call(number: int, size: int) -> bytes:
    """Return an encoded call with arguments of `size` bytes."""
    return v2.encode_client(v2.CallReducer(number, "f", bytes(size)))


def test_how_many_messages_fit_in_a_frame_limit() -> None:
    one = len(call(1, 10))
    messages = [call(number, 10) for number in range(7)]
    assert [len(body) // one for body in payloads.join(messages, max_size=3 * one)] == [3, 3, 1]
    assert [len(body) // one for body in payloads.join(messages, max_size=3 * one - 1)] == [
        2,
        2,
        2,
        1,
    ]
    assert [len(body) // one for body in payloads.join(messages, max_messages=4)] == [4, 3]


def test_one_oversized_message_still_goes() -> None:
    small, big = call(1, 10), call(2, 1000)
    assert list(payloads.join([small, big, small], max_size=100)) == [small, big, small]


def test_round_trip_of_concatenated_messages() -> None:
    messages = [v2.CallReducer(number, "f", bytes(number)) for number in range(5)]
    [body] = payloads.join(v2.encode_client(message) for message in messages)
    assert list(decode_client_payload(V3_BSATN, body)) == messages
    answers = [v2.OneOffQueryResult(number, f"error {number}") for number in range(5)]
    payload = compress(b"".join(v2.encode_server(answer) for answer in answers))
    assert list(decode_server_payload(V3_BSATN, payload)) == answers


@protocols("v3")
def test_partial_queue(protocol: str) -> None:
    """More than fits into one payload goes in several, in order, and nothing stays behind."""
    client = ScriptedClient(protocol)
    client.open()
    text = "x" * 100_000
    for _ in range(6):
        client.call("send_message", text)
    assert client.server is not None
    client.server.receive_data(client.session.data_to_send(), 0.0)
    sent = [payload for payload in client.server.messages() if isinstance(payload, bytes)]
    sizes = [len(list(decode_client_payload(V3_BSATN, payload))) for payload in sent]
    assert sizes == [2, 2, 2]
    assert max(len(payload) for payload in sent) <= payloads.CLIENT_BATCH_SIZE
    assert client.session.data_to_send() == b""
