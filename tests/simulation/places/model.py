"""A model of a log in two buckets, for docs/express.md: each step of each participant, in every order.

Transactions are numbers, and a file is its bucket and number. Two writers and a switcher have copies of the log. Each
step is one request to a bucket, or the removal of one file. `explore` visits every state that they can reach with so
many transactions and switches, and checks three promises:

- no number is used twice;
- a copy that finds no next transaction has every acknowledged one;
- every number after the newest snapshot has a file.

The rules of the engine that the model takes for granted are those of docs/storage.md: creates are conditional, a copy
creates n + 1 only if it has asked for it and not found it, and a copy that was paused for longer than the age at which
files are removed opens the log anew (invariants 1, 2 and 5). S3 refuses a request that arrives so late. A create
without an answer may arrive at any moment before. Snapshots may be made at any moment, and removals follow them.

`variants` name deviations from the design. Those in `BUGS` must break the promise beside them.

    python -m tests.simulation.places.model 3 2        up to 3 transactions and 2 switches: seconds
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

S3, DIRECTORY = "S3", "directory bucket"
SWITCHER = 2  # its place among the copies; those before it are the writers'

BUGS = {
    "the place is that of the settings": "misses",
    "a fence is put without a condition": "used twice",
    "the number of the fence is used again": "used twice",
    "retention removes fences": "misses",
    "a cold reader believes the newest fence that it has listed": "misses",
    "snapshots are listed after level 0": "misses",
    "files are moved while copies may ask for them": "misses",
    "files are deleted before they are copied": "has no file",
}
MOVES = "files are moved once no copy may ask for them"


class File(NamedTuple):
    txid: int
    bucket: str
    is_fence: bool = False


class Copy(NamedTuple):  # tuples, because there are a million states
    """A copy of the log: its transaction, and the bucket of the next one."""

    bucket: str = S3
    txid: int = 0
    has_asked: bool = False  # there was no next transaction
    must_open: bool = False
    snapshot: int | None = None  # that it has listed
    listed: frozenset[File] | None = None  # S3's part of level 0


class State(NamedTuple):
    files: frozenset[File] = frozenset()
    used: frozenset[int] = frozenset()  # numbers, of files that were removed too
    snapshot: int = 0  # the newest transaction in it
    acknowledged: int = 0  # the newest
    sent: frozenset[File] = frozenset()  # creates without an answer, which may arrive yet
    copies: tuple[Copy, ...] = (Copy(), Copy(), Copy())
    switches: int = 0
    setting: str = S3

    @property
    def newest(self) -> int:
        return max((file.txid for file in self.files), default=self.snapshot)

    def at(self, bucket: str, txid: int) -> File | None:
        return next((file for file in self.files if (file.bucket, file.txid) == (bucket, txid)), None)

    def with_copy(self, number: int, copy: Copy) -> State:
        copies = [*self.copies[:number], copy, *self.copies[number + 1 :]]
        copies[:SWITCHER] = sorted(copies[:SWITCHER], key=_rank)  # one writer is like the other
        return self._replace(copies=tuple(copies))


class BrokenError(Exception):
    """A promise is broken."""


@dataclass(frozen=True, slots=True)
class Model:
    variants: frozenset[str] = frozenset()
    max_txid: int = 4
    max_switches: int = 2

    def explore(self) -> int:
        """Return the number of states. Raises BrokenError with the steps to a broken promise, the fewest there are."""
        start = State()
        came_from: dict[State, tuple[State, str] | None] = {start: None}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            try:
                _check_files(state)
                for step, following in self._steps(state):
                    if following not in came_from:
                        came_from[following] = (state, step)
                        waiting.append(following)
            except BrokenError as error:
                raise BrokenError("\n".join([*_path(came_from, state), str(error)])) from None
        return len(came_from)

    def _has(self, variant: str) -> bool:
        return variant in self.variants

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        for number, copy in enumerate(state.copies):
            if copy.must_open:
                yield f"{number} lists", self._list(state, number)
            elif not copy.has_asked:
                yield f"{number} asks for {copy.txid + 1}", self._ask(state, number)
            elif number == SWITCHER:
                yield from self._switch(state)
            elif copy.txid < self.max_txid:
                yield from self._commit(state, number)
        for file in state.sent:
            arrived = state if state.at(file.bucket, file.txid) else _created(state, file)
            yield f"the create of {file.txid} arrives", arrived._replace(sent=state.sent - {file})
        if state.newest > state.snapshot:
            yield "snapshot", state._replace(snapshot=state.newest)
        yield from self._removals(state)

    # The steps of a copy

    def _bucket(self, state: State, copy: Copy) -> str:
        return state.setting if self._has("the place is that of the settings") else copy.bucket

    def _ask(self, state: State, number: int) -> State:
        copy = state.copies[number]
        found = state.at(self._bucket(state, copy), copy.txid + 1)
        if found is None:
            if copy.txid < state.acknowledged:
                raise BrokenError(f"{number} finds nothing after {copy.txid}, and misses {state.acknowledged}")
            return state.with_copy(number, copy._replace(has_asked=True))
        if found.is_fence:
            again = self._has("the number of the fence is used again")
            return state.with_copy(number, Copy(_other(copy.bucket), copy.txid if again else found.txid))
        return state.with_copy(number, copy._replace(txid=found.txid))

    def _commit(self, state: State, number: int) -> Iterator[tuple[str, State]]:
        copy = state.copies[number]
        made = File(copy.txid + 1, self._bucket(state, copy))
        if state.at(made.bucket, made.txid):
            yield f"{number} loses the race for {made.txid}", state.with_copy(number, copy._replace(has_asked=False))
            return
        done = _created(state, made)._replace(acknowledged=max(state.acknowledged, made.txid))
        yield f"{number} creates {made.txid}", done.with_copy(number, Copy(copy.bucket, made.txid))
        if not state.sent:
            unclear = state._replace(sent=frozenset({made}))
            yield f"{number} has no answer to its create of {made.txid}", unclear.with_copy(number, _opening())

    def _switch(self, state: State) -> Iterator[tuple[str, State]]:
        copy = state.copies[SWITCHER]
        if state.switches == self.max_switches or copy.txid >= self.max_txid:
            return
        switched = state._replace(switches=state.switches + 1)
        if self._has("the place is that of the settings"):
            other = switched._replace(setting=_other(state.setting))
            yield "the setting changes", other.with_copy(SWITCHER, copy._replace(has_asked=False))
            return
        fence = File(copy.txid + 1, copy.bucket, is_fence=True)
        if state.at(fence.bucket, fence.txid) and not self._has("a fence is put without a condition"):
            yield f"no fence at {fence.txid}", state.with_copy(SWITCHER, copy._replace(has_asked=False))
            return
        done = _created(switched, fence)
        yield f"fence at {fence.txid}", done.with_copy(SWITCHER, Copy(_other(copy.bucket), fence.txid))

    def _list(self, state: State, number: int) -> State:
        """List the snapshots, then level 0 in S3, then in the directory bucket: each a step of its own."""
        copy = state.copies[number]
        lists_snapshots_last = self._has("snapshots are listed after level 0")
        if copy.snapshot is None and not lists_snapshots_last:
            return state.with_copy(number, copy._replace(snapshot=state.snapshot))
        if copy.listed is None:
            listed = frozenset(file for file in state.files if file.bucket == S3)
            return state.with_copy(number, copy._replace(listed=listed))
        snapshot = copy.snapshot if copy.snapshot is not None else state.snapshot
        decides = found = copy.listed | {file for file in state.files if file.bucket == DIRECTORY}
        if self._has("a cold reader believes the newest fence that it has listed"):
            decides = frozenset(file for file in found if file.is_fence)
        newest = max(decides, default=File(0, S3))
        bucket = _other(newest.bucket) if newest.is_fence else newest.bucket
        txid = max((file.txid for file in found), default=0)
        return state.with_copy(number, Copy(bucket, max(snapshot, txid)))

    # Maintenance

    def _removals(self, state: State) -> Iterator[tuple[str, State]]:
        for file in state.files:
            is_free = not file.is_fence or self._has("retention removes fences")
            if file.txid <= state.snapshot and is_free:
                yield f"{file.txid} is removed", _without(state, file)
            if file.bucket == S3 or file.is_fence or file.txid == state.newest:
                continue
            in_s3 = file._replace(bucket=S3)
            if self._has("files are moved while copies may ask for them"):
                moved = state._replace(files=state.files - {file} | {in_s3})
                yield f"{file.txid} is moved at once", moved
            if self._has(MOVES):
                yield f"{file.txid} is copied", state._replace(files=state.files | {in_s3})
            if in_s3 in state.files and self._has(MOVES):
                yield f"{file.txid} is deleted after its copy", _without(state, file)
            if self._has("files are deleted before they are copied"):
                yield f"{file.txid} is deleted before its copy", _without(state, file)


def _rank(copy: Copy) -> tuple[object, ...]:
    return (*copy[:4], -1 if copy.snapshot is None else copy.snapshot, sorted(copy.listed or ()))


def _check_files(state: State) -> None:
    missing = set(range(state.snapshot + 1, state.newest + 1)) - {file.txid for file in state.files}
    if missing:
        raise BrokenError(f"{min(missing)} has no file")


def _other(bucket: str) -> str:
    return DIRECTORY if bucket == S3 else S3


def _opening() -> Copy:
    return Copy(must_open=True)


def _created(state: State, file: File) -> State:
    if file.txid in state.used:
        raise BrokenError(f"{file.txid} is used twice: in {file.bucket}, too")
    others = frozenset(one for one in state.files if (one.bucket, one.txid) != (file.bucket, file.txid))
    return state._replace(files=others | {file}, used=state.used | {file.txid})


def _without(state: State, file: File) -> State:
    """Remove a file that is so old that every copy from before it opens the log anew, and no request for it is left."""
    copies = tuple(_opening() if copy.must_open or copy.txid < file.txid else copy for copy in state.copies)
    sent = frozenset(one for one in state.sent if one.txid > file.txid)
    return state._replace(files=state.files - {file}, copies=copies, sent=sent)


def _path(came_from: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    steps = []
    while (before := came_from[state]) is not None:
        state, step = before
        steps.append(step)
    return steps[::-1]


def main(max_txid: int, max_switches: int) -> None:
    for variants in (frozenset[str](), frozenset({MOVES})):
        states = Model(variants, max_txid, max_switches).explore()
        print(f"{states:,} states: {', '.join(variants) or 'the design'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
