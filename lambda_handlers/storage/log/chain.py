"""The chain: the files that make up the state at a txid. Pure planning over the names of a LIST.

It is the newest snapshot at or below the txid, then files that extend it without a gap, longest reach first. Any file
with min <= position + 1 <= max extends a position: its pages as of max replace the older ones, so an overlap does no
harm. A reader at `start` plans from there, with the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Txid


@dataclass(frozen=True, slots=True)
class Plan:
    """The files of a chain, and its reach."""

    files: tuple[LtxName, ...]  # in the order in which they apply
    reach: Txid  # the txid that they lead to
    newest: Txid  # the newest txid that any file holds; more than `reach` means a gap, or an `upto` before the end


def plan(names: Iterable[LtxName], start: Txid = 0, upto: Txid | None = None) -> Plan:
    """Return the chain from `start` to `upto` (default: as far as it goes)."""
    every = sorted(names, key=lambda name: name.min_txid)
    usable = [name for name in every if name.max_txid > start and (upto is None or name.max_txid <= upto)]
    files: list[LtxName] = []
    reach, best, seen = start, None, 0
    while True:
        # Of the files that extend the reach, the one that goes furthest; of equals the most compacted.
        while seen < len(usable) and usable[seen].min_txid <= reach + 1:
            best = max(best or usable[seen], usable[seen], key=lambda name: (name.max_txid, name.level))
            seen += 1
        if best is None or best.max_txid <= reach:
            break
        files.append(best)
        reach = best.max_txid
    return Plan(tuple(files), reach, max((name.max_txid for name in every), default=0))


def readable(names: Iterable[LtxName]) -> set[Txid]:
    """Return every transaction with a chain to it."""
    found: set[Txid] = set()
    reach = -1  # the newest of them below the current file
    for name in sorted(names, key=lambda name: name.max_txid):
        if name.min_txid == 1 or name.min_txid <= reach + 1:
            found.add(name.max_txid)
            reach = name.max_txid
    return found
