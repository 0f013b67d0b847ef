"""The line of each row, whatever lies between the rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sldb.transfer.loaded_stream import Lines


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50))
def test_each_row_has_its_line(steps: list[int]) -> None:
    lines, noted = [sum(steps[: end + 1]) for end in range(len(steps))], Lines()
    for line in lines:
        noted.add(line)
    assert [noted.line(row) for row in range(1, len(lines) + 1)] == lines
