"""ES256 tokens, as a SpacetimeDB server signs them: for the embedded development server."""

from __future__ import annotations

from typing import Any

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.server import TokenRefused

try:
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    raise LocalProtocolError(
        f"the development server needs {missing}: pip install 'spacetimedb-client[server]'"
    ) from error


class Es256Authority:
    """Signs with a private key on the curve P-256; the public key is enough to check.

    Keep the PEM text to let tokens outlive the server.
    """

    def __init__(self, private_key: ec.EllipticCurvePrivateKey | None = None) -> None:
        """Use a key, or make a new one."""
        self._private = (
            private_key if private_key is not None else ec.generate_private_key(ec.SECP256R1())
        )
        self._public = self._private.public_key()

    @classmethod
    def from_pem(cls, pem: str) -> Es256Authority:
        """Use a private key in PEM (PKCS#8).

        Raises:
            ValueError: it is not a private key on P-256.
        """
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError("not a private key on the curve P-256")
        return cls(key)

    def private_pem(self) -> str:
        """Return the private key in PEM (PKCS#8): a secret."""
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @property
    def public_key(self) -> str:
        """The public key in PEM."""
        return self._public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed token."""
        return jwt.encode(claims, self._private, algorithm="ES256")

    def verify(self, token: str) -> dict[str, Any]:
        """Return the payload of a token of this key; times and audience are not checked.

        Raises:
            TokenRefused: the signature is bad, or it is not a token.
        """
        try:
            return jwt.decode(token, self._public, algorithms=["ES256"], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError as error:
            reason = type(error).__name__.removesuffix("Error")  # as a server calls it
            raise TokenRefused(401, f"Invalid token: {reason}") from error

    def __repr__(self) -> str:
        return "Es256Authority(<key>)"


#: The claims are checked by the core, against the server's clock.
_SIGNATURE_ONLY: Any = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}
