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
        ({"compression": "zstd"}, "compression must be 'brotli', 'gzip' or 'none', not 'zstd'"),
        ({"confirmed": 1}, "confirmed must be True, False or None, not 1"),
        ({"light": None}, "light must be True or False, not None"),
        ({"strict_deletes": "no"}, "strict_deletes must be True or False, not 'no'"),
        ({"offline": "maybe"}, "offline must be 'fail' or 'wait', not 'maybe'"),
        ({"keepalive": 30}, "keepalive must be .* or None, not 30"),
        ({"keepalive": (1.0,)}, "keepalive must be .* or None, not"),
        ({"keepalive": (1.0, 0)}, "keepalive must be a positive number of seconds, not 0"),
        ({"close_timeout": -1}, "close_timeout must be a positive number of seconds, not -1"),
        ({"close_timeout": float("nan")}, "close_timeout must be .*, not nan"),
        ({"limits": None}, "limits must be a Limits, not None"),
        ({"frames": "mine"}, "frames must be 'fast' or 'wsproto', not 'mine'"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text):
        ClientOptions(**wrong)


def test_frames_choose_the_codec() -> None:
    assert ClientOptions().frame_codec() is FastCodec
    assert ClientOptions(frames="wsproto").frame_codec() is WsprotoCodec


def test_keepalive_can_be_left_out() -> None:
    assert ClientOptions(keepalive=None).keepalive is None


def test_the_path_is_quoted() -> None:
    target = Target(host="h", database="a/b c?d", query_token="t&t")
    assert target.request_target(ClientOptions(), "0123") == (
        "/v1/database/a%2Fb%20c%3Fd/subscribe?compression=None&session_id=0123&token=t%26t"
    )
