"""Points in time and spans of time as text, exact to the microsecond, over the whole range of I64.

RFC 3339 has years of four digits. A `Timestamp` reaches further; such years are written with a sign
and six digits, as ISO 8601 (and ECMAScript) do: ``+294247-01-10T04:00:54.775807Z``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

_SECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
_MICROSECOND: Final = timedelta(microseconds=1)
#: The Gregorian calendar repeats itself after as many years and days.
_CYCLE_YEARS: Final = 400
_CYCLE: Final = 146_097 * 86_400 * _SECOND

_RFC3339: Final = re.compile(
    r"([+-]\d{6}|\d{4})(-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d+)W|(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?)",
    re.ASCII,
)


def rfc3339(micros: int) -> str:
    """Return microseconds since 1970 as ``2024-05-01T12:00:00.000000Z``."""
    cycles = micros // _CYCLE
    moment = _EPOCH + (micros - cycles * _CYCLE) * _MICROSECOND
    year = moment.year + cycles * _CYCLE_YEARS
    text = f"{year:04}" if 0 <= year <= 9999 else f"{year:+07}"
    return f"{text}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond:06}Z"


def micros_of_rfc3339(text: str) -> int:
    """Read what `rfc3339` writes, and any other RFC 3339 text of up to six digits of a second.

    Raises:
        ValueError: it is not that.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("a time as 2024-05-01T12:00:00.000000Z expected")
    year, day, clock, fraction, zone = found.groups()
    cycles, within = divmod(int(year) - 1970, _CYCLE_YEARS)
    zone = "+00:00" if zone in "Zz" else zone
    try:
        # `fromisoformat` of 3.11 to 3.13 reads this form; it wants three or six digits.
        moment = datetime.fromisoformat(
            f"{within + 1970:04}{day}T{clock}{(fraction or '.0'):0<7}{zone}"
        )
    except ValueError:
        raise ValueError("there is no such day or time") from None
    return (moment - _EPOCH) // _MICROSECOND + cycles * _CYCLE


def iso_duration(micros: int) -> str:
    """Return a span as an ISO 8601 duration in seconds: ``PT90S``, ``-PT0.5S``."""
    seconds, rest = divmod(abs(micros), _SECOND)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if micros < 0 else ''}PT{seconds}{fraction}S"


def micros_of_iso_duration(text: str) -> int:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds.

    Raises:
        ValueError: it is not that; months and years have no fixed length.
    """
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()[1:]):
        raise ValueError("a duration as PT90S or P1DT0.5S expected")
    sign, *parts, fraction = found.groups()
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts)
    total = (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
    micros = total * _SECOND + int((fraction or "0").ljust(6, "0"))
    return -micros if sign == "-" else micros
