"""Rows of v1.json to BSATN and back: the only part of a message that needs the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..errors import DecodeError
from ..sats.sats_json import dumps, from_json, loads, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..sats.compile import RowCodec
    from ..schema.bound import BoundModule


class JsonCodec:
    """Turns the rows of v1.json into BSATN and back; made once per module and role.

    Args:
        encode_row: table name and the JSON text of a row -> its BSATN.
        decode_row: table name and the BSATN of a row -> its JSON text.
    """

    def __init__(
        self,
        encode_row: Callable[[str, str], bytes],
        decode_row: Callable[[str, bytes], str],
    ) -> None:
        self.encode_row = encode_row
        self.decode_row = decode_row

    @classmethod
    def for_module(cls, module: BoundModule) -> JsonCodec:
        """Return the codec of a `BoundModule`.

        Rows are written positionally, as the server writes those of transactions.
        """
        types = module.types

        def encode_row(table: str, text: str) -> bytes:
            codec = _codec(module, table)
            return codec.encode(from_json(codec.type, types, loads(text)))

        def decode_row(table: str, row: bytes) -> str:
            codec = _codec(module, table)
            value = codec.decode_exact(row, what=f"row of table {table!r}")
            return dumps(to_json(codec.type, types, value, style="positional", is_checked=True))

        return cls(encode_row, decode_row)


def _codec(module: BoundModule, table: str) -> RowCodec[Any]:
    try:
        return module.tables[table].codec
    except KeyError:
        raise DecodeError(f"the schema has no table {table!r}") from None


def _no_schema(table: str, row: str | bytes) -> NoReturn:
    raise DecodeError("no schema to read rows with")


#: The codec where no schema is known: messages without rows can be read and written.
NO_ROWS: Final = JsonCodec(_no_schema, _no_schema)
