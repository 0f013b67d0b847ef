"""Retention: selects the files of a database that may be deleted. Pure.

Every file that the newest state or a transaction of the retention period needs is kept. Three kinds may be deleted,
once they are older than the floor:

1. Files at or below the *oldest base that is needed*: the newest file that can begin a chain, among those written
   before the retention period. Every transaction of the period is after it.
2. Folds and merges covered by another one. Level 0 has each of their transactions, and keeps them for `at`. A fold that
   is the base of rule 1 is exempt: level 0 may have been removed below it.
3. Compacted files between two snapshots at most `CLOSE_TXIDS` transactions apart, from the base of rule 1 on: level 0
   leads from one snapshot to the other. A small database that is written all the time gets a snapshot with nearly each
   pass; so it keeps one for each 64 transactions or more, and no folds between them. A read of the past then takes up
   to `CLOSE_TXIDS` files, side by side.

The replacement of a file must be older than the floor too: a reader may have begun on the log before it existed.
So a reader that checked less than half the floor ago depends on no deleted file (rules 4 and 5 in docs/storage.md). The
newest transaction always stays, so that txids never restart; of a dropped database an empty snapshot stays.

Ages are by the store's clock, on both sides of each comparison. Dates may be wrong: the caller confirms the dates that
justify a deletion (`reasons`; lambda_handlers.storage.upkeep.removal), and passes in none that contradicts the others
(`no_older_than_content`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from lambda_handlers.storage.log.keys import SNAPSHOT_LEVEL, LtxName
from lambda_handlers.storage.log.ltx import Txid

FLOOR_SECONDS = 3600  # no file younger than this is ever removed; well above the longest request, which is 15 minutes

CLOSE_TXIDS = 128  # between two snapshots without a file in between


def reasons(written_at: Mapping[LtxName, float], now: float, retention_seconds: float) -> dict[LtxName, LtxName]:
    """Return each file that may be deleted, with the file that replaces it: the base, or one that covers it.

    `written_at`: every LTX file of the database with its write time; `now`: unix seconds, by the same clock.
    """
    settled = [name for name, moment in written_at.items() if moment <= now - FLOOR_SECONDS]
    base = needed_base(written_at, now, retention_seconds)
    found = {**dict(_between_snapshots(base, settled)), **dict(_covered(settled)), **dict(_below(base, settled))}
    return {name: why for name, why in found.items() if name != base}


def no_older_than_content(written_at: Mapping[LtxName, float]) -> dict[LtxName, float]:
    """Return the same files, none older than an existing transaction in it or before it: regardless of its date, it was
    written after those."""
    singles = sorted((name.max_txid, moment) for name, moment in written_at.items() if name.level == 0)
    txids = [txid for txid, _ in singles]
    latest = list(accumulate((moment for _, moment in singles), max))
    found = {}
    for name, moment in written_at.items():
        upto = bisect_right(txids, name.max_txid)
        found[name] = max(moment, latest[upto - 1]) if upto else moment
    return found


def needed_base(written_at: Mapping[LtxName, float], now: float, retention_seconds: float) -> LtxName | None:
    """Return the newest base from before the retention period; None if there is none."""
    period_began = now - max(retention_seconds, FLOOR_SECONDS)
    bases = [name for name, moment in written_at.items() if name.min_txid == 1 and moment <= period_began]
    return max(bases, key=lambda name: (name.max_txid, name.level), default=None)


def waits_for_snapshot(written_at: Mapping[LtxName, float], now: float, retention_seconds: float) -> bool:
    """Return True if transactions have outlived the period, and only a newer base would allow their deletion."""
    period_began = now - max(retention_seconds, FLOOR_SECONDS)
    base = outlived_base(written_at, now, retention_seconds)
    return base is not None and any(
        name.level == 0 and name.max_txid > base.max_txid and moment <= period_began
        for name, moment in written_at.items()
    )


def outlived_base(written_at: Mapping[LtxName, float], now: float, retention_seconds: float) -> LtxName | None:
    """Return the newest base, if it is from before the period; else None."""
    newest = max((name for name in written_at if name.min_txid == 1), key=lambda name: name.max_txid, default=None)
    period_began = now - max(retention_seconds, FLOOR_SECONDS)
    return newest if newest is not None and written_at[newest] <= period_began else None


def _below(base: LtxName | None, settled: Collection[LtxName]) -> Iterator[tuple[LtxName, LtxName]]:
    if base is not None:
        yield from ((name, base) for name in settled if name.max_txid <= base.max_txid)


def _covered(settled: Collection[LtxName]) -> Iterator[tuple[LtxName, LtxName]]:
    compacted = (name for name in settled if 0 < name.level < SNAPSHOT_LEVEL)
    cover: LtxName | None = None  # the one that goes furthest, of those that begin as early
    for name in sorted(compacted, key=lambda name: (name.min_txid, -name.max_txid, -name.level)):
        if cover is not None and _covers(cover, name):
            yield name, cover
        else:
            cover = name


def _between_snapshots(base: LtxName | None, settled: Collection[LtxName]) -> Iterator[tuple[LtxName, LtxName]]:
    found = {name.max_txid: name for name in settled if name.level == SNAPSHOT_LEVEL}
    if base is not None:
        found = {base.max_txid: base} | {txid: name for txid, name in found.items() if txid > base.max_txid}
    kept = _spread(sorted(found))
    for name in settled:
        at = bisect_left(kept, name.max_txid)
        if name.level and 0 < at < len(kept) and kept[at] - kept[at - 1] <= CLOSE_TXIDS and name != found[kept[at]]:
            yield name, found[kept[at]]


def _spread(ends: Sequence[Txid]) -> list[Txid]:
    """Return the first and the last one, and the fewest others so that none is farther from the next than before, or
    than `CLOSE_TXIDS`."""
    kept = list(ends[:1])
    for txid, following in pairwise(ends[1:]):
        if following - kept[-1] > CLOSE_TXIDS:
            kept.append(txid)
    return [*kept, *ends[1:][-1:]]


def _covers(one: LtxName, other: LtxName) -> bool:
    """Return True if `one` covers `other`: of two files of the same transactions, the more compacted one covers the
    other."""
    if (one.min_txid, one.max_txid) == (other.min_txid, other.max_txid):
        return one.level > other.level
    return one.min_txid <= other.min_txid and other.max_txid <= one.max_txid
