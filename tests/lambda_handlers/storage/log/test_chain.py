"""Chains, checked against a model that applies sets of transactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.chain import Plan, plan
from lambda_handlers.storage.log.keys import LtxName


def level0(*txids: int) -> list[LtxName]:
    return [LtxName(0, txid, txid) for txid in txids]


@st.composite
def names(draw: st.DrawFn) -> LtxName:
    low = draw(st.integers(1, 12))
    kind = draw(st.integers(0, 9))
    if kind < 4:
        return LtxName(0, low, low)
    if kind == 9:
        return LtxName(9, 1, low)
    return LtxName(kind, low, draw(st.integers(low, 14)))


def reachable(files: Iterable[LtxName], start: int, upto: int | None) -> set[int]:
    """Every txid that some order of files leads to: the slow way, which tries all of them."""
    usable = [name for name in files if upto is None or name.max_txid <= upto]
    reached, new = {start}, {start}
    while new:
        new = {n.max_txid for at in new for n in usable if n.min_txid <= at + 1 <= n.max_txid} - reached
        reached |= new
    return reached


def states(files: Iterable[LtxName], start: int) -> Iterator[int]:
    """The txids on the way, where each file must extend what is there."""
    at = start
    for name in files:
        assert name.min_txid <= at + 1 <= name.max_txid, f"{name} does not extend {at}"
        at = name.max_txid
        yield at


def test_nothing_leads_nowhere() -> None:
    assert plan([]) == Plan((), 0, 0)


def test_transactions_apply_in_order_whatever_the_order_of_the_list() -> None:
    assert plan(level0(3, 1, 2)) == Plan(tuple(level0(1, 2, 3)), 3, 3)


def test_the_newest_snapshot_and_what_follows_it() -> None:
    old, new = LtxName(9, 1, 40), LtxName(9, 1, 100)

    assert plan([old, new, *level0(*range(90, 104))]) == Plan((new, *level0(101, 102, 103)), 103, 103)


def test_the_longest_reach_comes_first() -> None:
    snapshot, run, longer = LtxName(9, 1, 100), LtxName(1, 101, 110), LtxName(2, 101, 150)

    assert plan([snapshot, run, longer, *level0(*range(101, 153))]).files == (snapshot, longer, *level0(151, 152))


def test_an_overlap_does_no_harm() -> None:
    files = [LtxName(9, 1, 10), LtxName(1, 5, 20), LtxName(1, 15, 30)]

    assert plan(files) == Plan(tuple(files), 30, 30)


def test_of_equal_reach_the_most_compacted() -> None:
    assert plan([LtxName(1, 1, 5), LtxName(3, 1, 5), LtxName(2, 1, 5)]).files == (LtxName(3, 1, 5),)
    assert plan([*level0(1), LtxName(1, 1, 1), LtxName(9, 1, 1)]).files == (LtxName(9, 1, 1),)


def test_a_gap_ends_the_chain_and_shows() -> None:
    assert plan(level0(1, 2, 4, 5)) == Plan(tuple(level0(1, 2)), 2, 5)
    assert plan(level0(2, 3)) == Plan((), 0, 3)


def test_a_moment_in_the_past() -> None:
    files = [LtxName(9, 1, 10), LtxName(1, 11, 20), *level0(*range(1, 26))]

    assert plan(files, upto=15) == Plan((LtxName(9, 1, 10), *level0(*range(11, 16))), 15, 25)
    assert plan(files, upto=20) == Plan((LtxName(9, 1, 10), LtxName(1, 11, 20)), 20, 25)
    assert plan(files, upto=7) == Plan(tuple(level0(*range(1, 8))), 7, 25)


def test_a_moment_that_was_compacted_away_is_not_reached() -> None:
    assert plan([LtxName(9, 1, 10), *level0(11)], upto=7) == Plan((), 0, 11)


def test_a_warm_reader_goes_on_from_where_it_is() -> None:
    files = [LtxName(9, 1, 10), *level0(*range(8, 15))]

    assert plan(files, start=12) == Plan(tuple(level0(13, 14)), 14, 14)
    assert plan(files, start=14) == Plan((), 14, 14)


def test_a_warm_reader_whose_next_transaction_was_compacted() -> None:
    run = LtxName(1, 5, 20)

    assert plan([LtxName(9, 1, 4), run, *level0(21)], start=12) == Plan((run, *level0(21)), 21, 21)


@given(st.lists(names(), max_size=25), st.integers(0, 6), st.none() | st.integers(0, 14))
def test_it_reaches_what_can_be_reached(files: list[LtxName], start: int, upto: int | None) -> None:
    if upto is not None and upto < start:
        upto = start
    planned = plan(files, start, upto)

    assert set(planned.files) <= set(files)
    assert [start, *states(planned.files, start)][-1] == planned.reach
    assert planned.reach == max(reachable(files, start, upto))
    assert planned.newest == max((name.max_txid for name in files), default=0)


@given(st.lists(names(), max_size=25))
def test_the_order_of_the_list_does_not_matter(files: list[LtxName]) -> None:
    assert plan(files) == plan(reversed(files)) == plan(set(files))


@given(st.lists(names(), max_size=25))
def test_no_file_is_read_for_nothing(files: list[LtxName]) -> None:
    """Without any one of them the rest does not lead there, and nothing leads there in fewer steps."""
    planned = plan(files)
    distance, frontier, steps = {0: 0}, {0}, 0
    while frontier:
        steps += 1
        frontier = {n.max_txid for at in frontier for n in files if n.min_txid <= at + 1 <= n.max_txid} - set(distance)
        distance.update(dict.fromkeys(frontier, steps))

    assert len(planned.files) == distance[planned.reach]


def test_ten_thousand_transactions_are_each_looked_at_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows with the number of files, not with its square."""
    compared = 0
    really_max = max

    def counting_max(*values: object, **options: object) -> object:
        nonlocal compared
        compared += 1
        return really_max(*values, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(chain, "max", counting_max, raising=False)
    planned = plan(level0(*range(1, 10_001)))

    assert (len(planned.files), planned.reach) == (10_000, 10_000)
    assert compared <= 10_000 + 1


@given(st.lists(names(), max_size=12))
def test_what_can_be_read_is_what_a_chain_leads_to(files: list[LtxName]) -> None:
    ends = {name.max_txid for name in files}
    assert chain.readable(files) == {txid for txid in ends if plan(files, 0, txid).reach == txid}
