"""The links of the simulated hosts, in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.simulator.latency import Latency, Link

RATE = 90e6
moves = st.lists(st.tuples(st.floats(0, 2), st.integers(0, 50_000_000)), min_size=1, max_size=20).map(sorted)


@given(moves)
def test_a_link_never_moves_more_than_its_rate(moves: list[tuple[float, int]]) -> None:
    link = Link(RATE)
    ends = [link.move(size, now) for now, size in moves]
    for first, (began, _) in enumerate(moves):
        sizes = sum(size for _, size in moves[first:])
        assert ends[-1] >= began + sizes / RATE - 1e-6


@given(moves)
def test_a_link_is_never_idle_while_there_is_something_to_move(moves: list[tuple[float, int]]) -> None:
    link, free_at = Link(RATE), 0.0
    for now, size in moves:
        free_at = max(free_at, now) + size / RATE
        assert link.move(size, now) == pytest.approx(free_at)


def test_without_a_limit_nothing_takes_time() -> None:
    assert Link(0).move(10**12, 3.0) == 3.0


def test_each_class_of_requests_has_its_latency() -> None:
    verbs = ("GET", "HEAD", "PUT", "LIST", "DELETE", "EC2")
    assert [Latency().seconds(verb) for verb in verbs] == [0.015, 0.015, 0.03, 0.03, 0.03, 0.25]
