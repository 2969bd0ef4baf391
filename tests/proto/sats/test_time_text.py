"""Times and spans as text, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.sats.time_text import (
    iso_duration,
    micros_of_iso_duration,
    micros_of_rfc3339,
    rfc3339,
)

I64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(I64 | st.integers(-(10**16), 10**16))
def test_every_value_comes_back(micros: int) -> None:
    assert micros_of_rfc3339(rfc3339(micros)) == micros
    assert micros_of_iso_duration(iso_duration(micros)) == micros


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, "+010000-01-01T00:00:00.000000Z"),
        (-62_167_219_200_000_001, "-000001-12-31T23:59:59.999999Z"),
        ((1 << 63) - 1, "+294247-01-10T04:00:54.775807Z"),
        (-(1 << 63), "-290308-12-21T19:59:05.224192Z"),
    ],
)
def test_points(micros: int, text: str) -> None:
    assert rfc3339(micros) == text
    assert micros_of_rfc3339(text) == micros


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01t01:00:00+01:00", 0),
        ("1970-01-01 00:00:00.5z", 500_000),
        ("1970-01-01T00:00:00.001234-00:01", 60_001_234),
    ],
)
def test_other_spellings(text: str, micros: int) -> None:
    assert micros_of_rfc3339(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00.0000001Z", "1970-13-01T00:00:00Z",
        "1970-01-01T24:00:01Z", "1970-01-01T00:00:00Z ", "\uff11970-01-01T00:00:00Z", "0",
    ],
)  # fmt: skip
def test_what_is_no_point_in_time(text: str) -> None:
    with pytest.raises(ValueError):
        micros_of_rfc3339(text)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "PT0S"), (1, "PT0.000001S"), (-500_000, "-PT0.5S"), (90_000_000, "PT90S")],
)
def test_spans(micros: int, text: str) -> None:
    assert iso_duration(micros) == text
    assert micros_of_iso_duration(text) == micros


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P1W", 604_800), ("P1DT2H3M4S", 93_784), ("+PT1M", 60), ("-P1D", -86_400), ("PT1H1S", 3601)],
)
def test_spans_in_other_units(text: str, seconds: int) -> None:
    assert micros_of_iso_duration(text) == seconds * 1_000_000


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1Y", "P1M", "1", "PT1.5H", "PT1.1234567S", "P1S"]
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError):
        micros_of_iso_duration(text)
