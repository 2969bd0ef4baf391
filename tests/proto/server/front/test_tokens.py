"""`tokens`: identities, claims, signatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.server.front.tokens import (
    SecretAuthority,
    TokenRefused,
    bearer_token,
    check_claims,
    identity_of,
    new_claims,
)
from spacetime_proto.types import Timestamp
from tests.proto.server.support import NOW

WIRE = Path(__file__).parents[3] / "golden" / "wire"
NOW_SECONDS = NOW.micros_since_unix_epoch // 1_000_000


def test_identities_are_those_of_the_real_server() -> None:
    """The recorded token's subject gives the recorded identity."""
    head = json.loads((WIRE / "chat.v2.bsatn.none.jsonl").read_text().split("\n", 1)[0])
    made = identity_of("localhost", "6a9574f4-439b-4558-a1a9-4dd2fbf568e1")
    assert made.to_hex() == head["response_headers"]["spacetime-identity"]


def test_new_claims_are_those_of_a_minted_token() -> None:
    claims = new_claims("someone", NOW)
    assert claims.to_json() == {
        "hex_identity": claims.identity.to_hex(),
        "sub": "someone",
        "iss": "localhost",
        "aud": ["spacetimedb"],
        "iat": NOW_SECONDS,
    }
    assert check_claims({**claims.to_json(), "exp": None}, NOW) == claims
    assert check_claims(claims.to_json(), NOW) == claims


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"iss": None}, "claim iss is empty or too long"),
        ({"sub": ""}, "claim sub is empty or too long"),
        ({"sub": "x" * 129}, "claim sub is empty or too long"),
        ({"iat": None}, "claim iat is no number"),
        ({"exp": "soon"}, "claim exp is no number"),
        ({"exp": NOW_SECONDS - 60}, "ExpiredSignature"),
        ({"hex_identity": "00"}, "hex_identity does not match"),
    ],
)
def test_bad_claims_are_refused(change: dict[str, Any], problem: str) -> None:
    payload = {**new_claims("someone", NOW).to_json(), **change}
    with pytest.raises(TokenRefused, match=f"^Invalid token: {problem}") as caught:
        check_claims(payload, NOW)
    assert caught.value.status == 401


@pytest.mark.parametrize("name", ["iss", "sub", "iat"])
def test_claims_that_a_token_must_have(name: str) -> None:
    payload = new_claims("someone", NOW).to_json()
    del payload[name]
    with pytest.raises(TokenRefused, match=f"^Invalid token: JSON error: missing field `{name}`"):
        check_claims(payload, NOW)


def test_a_token_is_good_until_a_minute_after_it_expires_and_may_leave_the_identity_out() -> None:
    payload = {**new_claims("someone", NOW).to_json(), "exp": NOW_SECONDS + 1.5}
    del payload["hex_identity"]
    claims = check_claims(payload, NOW)
    assert claims.exp == NOW_SECONDS + 1
    assert claims.identity == identity_of("localhost", "someone")
    check_claims(payload, Timestamp(NOW.micros_since_unix_epoch + 61_400_000))
    with pytest.raises(TokenRefused):
        check_claims(payload, Timestamp(NOW.micros_since_unix_epoch + 61_500_000))


def test_bearer_headers() -> None:
    assert bearer_token(None) is None
    assert bearer_token("Bearer a.b.c") == "a.b.c"
    assert bearer_token("bearer a.b.c") == "a.b.c"
    for bad in ("Basic a.b.c", "Bearer abc", "", "a.b.c"):
        with pytest.raises(TokenRefused) as caught:
            bearer_token(bad)
        assert (caught.value.status, str(caught.value)) == (
            400,
            "Authorization is invalid: malformed token",
        )


def test_signatures_are_checked() -> None:
    authority = SecretAuthority(b"secret")
    token = authority.sign({"a": 1})
    assert token.startswith("eyJ")
    assert authority.verify(token) == {"a": 1}
    assert authority.public_key == ""
    for bad in (token + "x", token[1:], "a.b.c", "é.b.c", SecretAuthority(b"x").sign({"a": 1})):
        with pytest.raises(TokenRefused, match="InvalidSignature"):
            authority.verify(bad)


def test_the_secret_does_not_show() -> None:
    assert "hush" not in repr(SecretAuthority(b"hush"))
