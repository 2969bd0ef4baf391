"""`authority`: ES256 tokens."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from spacetime_proto.server import SecretAuthority, TokenRefused
from spacetime_transports.server.authority import Es256Authority

CLAIMS = {
    "hex_identity": "c200",
    "sub": "someone",
    "iss": "localhost",
    "aud": ["spacetimedb"],
    "iat": 5,
    "exp": None,
}


def test_tokens_are_those_of_their_key() -> None:
    authority = Es256Authority()
    token = authority.sign(CLAIMS)
    assert authority.verify(token) == CLAIMS
    for other in (Es256Authority().sign(CLAIMS), "a.b.c", "nonsense", ""):
        with pytest.raises(TokenRefused, match=r"^Invalid token: ") as caught:
            authority.verify(other)
        assert caught.value.status == 401


def test_tokens_signed_with_a_shared_secret_are_refused() -> None:
    token = SecretAuthority(b"secret").sign(CLAIMS)
    with pytest.raises(TokenRefused) as caught:
        Es256Authority().verify(token)
    assert (caught.value.status, str(caught.value)) == (401, "Invalid token: InvalidAlgorithm")


def test_times_are_left_to_the_core() -> None:
    authority = Es256Authority()
    claims = {**CLAIMS, "exp": 1, "iat": 10**12}
    assert authority.verify(authority.sign(claims)) == claims


def test_a_key_can_be_kept() -> None:
    authority = Es256Authority()
    again = Es256Authority.from_pem(authority.private_pem())
    assert again.verify(authority.sign(CLAIMS)) == CLAIMS
    assert again.public_key == authority.public_key
    assert again.public_key.startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_other_keys_are_refused(key: object) -> None:
    pem = key.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    with pytest.raises(ValueError, match="P-256"):
        Es256Authority.from_pem(pem)


def test_the_key_does_not_show() -> None:
    assert repr(Es256Authority()) == "Es256Authority(<key>)"
