"""TypeScript websocket_v3_frames.

| row | where |
|---|---|
| how many messages fit in a frame limit | unit |
| one oversized message still goes | unit |
| round trip of concatenated messages | unit |
| partial queue | scripted |
"""

from __future__ import annotations

from spacetime_proto.messages import frames, v2
from tests.conformance.kit import protocols
from tests.conformance.scripted import ScriptedClient


def call(number: int, size: int) -> bytes:
    """Return an encoded call with arguments of `size` bytes."""
    return v2.encode_client(v2.CallReducer(number, "f", bytes(size)))


def test_how_many_messages_fit_in_a_frame_limit() -> None:
    one = len(call(1, 10))
    messages = [call(number, 10) for number in range(7)]
    assert [len(body) // one for body in frames.join(messages, max_size=3 * one)] == [3, 3, 1]
    assert [len(body) // one for body in frames.join(messages, max_size=3 * one - 1)] == [
        2,
        2,
        2,
        1,
    ]
    assert [len(body) // one for body in frames.join(messages, max_messages=4)] == [4, 3]


def test_one_oversized_message_still_goes() -> None:
    small, big = call(1, 10), call(2, 1000)
    assert list(frames.join([small, big, small], max_size=100)) == [small, big, small]


def test_round_trip_of_concatenated_messages() -> None:
    messages = [v2.CallReducer(number, "f", bytes(number)) for number in range(5)]
    [body] = frames.join(v2.encode_client(message) for message in messages)
    assert list(frames.split_client(body, batched=True)) == messages
    answers = [v2.OneOffQueryResult(number, f"error {number}") for number in range(5)]
    payload = frames.compress(b"".join(v2.encode_server(answer) for answer in answers))
    assert list(frames.split_server(payload, batched=True)) == answers


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
    payloads = [payload for payload in client.server.messages() if isinstance(payload, bytes)]
    sizes = [len(list(frames.split_client(payload, batched=True))) for payload in payloads]
    assert sizes == [2, 2, 2]
    assert max(len(payload) for payload in payloads) <= frames.CLIENT_BATCH_SIZE
    assert client.session.data_to_send() == b""
