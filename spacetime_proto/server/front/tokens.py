"""JSON web tokens and the identities they stand for (docs/protocol.md section 3.2).

The core signs only with HMAC (`SecretAuthority`, enough for tests); a server that wants the ES256
tokens of the real one passes its own `Authority`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any, Protocol

import msgspec

from ...types import Identity, Timestamp
from .blake3 import blake3

__all__ = [
    "Authority",
    "Claims",
    "SecretAuthority",
    "TokenRefused",
    "bearer_token",
    "check_claims",
    "identity_of",
    "new_claims",
]

#: The issuer of tokens that a server mints itself.
ISSUER = "localhost"
#: How long a token for ``?token=`` is good, in seconds.
WEBSOCKET_TOKEN_LIFE = 60
#: How long a token is still accepted after it has expired, in seconds.
EXPIRY_LEEWAY = 60

_MAX_CLAIM = 128


class TokenRefused(Exception):
    """A token or header that is not accepted.

    Attributes:
        status: 400 for one that is malformed, 401 for one that does not validate.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Claims(msgspec.Struct, frozen=True):
    """The content of a token. Times are in seconds since the epoch."""

    iss: str
    sub: str
    hex_identity: str
    iat: int
    exp: int | None = None
    aud: tuple[str, ...] = ("spacetimedb",)

    @property
    def identity(self) -> Identity:
        """The identity that follows from issuer and subject."""
        return Identity.from_hex(self.hex_identity)

    def to_json(self) -> dict[str, Any]:
        """Return the payload of the token, in the server's order; without `exp` if it never expires."""
        payload: dict[str, Any] = {
            "hex_identity": self.hex_identity,
            "sub": self.sub,
            "iss": self.iss,
            "aud": list(self.aud),
            "iat": self.iat,
        }
        return payload if self.exp is None else {**payload, "exp": self.exp}


class Authority(Protocol):
    """Signs tokens and checks signatures."""

    @property
    def public_key(self) -> str:
        """The key that others check tokens with, as PEM text; empty if there is none."""
        ...

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed token."""
        ...

    def verify(self, token: str) -> dict[str, Any]:
        """Return the payload of a token whose signature is good; times are not checked.

        Raises:
            TokenRefused: the signature is bad, or it is not a token.
        """
        ...


def identity_of(issuer: str, subject: str) -> Identity:
    """Return the identity of a subject of an issuer (docs/protocol.md section 1.3)."""
    head = b"\xc2\x00"
    body = blake3(f"{issuer}|{subject}".encode())[:26]
    return Identity(head + blake3(head + body)[:4] + body)


def new_claims(subject: str, now: Timestamp) -> Claims:
    """Return the claims of a new identity that this server mints."""
    seconds = now.micros_since_unix_epoch // 1_000_000
    return Claims(ISSUER, subject, identity_of(ISSUER, subject).to_hex(), seconds)


def check_claims(payload: dict[str, Any], now: Timestamp) -> Claims:
    """Return the claims of a token whose signature is good.

    A missing or null `exp` means that it does not expire (docs/protocol.md section 3.2).

    Raises:
        TokenRefused: a claim is missing or too long, it has expired for longer than the leeway, or
            the identity it names is not the one that it stands for.
    """
    for name in ("iss", "sub", "iat"):
        if name not in payload:
            raise TokenRefused(401, f"Invalid token: JSON error: missing field `{name}`")
    texts = {}
    for name in ("iss", "sub"):
        value = payload.get(name)
        if not isinstance(value, str) or not 0 < len(value.encode()) <= _MAX_CLAIM:
            raise TokenRefused(401, f"Invalid token: claim {name} is empty or too long")
        texts[name] = value
    issued = payload.get("iat")
    if not isinstance(issued, int):
        raise TokenRefused(401, "Invalid token: claim iat is no number")
    expires = payload.get("exp")
    if expires is not None:
        if not isinstance(expires, int | float):
            raise TokenRefused(401, "Invalid token: claim exp is no number")
        if (expires + EXPIRY_LEEWAY) * 1_000_000 <= now.micros_since_unix_epoch:
            raise TokenRefused(401, "Invalid token: ExpiredSignature")
    identity = identity_of(texts["iss"], texts["sub"]).to_hex()
    if payload.get("hex_identity", identity) != identity:
        raise TokenRefused(401, "Invalid token: hex_identity does not match iss and sub")
    return Claims(
        texts["iss"], texts["sub"], identity, issued, None if expires is None else int(expires)
    )


def bearer_token(header: str | None) -> str | None:
    """Return the token of an Authorization header, None if there is no header.

    Raises:
        TokenRefused: it is not a bearer token.
    """
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or token.count(".") != 2:
        raise TokenRefused(400, "Authorization is invalid: malformed token")
    return token


class SecretAuthority:
    """Signs with HMAC-SHA256 and a secret: stable tokens for tests, from the standard library.

    Only a server that was given this authority accepts them; others refuse tokens signed so.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @property
    def public_key(self) -> str:
        """Empty: the key is secret."""
        return ""

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed token."""
        head = _encode(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
        body = _encode(json.dumps(claims, separators=(",", ":")).encode())
        return f"{head}.{body}.{self._signature(f'{head}.{body}')}"

    def verify(self, token: str) -> dict[str, Any]:
        """Return the payload of a token of this authority.

        Raises:
            TokenRefused: it is not one.
        """
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            raise TokenRefused(401, "Invalid token: InvalidSignature")
        try:
            payload = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        except (ValueError, binascii.Error) as error:  # pragma: no cover - we have signed it
            raise TokenRefused(401, f"Invalid token: {error}") from error
        return dict(payload)

    def _signature(self, text: str) -> str:
        return _encode(hmac.digest(self._secret, text.encode(), hashlib.sha256))

    def __repr__(self) -> str:
        return "SecretAuthority(<secret>)"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
