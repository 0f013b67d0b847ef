"""The checker: compares the outcomes known to clients with the database afterwards. Nothing may be lost.

1. Every transaction of the log decodes, and leaves a whole database: entries and their count agree; each adds one
   entry or none.
2. An acknowledged write was made by exactly the transaction of its reply; a refused one by none; an unknown one by one
   at most. Every entry has a write.
3. A read saw the state of the transaction in its reply.
4. Real time: a request begun after another's reply saw, or made, no older transaction; a write made a newer one.
5. Each unknown write, sent again with its request id, is answered; it is then there once, and if it was there
   before, the answer is the lost one.
6. The engine reads every transaction (`at`), and `integrity_check` is ok.

`check` returns its findings and counts; it raises nothing, so that its own tests can see them.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, Request, SldbError, Statement
from tests.chaos.bookkeeping import COUNTS, Attempt, entry
from tests.chaos.replay import State, states

Ask = Callable[[Request], Reply]
MOST_READ_BACK = 30  # transactions that the engine reads; of more, evenly spread ones


@dataclass(frozen=True, slots=True)
class Verdict:
    violations: tuple[str, ...]
    transactions: int
    outcomes: Mapping[str, int]  # of writes; and "reads"
    errors: Mapping[str, int]  # by code
    resolved: Mapping[str, int]  # unknown writes: "applied" before they were asked for again, or "not applied"

    def __str__(self) -> str:
        def show(counts: Mapping[str, int]) -> str:
            return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"

        return (
            f"{self.transactions} transactions; writes and reads: {show(self.outcomes)}; errors: {show(self.errors)}; "
            f"unknown ones resolved: {show(self.resolved)}; {len(self.violations)} violations"
        )


def check(attempts: Sequence[Attempt], ask: Ask, store: ObjectStore, scratch: Path, database: str = "main") -> Verdict:
    """`ask` sends a request to the product, for this database. All clients must have ended."""
    writes = [attempt for attempt in attempts if attempt.kind == "write"]
    reads = [attempt for attempt in attempts if attempt.kind == "read"]
    log = list(states(store, scratch, database))
    made_by = _made_by(log)
    unknown = [write for write in writes if write.outcome == "unknown"]
    violations = [
        *_whole(log),
        *_told_the_truth(writes, made_by),
        *_reads_are_states(reads, log),
        *_in_real_time(attempts),
        *_resolve(unknown, made_by, len(log), ask),
        *_read_back(log, ask),
        *_counted_after(writes, unknown, ask),
    ]
    return Verdict(
        tuple(violations),
        len(log),
        Counter([*(write.outcome for write in writes), *("reads" for read in reads if read.txid is not None)]),
        Counter(attempt.code for attempt in attempts if attempt.code),
        Counter("applied" if write.id in made_by else "not applied" for write in unknown),
    )


def _made_by(log: Sequence[State]) -> dict[str, int]:
    """The transaction of each entry."""
    steps = zip([State(0, 0, 0, None), *log[:-1]], log, strict=True) if log else ()
    return {after.newest: after.txid for before, after in steps if after.entries > before.entries and after.newest}


def _whole(log: Sequence[State]) -> Iterator[str]:
    before = 0
    for state in log:
        if state.entries != state.counted:
            yield f"transaction {state.txid} is torn: {state.entries} entries, {state.counted} counted"
        if not before <= state.entries <= before + 1:
            yield f"transaction {state.txid} goes from {before} to {state.entries} entries"
        before = state.entries


def _told_the_truth(writes: Sequence[Attempt], made_by: Mapping[str, int]) -> Iterator[str]:
    for write in writes:
        txid = made_by.get(write.id)
        if write.outcome == "acknowledged" and txid is None:
            yield f"acknowledged write {write.id} (transaction {write.txid}) is lost"
        elif write.outcome == "acknowledged" and txid != write.txid:
            yield f"write {write.id} was made by transaction {txid}, acknowledged as {write.txid}"
        elif write.outcome == "refused" and txid is not None:
            yield f"refused write {write.id} was made by transaction {txid}: {write.error}"
    for stranger in sorted(made_by.keys() - {write.id for write in writes}):
        yield f"nobody wrote {stranger}, which transaction {made_by[stranger]} made"


def _reads_are_states(reads: Sequence[Attempt], log: Sequence[State]) -> Iterator[str]:
    for read in reads:
        if read.txid is None:
            continue
        state = log[read.txid - 1] if 0 < read.txid <= len(log) else None
        if state is None or read.counts != (state.entries, state.counted):
            yield f"read {read.id} saw {read.counts} as transaction {read.txid}, which is {state}"


def _in_real_time(attempts: Sequence[Attempt]) -> Iterator[str]:
    done = sorted((attempt.ended_at, attempt.txid) for attempt in attempts if attempt.txid is not None)
    ends, newest = [ended_at for ended_at, _ in done], [0]
    for _, txid in done:
        newest.append(max(newest[-1], txid))
    for attempt in attempts:
        if attempt.txid is None:
            continue
        seen = newest[bisect.bisect_left(ends, attempt.began_at)]
        if attempt.txid < seen + (attempt.kind == "write"):
            yield f"{attempt.kind} {attempt.id} is of transaction {attempt.txid}, begun after a reply of {seen}"


def _resolve(unknown: Sequence[Attempt], made_by: Mapping[str, int], newest: int, ask: Ask) -> Iterator[str]:
    for write in unknown:
        try:
            txid = ask(entry(write.id, write.size_bytes)).txid
        except SldbError as error:
            yield f"unknown write {write.id}, sent again: {error.code}: {error.message}"
            continue
        known = made_by.get(write.id)
        if known is not None and txid != known:
            yield f"unknown write {write.id} was made by transaction {known}; sent again, the answer is {txid}"
        if known is None and txid <= newest:
            yield f"unknown write {write.id} was not there; sent again, it is said to be transaction {txid}"


def _read_back(log: Sequence[State], ask: Ask) -> Iterator[str]:
    step = max(1, len(log) // MOST_READ_BACK)
    for state in [*log[::step], *log[-1:]]:
        try:
            counts = ask(replace(COUNTS, at=state.txid)).results[-1].rows[0]
        except SldbError as error:
            yield f"transaction {state.txid} cannot be read: {error.code}: {error.message}"
            continue
        if tuple(counts) != (state.entries, state.counted):
            yield f"the engine reads {counts} at transaction {state.txid}, which is {state}"


def _counted_after(writes: Sequence[Attempt], unknown: Sequence[Attempt], ask: Ask) -> Iterator[str]:
    """Count the entries; all unknown ones have been requested again by now."""
    expected = Counter(write.id for write in writes if write.outcome == "acknowledged" or write in unknown)
    rows = ask(Request((Statement("SELECT id FROM entries"),), read_only=True)).results[0].rows
    found = Counter(str(row[0]) for row in rows)
    for write_id in sorted(expected.keys() | found.keys()):
        if expected[write_id] != found[write_id]:
            yield f"write {write_id} is there {found[write_id]} times in the end, want {expected[write_id]}"
    verdict = ask(Request((Statement("PRAGMA integrity_check"),), read_only=True)).results[0].rows
    if [tuple(row) for row in verdict] != [("ok",)]:
        yield f"integrity_check: {verdict}"
