"""What retention may remove: properties over any set of files, by the rules of the chain."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import SNAPSHOT_LEVEL, LtxName, snapshot, transaction
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.retention import (
    FLOOR_SECONDS,
    needed_base,
    no_older_than_content,
    reasons,
    waits_for_snapshot,
)

DAY = 86_400
NOW = 1_800_000_000


@st.composite
def logs(draw: st.DrawFn) -> dict[LtxName, float]:
    """Transactions 1 to n that came one after the other, and compacted files, each made after its last transaction."""
    newest = draw(st.integers(1, 30))
    pauses = draw(st.lists(st.integers(0, DAY // 2), min_size=newest, max_size=newest))
    end = draw(st.integers(0, DAY))
    written, moment = dict[LtxName, float](), NOW - sum(pauses) - end
    at = []
    for txid, pause in enumerate(pauses, start=1):
        moment += pause
        at.append(moment)
        written[transaction(txid)] = moment
    for _ in range(draw(st.integers(0, 8))):
        high = draw(st.integers(1, newest))
        level = draw(st.sampled_from([1, 2, 9]))
        low = 1 if level == 9 else draw(st.integers(1, high))
        written[LtxName(level, low, high)] = draw(st.integers(at[high - 1], NOW))
    return written


@given(logs(), st.integers(0, 3 * DAY))
def test_what_is_promised_stays_readable(written: dict[LtxName, float], retention: int) -> None:
    """The newest state, and every transaction of the retention period."""
    gone = set(reasons(written, NOW, retention))
    left = written.keys() - gone
    newest = max(name.max_txid for name in written)
    assert chain.plan(left).reach == newest
    for name, moment in written.items():
        if name.level == 0 and moment > NOW - retention:
            assert chain.plan(left, 0, name.max_txid).reach == name.max_txid, name


@given(logs(), st.integers(0, 3 * DAY))
def test_nothing_young_goes(written: dict[LtxName, float], retention: int) -> None:
    for name in reasons(written, NOW, retention):
        assert written[name] <= NOW - FLOOR_SECONDS


@given(logs(), st.integers(0, 3 * DAY), st.integers(0, FLOOR_SECONDS // 2))
def test_whoever_looked_lately_finds_what_he_saw(written: dict[LtxName, float], retention: int, ago: int) -> None:
    """What could be read at a look less than half the floor ago has a way to the newest transaction of then, and from
    there on every later transaction is still at level 0 (rule 5)."""
    then = NOW - ago
    seen = [name for name, moment in written.items() if moment <= then]
    gone = set(reasons(written, NOW, retention))
    reach = chain.plan(seen).reach
    for txid in range(reach + 1, max(name.max_txid for name in written) + 1):
        assert transaction(txid) not in gone


@given(logs(), st.integers(0, 3 * DAY))
def test_it_is_done_when_it_has_been_done(written: dict[LtxName, float], retention: int) -> None:
    gone = set(reasons(written, NOW, retention))
    left = {name: moment for name, moment in written.items() if name not in gone}
    again = set(reasons(left, NOW, retention))
    assert chain.plan(left.keys() - again).reach == chain.plan(written).reach


@given(logs(), st.integers(0, 3 * DAY))
def test_a_snapshot_lets_go_of_what_waits_for_it(written: dict[LtxName, float], retention: int) -> None:
    newest = max(name.max_txid for name in written)
    if waits_for_snapshot(written, NOW, retention):
        later = NOW + max(retention, FLOOR_SECONDS) + 1
        assert reasons(written | {snapshot(newest): NOW}, later, retention)


@given(logs(), st.integers(0, 3 * DAY), st.integers(1, 12))
def test_between_close_snapshots_level_0_leads_on(written: dict[LtxName, float], retained: int, close: int) -> None:
    """Every transaction of the period stays readable, by so many files at most, or by those of before."""
    with patch.object(retention, "CLOSE_TXIDS", close):
        left = written.keys() - set(reasons(written, NOW, retained))
    for name, moment in written.items():
        if name.level == 0 and moment > NOW - retained:
            plan = chain.plan(left, 0, name.max_txid)
            assert plan.reach == name.max_txid
            assert len(plan.files) <= max(len(chain.plan(written, 0, name.max_txid).files), 1 + close)


def test_a_small_database_keeps_few_files_above_level_0() -> None:
    """A write a second, a snapshot with each minute's pass, a fold with each sixteenth write."""
    written = {transaction(txid): NOW - 50_000.0 + txid for txid in range(1, 20_001)}
    written |= {LtxName(1, txid - 15, txid): written[transaction(txid)] for txid in range(16, 20_001, 16)}
    written |= {snapshot(txid): written[transaction(txid)] for txid in range(60, 20_001, 60)}
    gone = reasons(written, NOW, 30 * DAY)
    left = {name for name in written if name.level} - gone.keys()
    folds = {name for name in left if name.level != SNAPSHOT_LEVEL}
    assert not [name for name in folds if 64 < name.max_txid <= 19_980]
    assert len(left) <= 20_000 / 64 + 5
    assert max(written[why] for why in gone.values()) == written[snapshot(19_980)]
    again = {name: at for name, at in written.items() if name not in gone}
    assert reasons(again, NOW, 30 * DAY) == {}


def test_far_snapshots_keep_what_is_between_them() -> None:
    written = {transaction(txid): NOW - DAY for txid in range(1, 300)}
    files = {snapshot(10), snapshot(139), LtxName(1, 17, 32), LtxName(2, 33, 120)}
    assert reasons(written | dict.fromkeys(files, NOW - DAY), NOW, 30 * DAY) == {}
    files |= {snapshot(60)}
    found = reasons(written | dict.fromkeys(files, NOW - DAY), NOW, 30 * DAY)
    assert found == {LtxName(1, 17, 32): snapshot(60), LtxName(2, 33, 120): snapshot(139)}


def test_the_base_that_is_needed_is_the_newest_before_the_period() -> None:
    written = {
        snapshot(10): NOW - 5 * DAY,
        snapshot(20): NOW - 3 * DAY,
        snapshot(30): NOW - 1 * DAY,
    }
    assert needed_base(written, NOW, 2 * DAY) == snapshot(20)
    assert needed_base(written, NOW, 9 * DAY) is None
    assert list(reasons(written, NOW, 2 * DAY)) == [snapshot(10)]


def test_the_newest_transaction_stays_although_a_snapshot_has_it() -> None:
    """Not needed to read, but txids must never restart: the snapshot holds the number."""
    written = {transaction(1): NOW - 9 * DAY, snapshot(1): NOW - 9 * DAY}
    assert set(written) - set(reasons(written, NOW, DAY)) == {snapshot(1)}


def test_a_fold_that_is_the_base_stays_although_another_covers_it() -> None:
    """Found by the simulator: what lies below the base goes because of it, so that nothing else has its state."""
    old, young = LtxName(1, 1, 16), LtxName(1, 1, 32)
    singles = {transaction(txid): NOW - (3 if txid <= 16 else 1) * DAY for txid in range(1, 33)}
    written = singles | {old: NOW - 3 * DAY, young: NOW - 1 * DAY}
    left = set(written) - set(reasons(written, NOW, 2 * DAY))
    assert left == {old, young, *(transaction(txid) for txid in range(17, 33))}
    assert all(chain.plan(left, 0, txid).reach == txid for txid in range(16, 33))


def test_a_merge_stays_as_long_as_what_covers_it_is_young() -> None:
    """Somebody may have begun to read before that was there."""
    small, large = LtxName(1, 1, 3), LtxName(2, 1, 6)
    written = {transaction(txid): NOW - DAY for txid in range(1, 8)} | {small: NOW - DAY}
    assert not reasons(written | {large: NOW - FLOOR_SECONDS + 1}, NOW, 9 * DAY)
    assert list(reasons(written | {large: NOW - FLOOR_SECONDS}, NOW, 9 * DAY)) == [small]


def test_no_file_is_older_than_what_is_in_it() -> None:
    written = {transaction(1): 10.0, transaction(2): 30.0, transaction(3): 20.0, transaction(5): 50.0}
    written |= {snapshot(2): 5.0, LtxName(1, 1, 4): 40.0, LtxName(2, 2, 5): 1.0}
    assert no_older_than_content(written) == written | {transaction(3): 30.0, snapshot(2): 30.0, LtxName(2, 2, 5): 50.0}
    assert no_older_than_content({snapshot(2): 5.0}) == {snapshot(2): 5.0}


@given(logs())
def test_right_dates_contradict_nothing(written: dict[LtxName, float]) -> None:
    assert no_older_than_content(written) == written
