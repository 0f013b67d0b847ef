"""Numbers as LEB128, many at once: the bytes of the encoder that takes them one by one."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.storage.log.ltx_index import append_uvarint
from lambda_handlers.storage.log.uvarints import MAX_NUMBER, uvarints

near_a_step = st.builds(lambda bits, more: max(1, (1 << bits) + more), st.integers(0, 41), st.integers(-2, 2))


@given(st.lists(near_a_step | st.integers(1, MAX_NUMBER), max_size=40))
@example([MAX_NUMBER, 1, 127, 128, MAX_NUMBER])
def test_the_bytes_are_those_of_each_number(numbers: list[int]) -> None:
    expected = bytearray()
    for number in numbers:
        append_uvarint(expected, number)
    assert uvarints(numbers) == expected
