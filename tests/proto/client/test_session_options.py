"""Options and targets."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.client.session_options import ALL_PROTOCOLS, ClientOptions, Target
from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.wire.frames_fast import FastCodec
from spacetime_proto.wire.frames_wsproto import WsprotoCodec


def test_protocols_are_offered_best_first() -> None:
    assert ClientOptions().offered() == ALL_PROTOCOLS
    some = ClientOptions(protocols=frozenset({"v1.json.spacetimedb", "v2.bsatn.spacetimedb"}))
    assert some.offered() == ("v2.bsatn.spacetimedb", "v1.json.spacetimedb")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"protocols": frozenset({"v9"})}, "unknown protocols: v9"),
        ({"protocols": frozenset()}, "unknown protocols: none given"),
        ({"compression": "zstd"}, "not 'zstd'"),
        ({"frames": "mine"}, "frames must be 'fast' or 'wsproto', not 'mine'"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text):
        ClientOptions(**wrong)


def test_frames_choose_the_codec() -> None:
    assert ClientOptions().frame_codec() is FastCodec
    assert ClientOptions(frames="wsproto").frame_codec() is WsprotoCodec


def test_the_path_is_quoted() -> None:
    target = Target(host="h", database="a/b c?d", query_token="t&t")
    assert target.request_target(ClientOptions()) == (
        "/v1/database/a%2Fb%20c%3Fd/subscribe?compression=None&token=t%26t"
    )
