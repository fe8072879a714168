"""Dates of SPEC files (`#D Wed May  4 23:59:49 1988`): local time of the beamline, without zone.

Zones and their summer time are those of the IANA time zone database.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scatterflow.errors import UserError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"\w+ +(\w{3}) +(\d+) +(\d+):(\d+):(\d+) +(\d{4})")


def seconds_since_1970(date: str, time_zone: str, where: str) -> float:
    """A `#D` date ("Wed May  4 23:59:49 1988", local time of `time_zone`) in s since 1970 UTC.

    In the hour that occurs twice when summer time ends, the first is meant. Raises UserError.
    """
    match = _DATE.match(date)
    if not match or match[1] not in MONTHS:
        raise UserError(
            f"cannot read the date {date!r}" if date else "the scan has no date (`#D`)",
            where,
            "a date looks like: #D Wed May  4 23:59:49 1988",
        )
    zone = _zone(time_zone, where)
    day, hour, minute, second, year = (int(match[i]) for i in range(2, 7))
    try:
        local = datetime(year, MONTHS.index(match[1]) + 1, day, hour, minute, second, tzinfo=zone)
    except ValueError as error:
        raise UserError(f"there is no date {date!r}", where, "correct the `#D` line") from error
    return local.astimezone(UTC).timestamp()


def iso_local(seconds: float, time_zone: str, where: str) -> str:
    """Seconds since 1970 UTC as local time with UTC offset, `2026-01-15T09:00:00-05:00` (ISO 8601).

    Raises UserError for a time zone that is not known, or a time beyond year 9999.
    """
    try:
        return datetime.fromtimestamp(seconds, _zone(time_zone, where)).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise UserError(f"{seconds} s since 1970 is no date", where, "correct `#E`") from error


def _zone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UserError(
            f"time zone {name!r} is not known", where, "write for example America/New_York"
        ) from error
