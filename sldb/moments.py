"""The moments that users write and read: the syntax shared by --at, .at, --since and --expires, and printed times.
Pure.

    41                                          a transaction
    2026-11-26T20:04:12.345+09:00, …Z           RFC 3339
    2026-11-26 20:04, 2026-11-26                a time on the local clock, of that second or the day's first
    10m, 2h ago, 1h30m, 90 seconds, 7d, 2w      so long ago; a day has 24 hours
    yesterday                                   yesterday, at the present time of the local clock
    now

The form for the server is exact: a txid, or a time in UTC (`wire_form`). A time to the second means the end of that
second for a state (--at), and its start for the beginning of a span (--since). So a time printed by another program
without a fraction finds its transaction. A reading of the local clock is refused if a change of the clock repeated or
skipped it.

Printed times are local, with their offset. Times of transactions have milliseconds: used as input, they find the
transaction. The server's half, and the syntax of times, is `lambda_handlers.shared.times`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from lambda_handlers.shared import times
from lambda_handlers.wire import MAX_TXID_DIGITS, SldbError

WANTED = "a txid (41), a time (2026-11-26 20:04 or 2026-11-26T20:04:12Z), 10m, 2h ago, yesterday or now"
AHEAD_MS = 60_000  # two clocks may differ by this much
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}
_PART = re.compile(r"(\d{1,15})\s*([a-z]+)\s*", re.ASCII)
_AGO = re.compile(rf"(?P<parts>(?:{_PART.pattern})+?)(?:ago)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)  # a text that begins like this
_DAY_MS = 86_400_000
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # of the years 1 and 9999


def _local_offset(at_seconds: int) -> int:
    try:
        return time.localtime(at_seconds).tm_gmtoff
    except (OSError, OverflowError, ValueError):  # a year that the system cannot convert
        return 0


@dataclass(frozen=True, slots=True)
class Clock:
    """The local clock and its offsets from UTC."""

    now: Callable[[], float] = time.time  # unix seconds
    offset: Callable[[int], int] = _local_offset  # seconds east of UTC, at a unix second

    @property
    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def moments(self, wall_ms: int) -> list[int]:
        """Return all unix milliseconds with this reading of the clock: usually one, none or two around a change."""
        around = range(-2 * _DAY_MS, 2 * _DAY_MS + 1, _DAY_MS // 4)
        offsets = {self.offset((wall_ms + distance) // 1000) for distance in around}
        candidates = {wall_ms - offset * 1000 for offset in offsets}
        return sorted(each for each in candidates if self.wall_ms(each) == wall_ms)

    def wall_ms(self, at_ms: int) -> int:
        """Return the reading of the clock at a unix millisecond, as if the reading were in UTC."""
        return at_ms + self.offset(at_ms // 1000) * 1000


LOCAL = Clock()


@dataclass(frozen=True, slots=True)
class Moment:
    """The span of a text: from `start_ms` to `end_ms` (unix milliseconds), both included."""

    start_ms: int
    end_ms: int


def wire_form(text: str, option: str = "--at", clock: Clock = LOCAL) -> int | str | None:
    """Return a moment in its form of the wire: a txid, or a time in UTC; None for now. Raises `bad_request`."""
    if _is_now(text):
        return None
    found = parse(text, option, clock)
    return found if isinstance(found, int) else times.utc(found.end_ms)


def looks_like_moment(text: str) -> bool:
    """Return True if a text has the syntax of a moment, valid or not."""
    plain = _plain(text)
    return plain in ("now", "yesterday") or bool(_DATE.match(plain)) or _is_txid(plain) or _ago_ms(plain) is not None


def parse(text: str, option: str, clock: Clock = LOCAL) -> int | Moment:
    """Return the txid or the moment of a text. Raises `bad_request`, with the option's name first."""
    plain = _plain(text)
    if _is_txid(plain):
        return int(plain)
    if _is_now(plain):
        return Moment(clock.now_ms, clock.now_ms)
    if plain == "yesterday":
        start_ms = _on_the_wall(clock.wall_ms(clock.now_ms) - _DAY_MS, text, option, clock)
        return Moment(start_ms, start_ms)
    ago_ms = _ago_ms(plain)
    if ago_ms is not None:
        return _known(clock.now_ms - ago_ms, 0, text, option)
    written = times.read(plain.upper())
    if written is None:
        _refuse(option, text, f"want {WANTED}")
    rest_ms = written.end_ms - written.start_ms
    if written.offset_seconds is not None:
        return _known(written.start_ms, rest_ms, text, option)
    return _known(_on_the_wall(written.wall_ms, text, option, clock), rest_ms, text, option)


def since_ms(text: str, option: str = "--since", clock: Clock = LOCAL) -> int | None:
    """Return the unix millisecond of --since; None for a txid: its time is in the database.

    Raises `bad_request`, for a moment in the future too.
    """
    found = parse(text, option, clock)
    if isinstance(found, int):
        return None
    if found.start_ms > clock.now_ms:
        _refuse(option, text, f"that is in the future: it is {shown(clock.now_ms, clock)}")
    return found.start_ms


def shown(at_ms: int, clock: Clock = LOCAL, *, to_the_second: bool = False) -> str:
    """Return a time on the local clock with its offset: 2026-11-26 20:04:12.345+09:00."""
    timespec = "seconds" if to_the_second else "milliseconds"
    minutes, seconds = divmod(clock.offset(at_ms // 1000), 60)
    if seconds:  # from the time before time zones: RFC 3339 cannot express it
        return times.reading(at_ms, " ", timespec) + "Z"
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    try:
        return times.reading(at_ms + minutes * 60_000, " ", timespec) + zone
    except OverflowError:  # the first and the last possible day
        return times.reading(at_ms, " ", timespec) + "Z"


def local(text: str, clock: Clock = LOCAL) -> str:
    """Return a time of the wire (RFC 3339 with its zone) in the form of `shown`."""
    return shown(of_wire(text), clock)


def now(clock: Clock = LOCAL) -> str:
    """Return the time on the local clock, to the second."""
    return shown(clock.now_ms, clock, to_the_second=True)


def is_ahead(text: str, clock: Clock = LOCAL) -> bool:
    """Return True if a time of the wire is later than now: a clock was wrong then, or is now."""
    return of_wire(text) > clock.now_ms + AHEAD_MS


def of_wire(text: str) -> int:
    written = times.read(text)
    assert written is not None, f"{text!r} is not a time"
    return written.start_ms


def until_ms(text: str, option: str = "--expires", clock: Clock = LOCAL) -> int | None:
    """Return the unix millisecond of a moment to come: so long from now, or a time; None for never. Raises
    `bad_request`, for a moment in the past too."""
    plain = _plain(text)
    if plain == "never":
        return None
    ahead_ms = _ago_ms(plain) if not plain.endswith("ago") else None
    if ahead_ms is not None:
        found = _known(clock.now_ms + ahead_ms, 0, text, option)
    elif _DATE.match(plain):
        moment = parse(text, option, clock)
        assert isinstance(moment, Moment)
        found = moment
    else:
        _refuse(option, text, "want 30d, 12h, 2w, a time (2027-01-31, 2027-01-31T20:04:00Z) or never")
    if found.start_ms <= clock.now_ms:
        _refuse(option, text, f"that is not in the future: it is {shown(clock.now_ms, clock)}")
    return found.start_ms


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _is_now(text: str) -> bool:
    return _plain(text) == "now"


def _is_txid(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_TXID_DIGITS


def _ago_ms(text: str) -> int | None:
    """Return the milliseconds of a span of time; None for another text."""
    whole = _AGO.fullmatch(text)
    if whole is None:
        return None
    parts = _PART.findall(whole["parts"])
    if not all(unit in _UNITS for _, unit in parts):
        return None
    return sum(int(number) * _UNIT_MS[_UNITS[unit]] for number, unit in parts)


def _known(start_ms: int, rest_ms: int, text: str, option: str) -> Moment:
    if not _FIRST_MS <= start_ms <= _LAST_MS - rest_ms:
        _refuse(option, text, "want a time in the years 1 to 9999")
    return Moment(start_ms, start_ms + rest_ms)


def _on_the_wall(wall_ms: int, text: str, option: str, clock: Clock) -> int:
    """Return the unix millisecond of a clock reading. Raises `bad_request` for a repeated or skipped one."""
    found = clock.moments(wall_ms)
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(shown(each, clock, to_the_second=wall_ms % 1000 == 0) for each in found)
        _refuse(option, text, f"the clock was set back, so this time occurred twice: {both}; give one with its offset")
    before, after = _around_the_gap(wall_ms, clock)
    return _refuse(option, text, f"the clock was set forward and skipped this time: {before} was followed by {after}")


def _around_the_gap(wall_ms: int, clock: Clock) -> tuple[str, str]:
    """Return the last second before a skipped reading, and the first one after it."""
    low, high = (wall_ms - 2 * _DAY_MS) // 1000, (wall_ms + 2 * _DAY_MS) // 1000
    while high - low > 1:
        middle = (low + high) // 2
        if clock.wall_ms(middle * 1000) < wall_ms:
            low = middle
        else:
            high = middle
    before, after = (shown(at * 1000, clock, to_the_second=True) for at in (low, high))
    return before, after


def _refuse(option: str, text: str, why: str) -> NoReturn:
    seen = repr(text)
    raise SldbError("bad_request", f"{option}: got {seen if len(seen) <= 80 else seen[:77] + '...'}: {why}")
