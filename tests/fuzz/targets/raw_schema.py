"""Module descriptions and types in BSATN, as compiled modules give them."""

from __future__ import annotations

import contextlib
import warnings

from spacetime_proto.errors import DecodeError, SchemaError
from spacetime_proto.schema.raw_bsatn import load_raw_module
from spacetime_proto.schema.reader import NewerSchemaWarning
from tests.support.type_bytes import decode_type, encode_type


def check(data: bytes) -> None:
    """Only the two documented errors; a type encodes to the bytes that it came from."""
    with contextlib.suppress(DecodeError, SchemaError), warnings.catch_warnings():
        warnings.simplefilter("ignore", NewerSchemaWarning)
        load_raw_module(data)
    try:
        ty, end = decode_type(data)
    except DecodeError:
        return
    assert encode_type(ty) == data[:end]
