from __future__ import annotations

import pytest

from spacetime_proto.errors import DecodeError
from spacetime_proto.messages.json_rows import NO_ROWS, JsonCodec

IDENTITY = "0xc2" + "00" * 31
ADA = bytes(31) + b"\xc2" + b"\x00\x03\0\0\0ada" + b"\x01"


@pytest.mark.parametrize(
    "text",
    [
        f'[["{IDENTITY}"],[0,"ada"],true]',
        f'{{"identity":{{"__identity__":"{IDENTITY}"}},"name":[0,"ada"],"online":true}}',
        f'{{"online":true,"name":{{"some":"ada"}},"identity":["{IDENTITY}"]}}',
    ],
)
def test_every_form_of_a_row_becomes_the_same_bytes(codec: JsonCodec, text: str) -> None:
    assert codec.encode_row("user", text) == ADA


def test_rows_are_written_positionally(codec: JsonCodec) -> None:
    assert codec.decode_row("user", ADA) == f'[["{IDENTITY}"],[0,"ada"],true]'


def test_large_and_short_numbers_stay_exact(codec: JsonCodec) -> None:
    text = f"[{(1 << 128) - 1},0.1]"
    assert codec.decode_row("numbers", codec.encode_row("numbers", text)) == text


def test_unknown_tables(codec: JsonCodec) -> None:
    with pytest.raises(DecodeError, match="the schema has no table 'nope'"):
        codec.encode_row("nope", "[]")
    with pytest.raises(DecodeError, match="the schema has no table 'nope'"):
        codec.decode_row("nope", b"")


@pytest.mark.parametrize("text", ["", "[", "[1]", "null", "[null,1]", '{"big":1}'])
def test_what_is_no_row(codec: JsonCodec, text: str) -> None:
    with pytest.raises(DecodeError):
        codec.encode_row("numbers", text)


def test_damaged_bytes_name_the_table(codec: JsonCodec) -> None:
    with pytest.raises(DecodeError, match="row of table 'user'"):
        codec.decode_row("user", ADA[:-1])


def test_without_a_schema_there_are_no_rows() -> None:
    with pytest.raises(DecodeError, match="no schema"):
        NO_ROWS.encode_row("user", "[]")
    with pytest.raises(DecodeError, match="no schema"):
        NO_ROWS.decode_row("user", b"")
