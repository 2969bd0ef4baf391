"""What each kind of field is in BSATN and in JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, EncodeError
from spacetime_proto.messages.composite_fields import Wrapped
from spacetime_proto.messages.declare import (
    U32,
    U64,
    U128,
    JsonOrBsatn,
    Messages,
    OneOf,
    wire_name,
)
from spacetime_proto.messages.fields import Flags
from spacetime_proto.messages.reading import RowBudgetSpent
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp

PAD = b"\xee"


class Left(msgspec.Struct, frozen=True):
    number: U32


class Right(msgspec.Struct, frozen=True):
    pass


FLAGS = Annotated[int, Flags(1, "bad flag {}")]
Side = Annotated[Left | Right, OneOf("Side")]


def holder(hint: Any) -> tuple[Any, Messages[Any]]:
    """Return a message with one field, and what reads and writes it."""
    cls = msgspec.defstruct("HolderMessage", [("field", hint)], frozen=True)
    return cls, Messages("Held", cls | Right)


@pytest.mark.parametrize(
    ("hint", "raw", "value", "text"),
    [
        (U32, "07000080", 0x8000_0007, "2147483655"),
        (U64, "0700000000000080", 0x8000_0000_0000_0007, "9223372036854775815"),
        (U128, "01" + "00" * 14 + "80", (0x80 << 120) + 1, str((0x80 << 120) + 1)),
        (bytes, "02000000 6162", b"ab", '"6162"'),
        (str, "02000000 c3a9", "é", '"é"'),
        (str | None, "00 01000000 61", "a", '{"some":"a"}'),
        (str | None, "01", None, '{"none":[]}'),
        (U32 | None, "00 05000000", 5, '{"some":5}'),
        (Identity, "00" * 31 + "c2", Identity(b"\xc2" + bytes(31)), None),
        (ConnectionId, "01" + "00" * 15, ConnectionId.from_int(1), '{"__connection_id__":1}'),
        (TimeDuration, "ff" * 8, TimeDuration(-1), '{"__time_duration_micros__":-1}'),
        (Timestamp, "ff" * 8, Timestamp(-1), '{"__timestamp_micros_since_unix_epoch__":-1}'),
        (tuple[str, ...], "02000000 01000000 61 00000000", ("a", ""), '["a",""]'),
        (Side, "00 07000000", Left(7), '{"Left":7}'),
        (Side, "01", Right(), '{"Right":[]}'),
        (Annotated[U32, lambda inner: Wrapped("id", inner)], "07000000", 7, '{"id":7}'),
        (FLAGS, "01", 1, "1"),
    ],
)
def test_a_field_has_one_shape(hint: Any, raw: str, value: Any, text: str | None) -> None:
    cls, messages = holder(hint)
    data = b"\0" + bytes.fromhex(raw)
    assert messages.encode(cls(value)) == data
    assert messages.decode(PAD + data + PAD, 1) == (cls(value), 1 + len(data))
    for size in range(len(data)):
        with pytest.raises(DecodeError, match=r"^data too short for \S+: Expected \d+, given \d+ "):
            messages.decode(PAD + data[:size], 1)
    written = messages.to_json(cls(value))
    assert messages.from_json(written) == cls(value)
    if text is not None:
        assert written == f'{{"Holder":{{"field":{text}}}}}'


def test_the_name_on_the_wire_leaves_out_what_tells_classes_apart() -> None:
    cls, messages = holder(U32)
    assert wire_name(cls) == "Holder"
    with pytest.raises(DecodeError, match="in Holder at byte 1"):
        messages.decode(b"\0")
    with pytest.raises(EncodeError, match=r"does not fit the wire: .* in Holder$"):
        messages.encode(cls(-1))


def test_a_position_beyond_the_end_is_reported_as_nothing_given() -> None:
    _, messages = holder(U32)
    with pytest.raises(DecodeError) as caught:
        messages.decode(b"", 3)
    assert caught.value.detail == "data too short for u8: Expected 1, given 0"
    assert caught.value.offset == 3


def test_the_first_field_that_is_not_all_there_is_named() -> None:
    class Three(msgspec.Struct, frozen=True):
        first: U32
        second: Identity
        third: U32

    messages: Messages[Any] = Messages("Held", Three | Right)
    data = messages.encode(Three(1, Identity(bytes(32)), 2))
    for size, words in ((4, "u32: Expected 4, given 3"), (36, "u256: Expected 32, given 31")):
        with pytest.raises(DecodeError, match=words):
            messages.decode(data[:size])


def test_invalid_utf8_names_the_byte() -> None:
    _, messages = holder(str)
    with pytest.raises(DecodeError, match="invalid utf-8: invalid start byte") as caught:
        messages.decode(b"\0\x03\0\0\0ab\xff")
    assert caught.value.offset == 7


@pytest.mark.parametrize(
    ("hint", "raw", "detail", "offset"),
    [
        (U32 | None, "02", "unknown tag 0x2 for sum type Option", 1),
        (Side, "02", "unknown tag 0x2 for sum type Side", 1),
        (FLAGS, "02", "bad flag 2", 1),
    ],
)
def test_a_byte_without_a_meaning(hint: Any, raw: str, detail: str, offset: int) -> None:
    _, messages = holder(hint)
    with pytest.raises(DecodeError) as caught:
        messages.decode(b"\0" + bytes.fromhex(raw))
    assert (caught.value.detail, caught.value.offset) == (detail, offset)


def test_a_flag_without_a_meaning_in_json() -> None:
    _, messages = holder(FLAGS)
    with pytest.raises(DecodeError, match=r"^bad flag 2 in Holder$"):
        messages.from_json('{"Holder":[2]}')


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (U32, 1 << 32),
        (FLAGS, 256),
        (U128, 1 << 128),
        (U128, -1),
        (str, "\ud800"),
        (bytes, "text"),
        (Side, "left"),
        (Identity, 5),
        (JsonOrBsatn, None),
        (tuple[str, ...], None),
    ],
)
def test_what_does_not_fit_is_an_error_in_both_encodings(hint: Any, value: Any) -> None:
    cls, messages = holder(hint)
    for encode in (messages.encode, messages.to_json):
        with pytest.raises(EncodeError, match=r"a field does not fit the wire: .* in Holder"):
            encode(cls(value))


def test_json_text_is_no_bsatn_and_the_other_way_round() -> None:
    cls, messages = holder(JsonOrBsatn)
    assert messages.encode(cls(b"a")) == b"\0\x01\0\0\0a"
    assert messages.to_json(cls("[1]")) == '{"Holder":{"field":"[1]"}}'
    with pytest.raises(EncodeError, match="JSON text where BSATN is needed in Holder"):
        messages.encode(cls("[1]"))
    with pytest.raises(EncodeError):
        messages.to_json(cls(b"a"))


@given(st.integers(0, 0xFFFF_FFFF), st.text(st.characters(codec="utf-8"), max_size=5))
def test_fields_may_have_another_order_on_the_wire(number: int, text: str) -> None:
    messages: Messages[Any] = Messages("Held", Turned | Right)
    message = Turned(text, number)
    data = messages.encode(message)
    assert data[1:5] == number.to_bytes(4, "little")
    assert messages.decode(data) == (message, len(data))
    assert list(json.loads(messages.to_json(message))["Turned"]) == ["number", "text"]


def test_a_count_is_not_trusted() -> None:
    cls, messages = holder(tuple[str, ...])
    data = messages.encode(cls(("a", "")))
    assert messages.read(data, 0, 2) == (cls(("a", "")), len(data), 0)
    with pytest.raises(RowBudgetSpent, match="Holder"):
        messages.read(data, 0, 1)
    with pytest.raises(DecodeError, match="data too short for u32"):
        messages.read(b"\0\xff\xff\xff\xff", 0, 1 << 40)


class Turned(msgspec.Struct, frozen=True):
    text: str
    number: U32
    wire_order = ("number", "text")
