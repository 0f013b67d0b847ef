from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.shared.times import Written, read, utc

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # of the years 1 and 9999


@pytest.mark.parametrize(
    ("text", "start_ms", "end_ms"),
    [
        ("1970-01-01T00:00:00Z", 0, 999),
        ("1970-01-01t00:00:00.0z", 0, 0),
        ("1970-01-01T00:00:00.5Z", 500, 500),
        ("1970-01-01T00:00:00.123999999Z", 123, 123),
        ("1970-01-01 09:00:00+09:00", 0, 999),
        ("1970-01-01 09:00:00 +0900", 0, 999),
        ("1970-01-01 09+09", None, None),
        ("1969-12-31T14:30:00-09:30", 0, 999),
        ("1970-01-01 00:01Z", 60_000, 60_999),
        ("1969-12-31T23:59:59.999Z", -1, -1),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000, 1_483_228_800_999),
        ("2016-12-31T23:59:61Z", None, None),
        ("1970-01-01T24:00:00Z", None, None),
        ("1970-02-29T00:00:00Z", None, None),
        ("1970-01-01T00:00:00+24:00", None, None),
        ("1970-01-01T00:00:00+09:60", None, None),
        ("1970-01-01T00:00:00.Z", None, None),
        ("19700101T000000Z", None, None),
        ("1970-01-01T00:00:00Z ", None, None),
        ("1970-01-01T00:00:00Z\n", None, None),
        ("١٩٧٠-01-01T00:00:00Z", None, None),
        ("41", None, None),
        ("", None, None),
    ],
)
def test_what_a_text_means(text: str, start_ms: int | None, end_ms: int | None) -> None:
    written = read(text)
    assert (written and (written.start_ms, written.end_ms)) == (None if start_ms is None else (start_ms, end_ms))


@pytest.mark.parametrize("text", ["2026-11-26", "2026-11-26 00:00", "2026-11-26T00:00:00"])
def test_a_text_without_an_offset_says_so(text: str) -> None:
    assert read(text) == Written(1_795_651_200_000, None, True)


@given(st.integers(FIRST_MS, LAST_MS))
@example(FIRST_MS)
@example(LAST_MS)
@example(-1)
@example(2**31 * 1000)
def test_what_is_printed_is_read_as_it_was(timestamp_ms: int) -> None:
    text = utc(timestamp_ms)
    assert len(text) == len("2026-11-26T20:04:12.345Z")
    assert read(text) == Written(timestamp_ms, 0, False)


@given(
    st.datetimes(),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.sampled_from(["T", " "]),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_it_agrees_with_python(naive: datetime, minutes: int, separator: str, timespec: str) -> None:
    text = naive.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat(separator, timespec)
    written = read(text)
    assert written is not None
    meant = naive.replace(tzinfo=timezone.utc) - EPOCH - timedelta(minutes=minutes)
    exact_ms = meant // timedelta(milliseconds=1)
    assert written.end_ms == (exact_ms if timespec != "seconds" else exact_ms // 1000 * 1000 + 999)


@pytest.mark.parametrize("timestamp_ms", [LAST_MS + 1, 2**63, 2**64 - 1])
def test_what_no_calendar_can_say_is_the_end_of_it(timestamp_ms: int) -> None:
    assert utc(timestamp_ms) == "9999-12-31T23:59:59.999Z"
