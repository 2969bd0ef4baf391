"""SATS-JSON: the first byte picks a type of the BSATN target, the rest is JSON text."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.sats.algebraic import RefType
from spacetime_proto.sats.sats_json import dumps, from_json, loads, to_json

from .bsatn import _CONTEXT, _TYPES


def check(data: bytes) -> None:
    """A value that was read can be written in each style and is the same when read again."""
    if not data:
        return
    ty = RefType(data[0] % len(_TYPES))
    try:
        value = from_json(ty, _CONTEXT, loads(data[1:]))
    except (DecodeError, LimitExceeded):
        return
    codec = _CONTEXT.codec(ty)
    encoded = codec.encode(value)
    for style in ("objects", "positional", "named"):
        text = dumps(to_json(ty, _CONTEXT, value, style=style))  # type: ignore[arg-type]
        assert codec.encode(from_json(ty, _CONTEXT, loads(text))) == encoded
