"""`types`: the values that SATS types without a Python counterpart become."""

from __future__ import annotations

import pytest

from spacetime_proto.types import Timestamp


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
