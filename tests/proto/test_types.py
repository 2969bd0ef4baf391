"""`types`: the values that SATS types without a Python counterpart become."""

from __future__ import annotations

import datetime
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.types import (
    ConnectionId,
    Err,
    Identity,
    Ok,
    ScheduleAt,
    ScheduleAt_Interval,
    ScheduleAt_Time,
    Some,
    TimeDuration,
    Timestamp,
    Uuid,
)

IDS = pytest.mark.parametrize("kind", [Identity, ConnectionId, Uuid])


# --- ids ----------------------------------------------------------------------------------------


@IDS
def test_ids_convert_both_ways(kind: Any) -> None:
    data = bytes(range(100, 100 + kind.SIZE))
    made = kind(data)
    text = data.hex()
    assert made == kind.from_hex(text) == kind.from_hex(text.upper()) == kind.from_hex("0x" + text)
    assert made == kind.from_hex("0X" + text) == kind.from_string(text)
    assert made == kind.from_bytes(bytearray(data)) == kind.from_int(int(text, 16))
    assert made == kind(list(data))
    assert type(kind(list(data)).data) is bytes
    assert made.to_hex() == text
    assert int(made) == int(text, 16)
    assert bytes(made) == data
    assert hash(made) == hash(kind(data))


@IDS
def test_ids_are_ordered_as_numbers(kind: Any) -> None:
    numbers = [0, 1, 255, 256, 1 << 64, (1 << (8 * kind.SIZE)) - 1]
    assert sorted(map(kind.from_int, reversed(numbers))) == [kind.from_int(n) for n in numbers]


@IDS
def test_ids_have_one_size(kind: Any) -> None:
    for wrong in (b"", bytes(kind.SIZE - 1), bytes(kind.SIZE + 1)):
        with pytest.raises(ValueError, match=f"{kind.__name__} takes {kind.SIZE} bytes"):
            kind(wrong)
    for number in (-1, 1 << (8 * kind.SIZE)):
        with pytest.raises(OverflowError):
            kind.from_int(number)


@IDS
@pytest.mark.parametrize("bad", ["", "0x", "00", " 0", "g0", "é0", "0x0x", "_0", "+0"])
def test_other_texts_are_no_ids(kind: Any, bad: str) -> None:
    padded = bad + "0" * (2 * kind.SIZE - len(bad))
    texts = {bad, padded} - {"0" * (2 * kind.SIZE)}
    for text in texts:
        if text.startswith("0x") and len(text) == 2 * kind.SIZE + 2:
            continue
        with pytest.raises(ValueError, match=re.escape(repr(text))):
            kind.from_hex(text)


def test_ids_are_printed_so_that_they_can_be_read_back() -> None:
    one = Identity.from_int(0xC2)
    assert str(one) == "00" * 31 + "c2"
    assert repr(one) == f"Identity.from_hex('{one}')"
    assert repr(ConnectionId.from_int(1)) == "ConnectionId.from_hex('" + "0" * 31 + "1')"
    assert repr(Uuid.from_int(1)) == "Uuid.from_string('00000000-0000-0000-0000-000000000001')"


def test_uuids_are_those_of_the_standard_library() -> None:
    text = "01234567-89ab-7cde-8f01-23456789abcd"
    standard = uuid.UUID(text)
    made = Uuid.from_uuid(standard)
    assert made.to_uuid() == standard
    assert str(made) == text
    assert int(made) == standard.int
    assert made == Uuid.from_string(text) == Uuid.from_string(text.replace("-", ""))
    assert made == Uuid.from_string(text.upper())
    for wrong in (
        text[:-1],
        text.replace("-", "0"),
        "-" * 36,
        "0123456-789ab-7cde-8f01-23456789abcd",
        text.replace("0", "g"),
        text.replace("-", "").replace("0", "g"),
        text.replace("0", " "),
    ):
        with pytest.raises(ValueError, match=f"not a UUID: '{wrong}'"):
            Uuid.from_string(wrong)


# --- time ---------------------------------------------------------------------------------------


@given(st.timedeltas())
def test_durations_keep_every_microsecond(span: datetime.timedelta) -> None:
    assert TimeDuration.from_timedelta(span).to_timedelta() == span


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_time_stamps_keep_every_microsecond(moment: datetime.datetime) -> None:
    assert Timestamp.from_datetime(moment).to_datetime() == moment


def test_durations_in_seconds() -> None:
    assert TimeDuration.from_seconds(1.5) == TimeDuration(1_500_000)
    assert TimeDuration.from_seconds(0.000_000_6) == TimeDuration(1)
    assert TimeDuration(-2_500_000).total_seconds() == -2.5
    with pytest.raises(OverflowError):
        TimeDuration(2**63 - 1).to_timedelta() * 1_000_000


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "+0.000000"), (1_500_000, "+1.500000"), (-1, "-0.000001"), (-61_000_002, "-61.000002")],
)
def test_durations_are_printed_with_their_sign(micros: int, text: str) -> None:
    assert str(TimeDuration(micros)) == text


def test_durations_add_up() -> None:
    one, two = TimeDuration(1), TimeDuration(2)
    assert one + two == TimeDuration(3)
    assert one - two == -one == TimeDuration(-1)
    assert abs(one - two) == one
    assert one + datetime.timedelta(seconds=1) == TimeDuration(1_000_001)
    assert one - datetime.timedelta(seconds=1) == TimeDuration(-999_999)
    assert sorted([two, one]) == [one, two]
    for wrong in (1, 1.0, "1"):
        with pytest.raises(TypeError):
            one + wrong  # type: ignore[operator]
        with pytest.raises(TypeError):
            one - wrong  # type: ignore[operator]


def test_time_stamps_and_durations() -> None:
    then = Timestamp.from_datetime(datetime.datetime(2024, 1, 2, 3, 4, 5, 6, datetime.UTC))
    second = datetime.timedelta(seconds=1)
    assert then + second == then + TimeDuration(1_000_000)
    assert (then + second).to_datetime() - then.to_datetime() == second
    assert then - second == then - TimeDuration(1_000_000)
    assert (then + second) - then == TimeDuration(1_000_000)
    assert then > Timestamp.UNIX_EPOCH == Timestamp(0)
    for wrong in (1, 1.0, "1"):
        with pytest.raises(TypeError):
            then + wrong  # type: ignore[operator]
        with pytest.raises(TypeError):
            then - wrong


def test_time_stamps_of_other_kinds() -> None:
    assert Timestamp.from_seconds(1.5) == Timestamp(1_500_000)
    assert Timestamp(-1_500_000).to_seconds() == -1.5
    east = datetime.timezone(datetime.timedelta(hours=2))
    there = datetime.datetime(1970, 1, 1, 2, tzinfo=east)
    assert Timestamp.from_datetime(there) == Timestamp.UNIX_EPOCH
    with pytest.raises(ValueError, match="time zone"):
        Timestamp.from_datetime(datetime.datetime(1970, 1, 1))
    with pytest.raises(OverflowError):
        Timestamp(2**62).to_datetime()


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1_500_000, "1970-01-01T00:00:01.500+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"),
        (1_700_000_000_000_010, "2023-11-14T22:13:20.000010+00:00"),
        (2**62, "4611686018427387904 us since the Unix epoch"),
    ],
)
def test_time_stamps_are_printed_as_the_server_prints_them(micros: int, text: str) -> None:
    assert str(Timestamp(micros)) == text


# --- sums, options, results ---------------------------------------------------------------------


def when(value: ScheduleAt) -> str:
    match value:
        case ScheduleAt_Interval(span):
            return f"every {span}"
        case ScheduleAt_Time(moment):
            return f"at {moment}"
    return "never"


def test_schedules_are_matched_by_their_variants() -> None:
    assert ScheduleAt.__variants__ == (ScheduleAt.Interval, ScheduleAt.Time)
    assert [variant.__tag__ for variant in ScheduleAt.__variants__] == [0, 1]
    assert when(ScheduleAt.Interval(TimeDuration(1))) == "every +0.000001"
    assert when(ScheduleAt.Time(Timestamp(0))) == "at 1970-01-01T00:00:00+00:00"
    assert when(ScheduleAt()) == "never"


def test_wrapped_values_are_equal_by_what_they_hold() -> None:
    for kind in (Some, Ok, Err):
        assert kind(1) == kind(1) != kind(2)
        assert len({kind("a"), kind("a")}) == 1
    assert Some(None) != None  # noqa: E711
    assert Ok(1) != Err(1)
