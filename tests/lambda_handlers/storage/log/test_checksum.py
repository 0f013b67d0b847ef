"""What becomes of a CRC when the beginning of what it is of is exchanged, against computing it anew."""

from __future__ import annotations

from fastcrc import crc64
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log.checksum import moved_up


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=3000))
def test_the_difference_moves_up_with_what_follows(one, other, rest):
    other = other[: len(one)].ljust(len(one), b"\0")
    difference = moved_up(crc64.go_iso(one) ^ crc64.go_iso(other), len(rest))
    assert crc64.go_iso(one + rest) == crc64.go_iso(other + rest) ^ difference


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_moving_up_twice_is_moving_up_by_both(difference, first, second):
    assert moved_up(moved_up(difference, first), second) == moved_up(difference, first + second)
