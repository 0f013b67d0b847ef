"""Times as text and as unix milliseconds, the unit in which the log stamps its transactions. Pure; both sides share it.

    2026-11-26T20:04:12.345+09:00       RFC 3339; a space may stand for the T, and before the offset
    2026-11-26T11:04:12Z                to the second: means all of that second
    2026-11-26 20:04, 2026-11-26        short for 20:04:00 and for 00:00:00

A fraction is exact, to the millisecond; more digits than three are ignored. A text without an offset is a local time:
the client knows its zone (`sldb.moments`), the server does not.
"""

from __future__ import annotations

import re

from lambda_handlers.shared.dataclasses import dataclass

_EPOCH = (1970, 1, 1)  # in UTC
_LAST_MS = 253_402_300_799_999  # of the year 9999
# Compiled when it is first used: few requests, and few cold starts, have a time.
_TIME = (
    r"(?a)(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,30}))?)?"
    r"(?: ?(?P<utc>[Zz]|UTC)| ?(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>[0-5]\d))?)?)?"
)
_NUMBERS = ("year", "month", "day", "hour", "minute", "second", "hours", "minutes")
_MAX_OFFSET_HOURS = 23


@dataclass(frozen=True, slots=True)
class Written:
    """A time in its written form."""

    wall_ms: int  # the reading of the clock, taken for UTC
    offset_seconds: int | None  # east of UTC; None where none is written
    is_whole_second: bool  # no fraction is written

    @property
    def start_ms(self) -> int:
        """The first unix millisecond of this time; in UTC if no offset is written."""
        return self.wall_ms - (self.offset_seconds or 0) * 1000

    @property
    def end_ms(self) -> int:
        """The last unix millisecond of this time; in UTC if no offset is written."""
        return self.start_ms + (999 if self.is_whole_second else 0)


def read(text: str) -> Written | None:
    """Return a time; None for any other text."""
    found = re.fullmatch(_TIME, text)
    if found is None:
        return None
    year, month, day, hour, minute, second, hours, minutes = (int(found[name] or 0) for name in _NUMBERS)
    if second > 60 or hours > _MAX_OFFSET_HOURS:  # 60 is a leap second
        return None
    from datetime import datetime, timedelta  # few requests, and few cold starts, have a time

    try:
        minute_ms = (datetime(year, month, day, hour, minute) - datetime(*_EPOCH)) // timedelta(milliseconds=1)  # noqa: DTZ001 - in UTC, all of it
    except ValueError:
        return None
    fraction = found["fraction"]
    wall_ms = minute_ms + second * 1000 + int((fraction or "")[:3].ljust(3, "0"))
    if not (found["utc"] or found["sign"]):
        return Written(wall_ms, None, fraction is None)
    offset = hours * 3600 + minutes * 60
    return Written(wall_ms, -offset if found["sign"] == "-" else offset, fraction is None)


def utc(timestamp_ms: int) -> str:
    """Return a time in RFC 3339 in UTC, to the millisecond; after the year 9999, the end of that year."""
    return reading(min(timestamp_ms, _LAST_MS), "T") + "Z"


def reading(wall_ms: int, separator: str, timespec: str = "milliseconds") -> str:
    """Return the reading of a clock, without its offset; the reverse of `Written.wall_ms`. Raises OverflowError outside
    of the years 1 to 9999."""
    from datetime import datetime, timedelta

    return (datetime(*_EPOCH) + timedelta(milliseconds=wall_ms)).isoformat(separator, timespec)  # noqa: DTZ001 - in UTC
