"""Moving past a value, as the reading of a column that stands behind it does."""

from __future__ import annotations

from typing import Any

from spacetime_proto.sats.algebraic import Element, Primitive, ProductType, Typespace
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.rows import RowList

_MARK = b"\x2a"


def skip(made: TypeContext, ty: Any, data: bytes) -> bool:
    """Say whether a column behind a value of `ty` is looked for exactly where `data` ends.

    Raises:
        RAW_DECODE_ERRORS: the end of the value cannot be found within `data`.
    """
    row = ProductType((Element("value", ty), Element("mark", Primitive("U8"))))
    beside = TypeContext(Typespace((*made.typespace.types, row)))
    codec = beside.row_codec(len(made.typespace.types))
    assert codec.column_decoder(1)(b"?" + data + _MARK, 1) == _MARK[0]
    row = RowList(b"?" + data + _MARK, 1, len(data) + 2, 0, (0,))
    return codec.keys(row, 1) == [_MARK[0]]
