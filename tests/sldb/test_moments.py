from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lambda_handlers.shared import times
from lambda_handlers.wire import SldbError
from sldb.moments import (
    Clock,
    Moment,
    is_ahead,
    local,
    looks_like_moment,
    now,
    parse,
    shown,
    since_ms,
    until_ms,
    wire_form,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NOW = 1_795_690_000.25  # 2026-11-26T10:46:40.250Z
# Whole and half hours, three quarters, a change of half an hour, of a day, and offsets of seconds long ago.
ZONES = (
    *("UTC", "Asia/Tokyo", "Asia/Kathmandu", "America/New_York", "America/St_Johns", "Australia/Lord_Howe"),
    *("Pacific/Apia", "Africa/Casablanca", "Africa/Monrovia", "Europe/Amsterdam", "Pacific/Marquesas", "Etc/GMT+12"),
)
FIRST_MS, LAST_MS = -62_135_596_800_000 + 86_400_000, 253_402_300_799_999 - 86_400_000


def clock_of(zone: str, at: float = NOW) -> Clock:
    info = ZoneInfo(zone)

    def offset(at_seconds: int) -> int:
        at_seconds = min(max(at_seconds, FIRST_MS // 1000), LAST_MS // 1000)  # Python has no other years
        found = (EPOCH + timedelta(seconds=at_seconds)).astimezone(info).utcoffset()
        assert found is not None
        return int(found.total_seconds())

    return Clock(lambda: at, offset)


def refused(text: str, clock: Clock) -> str:
    with pytest.raises(SldbError) as caught:
        wire_form(text, clock=clock)
    assert (caught.value.code, caught.value.exit_code) == ("bad_request", 2)
    assert caught.value.message.startswith("--at: got ")
    return caught.value.message


# What a text means


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", 0),
        ("41", 41),
        (" 41 ", 41),
        ("18446744073709551615", 2**64 - 1),
        ("2026-11-26T20:04:12.345+09:00", "2026-11-26T11:04:12.345Z"),
        ("2026-11-26T11:04:12Z", "2026-11-26T11:04:12.999Z"),
        ("2026-11-26t11:04:12z", "2026-11-26T11:04:12.999Z"),
        ("2026-11-26 11:04:12 UTC", "2026-11-26T11:04:12.999Z"),
        ("2026-11-26 20:04:12.345+09:00", "2026-11-26T11:04:12.345Z"),
        ("2026-11-26 20:04:12 +0900", "2026-11-26T11:04:12.999Z"),
        ("2026-11-26 20:04+09", "2026-11-26T11:04:00.999Z"),
        ("2026-11-26 20:04", "2026-11-26T11:04:00.999Z"),
        ("2026-11-26   20:04:12", "2026-11-26T11:04:12.999Z"),
        ("2026-11-26T20:04:12.5", "2026-11-26T11:04:12.500Z"),
        ("2026-11-26", "2026-11-25T15:00:00.999Z"),
        ("10m", "2026-11-26T10:36:40.250Z"),
        ("10 m", "2026-11-26T10:36:40.250Z"),
        ("10 minutes ago", "2026-11-26T10:36:40.250Z"),
        ("2h ago", "2026-11-26T08:46:40.250Z"),
        ("2H AGO", "2026-11-26T08:46:40.250Z"),
        ("1h30m", "2026-11-26T09:16:40.250Z"),
        ("1 hour 30 min ago", "2026-11-26T09:16:40.250Z"),
        ("90s", "2026-11-26T10:45:10.250Z"),
        ("7d", "2026-11-19T10:46:40.250Z"),
        ("2w", "2026-11-12T10:46:40.250Z"),
        ("yesterday", "2026-11-25T10:46:40.250Z"),
        ("Yesterday", "2026-11-25T10:46:40.250Z"),
        ("now", None),
    ],
)
def test_the_language(text: str, meant: int | str | None) -> None:
    assert wire_form(text, clock=clock_of("Asia/Tokyo")) == meant
    assert looks_like_moment(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "-1", "+1", "4.5", "1" * 21, "٤١", "tomorrow", "ago", "10x", "m", "1h ago ago", "in 2h", "20:04",
     "2026-11", "2026-13-01", "2026-02-29", "2026-11-26 24:00", "2026-11-26 20:60", "2026-11-26 20:04:61",
     "2026-11-26 20:04 JST", "2026-11-26T20:04:12+9", "26.11.2026", "999999999999999d", "main", "41\x00"],
)  # fmt: skip
def test_what_is_no_moment(text: str) -> None:
    refused(text, clock_of("Asia/Tokyo"))


def test_a_refusal_says_what_could_be_written() -> None:
    message = refused("soon", clock_of("UTC"))
    assert message == (
        "--at: got 'soon': want a txid (41), a time (2026-11-26 20:04 or 2026-11-26T20:04:12Z), 10m, 2h ago, "
        "yesterday or now"
    )


# Clock changes


@pytest.mark.parametrize(
    ("zone", "text", "both"),
    [
        ("America/New_York", "2026-11-01 01:30", ("2026-11-01 01:30:00-04:00", "2026-11-01 01:30:00-05:00")),
        ("America/New_York", "2026-11-01 01:59:59.999", ("01:59:59.999-04:00", "01:59:59.999-05:00")),
        ("Australia/Lord_Howe", "2026-04-05 01:45", ("2026-04-05 01:45:00+11:00", "2026-04-05 01:45:00+10:30")),
        ("Europe/Berlin", "2045-10-29 02:30", ("2045-10-29 02:30:00+02:00", "2045-10-29 02:30:00+01:00")),
        ("Europe/Berlin", "1945-11-18 02:30", ("1945-11-18 02:30:00+02:00", "1945-11-18 02:30:00+01:00")),
    ],
)
def test_a_reading_that_came_twice_is_refused_with_both(zone: str, text: str, both: tuple[str, str]) -> None:
    message = refused(text, clock_of(zone))
    assert "twice" in message
    assert all(each in message for each in both)


@pytest.mark.parametrize(
    ("zone", "text", "around"),
    [
        ("America/New_York", "2026-03-08 02:30", ("2026-03-08 01:59:59-05:00", "2026-03-08 03:00:00-04:00")),
        ("America/New_York", "2026-03-08 02:00", ("2026-03-08 01:59:59-05:00", "2026-03-08 03:00:00-04:00")),
        ("Australia/Lord_Howe", "2026-10-04 02:15", ("2026-10-04 01:59:59+10:30", "2026-10-04 02:30:00+11:00")),
        ("Pacific/Apia", "2011-12-30 12:00", ("2011-12-29 23:59:59-10:00", "2011-12-31 00:00:00+14:00")),
    ],
)
def test_a_reading_that_was_left_out_is_refused_with_what_is_around_it(
    zone: str, text: str, around: tuple[str, str]
) -> None:
    message = refused(text, clock_of(zone))
    assert "skipped" in message
    assert all(each in message for each in around)


@pytest.mark.parametrize(
    ("zone", "at", "meant"),
    [
        # 25 hours, 23 hours, and 24 and a half.
        ("America/New_York", "2026-11-01T17:00:00Z", "2026-10-31T16:00:00.000Z"),
        ("America/New_York", "2026-03-08T16:00:00Z", "2026-03-07T17:00:00.000Z"),
        ("Australia/Lord_Howe", "2026-04-05T01:30:00Z", "2026-04-04T01:00:00.000Z"),
        ("Asia/Tokyo", "2026-03-08T16:00:00Z", "2026-03-07T16:00:00.000Z"),
    ],
)
def test_yesterday_is_the_same_time_of_day(zone: str, at: str, meant: str) -> None:
    written = times.read(at)
    assert written is not None
    clock = clock_of(zone, written.start_ms / 1000)
    assert wire_form("yesterday", clock=clock) == meant
    assert shown(clock.now_ms, clock)[11:16] == local(meant, clock)[11:16]


def test_yesterday_may_not_have_had_that_time_or_twice() -> None:
    skipped = clock_of("America/New_York", datetime(2026, 3, 9, 6, 30, tzinfo=timezone.utc).timestamp())
    assert "skipped" in refused("yesterday", skipped)
    twice = clock_of("America/New_York", datetime(2026, 11, 2, 6, 30, tzinfo=timezone.utc).timestamp())
    assert "2026-11-01 01:30:00-04:00 and 2026-11-01 01:30:00-05:00" in refused("yesterday", twice)


def test_a_day_is_24_hours() -> None:
    clock = clock_of("America/New_York", datetime(2026, 11, 1, 17, tzinfo=timezone.utc).timestamp())
    assert wire_form("1d", clock=clock) == "2026-10-31T17:00:00.000Z"


# Properties


@given(st.sampled_from(ZONES), st.integers(FIRST_MS, LAST_MS))
@example("Asia/Kathmandu", 2**31 * 1000)
@example("Africa/Monrovia", -1)
@example("America/New_York", 1_793_511_000_000)
@example("Europe/Amsterdam", -1_500_000_000_000)
def test_a_printed_time_finds_its_millisecond(zone: str, at_ms: int) -> None:
    clock = clock_of(zone)
    text = shown(at_ms, clock)
    assert parse(text, "--at", clock) == Moment(at_ms, at_ms)
    # Anybody's clock will do.
    assert parse(text, "--at", clock_of("Pacific/Apia")) == Moment(at_ms, at_ms)
    assert local(times.utc(at_ms), clock) == text


@given(st.sampled_from(ZONES), st.integers(FIRST_MS // 1000, LAST_MS // 1000))
def test_a_time_to_the_second_means_all_of_it(zone: str, at_seconds: int) -> None:
    clock = clock_of(zone)
    found = parse(shown(at_seconds * 1000 + 345, clock, to_the_second=True), "--at", clock)
    assert found == Moment(at_seconds * 1000, at_seconds * 1000 + 999)


@given(st.sampled_from(ZONES), st.integers(FIRST_MS, LAST_MS), st.integers(1, 10**10))
def test_two_times_are_printed_apart(zone: str, at_ms: int, later_ms: int) -> None:
    assume(at_ms + later_ms <= LAST_MS)
    assert shown(at_ms, clock_of(zone)) != shown(at_ms + later_ms, clock_of(zone))


@given(st.sampled_from(ZONES), st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)))  # noqa: DTZ001 - a reading
@example("America/New_York", datetime(2026, 11, 1, 1, 30))  # noqa: DTZ001
@example("America/New_York", datetime(2026, 3, 8, 2, 30))  # noqa: DTZ001
@example("Pacific/Apia", datetime(2011, 12, 30, 12))  # noqa: DTZ001
@example("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 45))  # noqa: DTZ001
def test_a_reading_means_what_zoneinfo_says(zone: str, naive: datetime) -> None:
    """Of both folds: one moment, or two, or none that reads so."""
    naive = naive.replace(microsecond=naive.microsecond // 1000 * 1000)
    both = {naive.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(timezone.utc) for fold in (0, 1)}
    real = {each for each in both if each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == naive}
    text, clock = naive.isoformat(" ", "milliseconds"), clock_of(zone)
    if len(real) == 1:
        meant_ms = (real.pop() - EPOCH) // timedelta(milliseconds=1)
        assert parse(text, "--at", clock) == Moment(meant_ms, meant_ms)
    else:
        assert ("twice" if real else "skipped") in refused(text, clock)


@given(st.text(max_size=40))
@example("9" * 20 + "d")
@example("0001-01-01 00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
@example("9999-12-31T23:59:60Z")
@example("0001-01-01")
def test_any_text_means_something_or_is_refused(text: str) -> None:
    for zone in ("Asia/Tokyo", "Pacific/Marquesas"):
        try:
            meant = wire_form(text, clock=clock_of(zone))
        except SldbError as error:
            assert error.code == "bad_request"  # noqa: PT017 - of any text
        else:
            assert meant is None or isinstance(meant, int) or times.read(meant) is not None


# --since, and what is said


def test_since_begins_where_at_ends() -> None:
    clock = clock_of("Asia/Tokyo")
    assert since_ms("2026-11-26 19:00", clock=clock) == 1_795_687_200_000
    assert since_ms("10m", clock=clock) == int(NOW * 1000) - 600_000
    assert since_ms("41", clock=clock) is None
    with pytest.raises(SldbError, match=r"--since: .* in the future: it is 2026-11-26 19:46:40\.250"):
        since_ms("2026-11-27", clock=clock)


def test_ahead_is_more_than_a_minute() -> None:
    clock = clock_of("UTC")
    assert not is_ahead("2026-11-26T10:47:40.250Z", clock)
    assert is_ahead("2026-11-26T10:47:40.251Z", clock)


def test_times_are_printed_with_their_offset() -> None:
    at = "2026-11-26T11:04:12.345Z"
    assert local(at, clock_of("Asia/Tokyo")) == "2026-11-26 20:04:12.345+09:00"
    assert local(at, clock_of("UTC")) == "2026-11-26 11:04:12.345+00:00"
    assert local(at, clock_of("Asia/Kathmandu")) == "2026-11-26 16:49:12.345+05:45"
    assert local(at, clock_of("Pacific/Marquesas")) == "2026-11-26 01:34:12.345-09:30"
    assert local("1960-01-01T00:00:00.000Z", clock_of("Africa/Monrovia")) == "1960-01-01 00:00:00.000Z"
    assert now(clock_of("Asia/Tokyo")) == "2026-11-26 19:46:40+09:00"


@pytest.mark.parametrize(
    ("zone", "printed"),
    [("Asia/Tokyo", "2026-11-26 20:04:12.345+09:00"), ("America/New_York", "2026-11-26 06:04:12.345-05:00")],
)
def test_the_zone_is_that_of_the_machine(zone: str, printed: str) -> None:
    program = (
        "from sldb.moments import local, wire_form\n"
        "print(local('2026-11-26T11:04:12.345Z'), wire_form('2026-11-26 12:00:00.0'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
    )
    noon = {"Asia/Tokyo": "2026-11-26T03:00:00.000Z", "America/New_York": "2026-11-26T17:00:00.000Z"}[zone]
    assert ran.stdout == f"{printed} {noon}\n"


@pytest.mark.parametrize(
    ("text", "ahead_ms"),
    [
        ("30d", 30 * 86_400_000),
        ("12h", 12 * 3_600_000),
        ("1h30m", 5_400_000),
        ("2 weeks", 14 * 86_400_000),
        ("2026-11-26T10:46:41Z", 750),
        ("2026-11-26T20:46:41+09:00", 3_600_750),
    ],
)
def test_a_moment_to_come(text: str, ahead_ms: int) -> None:
    clock = clock_of("Asia/Tokyo")
    assert until_ms(text, clock=clock) == clock.now_ms + ahead_ms


def test_a_date_to_come_is_the_first_moment_of_that_day_here() -> None:
    clock = clock_of("Asia/Tokyo")
    found = until_ms("2027-01-31", clock=clock)
    assert found is not None
    assert shown(found, clock, to_the_second=True) == "2027-01-31 00:00:00+09:00"


def test_never() -> None:
    assert until_ms("never") is until_ms(" Never ") is None


@pytest.mark.parametrize(
    "text",
    ["", "30", "1d ago", "yesterday", "now", "0d", "2026-11-26", "2020-01-01", "forever", "-1d", "9999999w", "1x"],
)
def test_what_is_no_moment_to_come(text: str) -> None:
    with pytest.raises(SldbError, match="--expires: got") as caught:
        until_ms(text, clock=clock_of("UTC"))
    assert caught.value.code == "bad_request"
