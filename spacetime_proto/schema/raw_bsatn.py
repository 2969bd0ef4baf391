"""Reads what a compiled module says of itself: ``RawModuleDef`` (docs/protocol.md section 9).

The description is BSATN. It is decoded by the ordinary codec with the types of `raw_types`, turned
into the same JSON that a server answers, and read by the same reader. Its names are not canonical
yet; `canonicalise` does what the host does at publish time.

Sections carry no length, so one that only a newer SpacetimeDB knows hides everything behind it: that
is an error, which says where. Only at the very end is such a section left out, with a
`NewerSchemaWarning`, for there nothing else can be missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, LimitExceeded, SchemaError
from ..sats.compile import TypeContext
from ..sats.sats_json import to_json
from ..sats.shapes import SumShape
from .assemble import resolve
from .canonical import canonicalise
from .raw_types import RAW_MODULE, RAW_TYPES, RAW_TYPES_2_12, SECTION
from .reader import Reader
from .v9 import read_v9
from .v10 import read_v10

if TYPE_CHECKING:
    from .model import ModuleDef


def load_raw_module(data: bytes) -> ModuleDef:
    """Return the module that ``__describe_module__`` described.

    Raises:
        SchemaError: it is damaged, of version 8, not a valid module description, or has a section
            that this version does not know before others.
    """
    if data[:1] == b"\0":
        raise SchemaError("schema: module descriptions of version 8 are not supported")
    top = _read(data)
    version, payload = top.variant()
    if version == "V9":
        raw = read_v9(payload)
    else:
        raw = read_v10(payload)
        canonicalise(raw)
    module = resolve(raw)
    top.warn()
    return module


def _read(data: bytes) -> Reader:
    """Decode a description, as 2.14 writes it or, failing that, as 2.12 did."""
    failed: DecodeError | LimitExceeded | None = None
    for types in (RAW_TYPES, RAW_TYPES_2_12):
        context = TypeContext(types)
        try:
            value = context.codec(RAW_MODULE).decode_exact(data, what="module description")
        except (DecodeError, LimitExceeded) as error:
            failed = failed or error
        else:
            return Reader(to_json(RAW_MODULE, context, value, is_checked=True))
    assert failed is not None
    found = _without_last_section(data) if "unknown tag" in failed.message else None
    if found is None:
        hint = "; a newer version of spacetimedb-client may know it"
        raise SchemaError(
            f"schema: {failed.message}{hint if 'unknown tag' in failed.message else ''}"
        ) from failed
    return found


def _without_last_section(data: bytes) -> Reader | None:
    """Read a version 10 description whose last section has an unknown tag; None if it is another."""
    if data[0] != 2:
        return None
    context = TypeContext(RAW_TYPES)
    codec = context.codec(SECTION)
    sections: list[Any] = []
    at, count = 5, int.from_bytes(data[1:5], "little")
    while len(sections) < count - 1:
        try:
            value, size = codec.decode_first(data[at:])
        except (DecodeError, LimitExceeded):
            return None
        sections.append(to_json(SECTION, context, value, is_checked=True))
        at += size
    known = context.shape(SECTION)
    assert isinstance(known, SumShape)
    if at == len(data) or data[at] < len(known.variants):
        return None
    top = Reader({"V10": {"sections": sections}})
    top.leave_out(f"the last section, of tag {data[at]}")
    return top
