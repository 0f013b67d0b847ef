"""Conditional writes: tests of a store for the conditions on which every commit rests, in sequence and in races.

`missing_condition` takes two requests and finds stores that ignore conditions. The races find stores with a check and a
write in two steps: several writers begin at once, and one may win. A correct race proves nothing, so no acknowledged
write rests on one: on stores of other vendors than AWS large commits are one conditional put (foreign.py), and
`sldb doctor` reports the races.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.store.protocol import AlreadyExists, CopyOf, ObjectStore, PreconditionFailed, StoreError

PROBE_KEY = "_probe"  # beside the databases; no database can have that name
NO_ETAG = '"00000000000000000000000000000000"'
WRITERS = 4
ROUNDS = 20
COPIED_BYTES = 5 << 20  # the minimum of a part: assembling then takes longer, and more rounds show two winners

Attempt = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Race:
    condition: str  # of the writes
    rounds: int  # until the first that was lost
    holds: bool  # in each round exactly one writer won, and the object has its bytes


def missing_condition(store: ObjectStore, key: str = PROBE_KEY) -> str | None:
    """Return the fault of a store that ignores a condition; None if it refuses both writes. Leaves a small object at
    `key` for the next probe. Raises StoreError."""
    with suppress(AlreadyExists):
        store.create(key, b"1")
        store.create(key, b"2")
        return "it overwrites an object despite If-None-Match: *"
    try:
        store.replace(key, b"3", NO_ETAG)
    except PreconditionFailed:
        return None
    return "it overwrites an object despite the If-Match of another ETag"


def race_creates(store: ObjectStore, prefix: str, rounds: int = ROUNDS) -> Race:
    """Race creates of one key. Raises StoreError. Like the other races, it removes its objects, if permitted."""
    return _race("If-None-Match", lambda number: _race_creates(store, f"{prefix}{number}"), rounds)


def race_replaces(store: ObjectStore, prefix: str, rounds: int = ROUNDS) -> Race:
    """Race replaces of one version. Raises StoreError."""
    return _race("If-Match", lambda number: _race_replaces(store, f"{prefix}{number}"), rounds)


def race_completions(store: ObjectStore, prefix: str, rounds: int = ROUNDS) -> Race:
    """Race completions of multipart uploads with two parts. Raises StoreError."""
    source = f"{prefix}source"
    store.create(source, bytes(COPIED_BYTES))  # as all else: the functions' roles overwrite nothing
    try:
        return _race("completion", lambda number: _race_assemblies(store, f"{prefix}{number}", source), rounds)
    finally:
        _remove(store, source)


def _race(condition: str, holds: Callable[[int], bool], rounds: int) -> Race:
    for number in range(rounds):
        if not holds(number):
            return Race(condition, number + 1, False)
    return Race(condition, rounds, True)


def _race_creates(store: ObjectStore, key: str) -> bool:
    bodies = [b"%d" % number for number in range(WRITERS)]
    return _has_one_winner(store, key, bodies, [partial(store.create, key, body) for body in bodies])


def _race_replaces(store: ObjectStore, key: str) -> bool:
    etag = store.create(key, b"before")
    bodies = [b"%d" % number for number in range(WRITERS)]
    return _has_one_winner(store, key, bodies, [partial(store.replace, key, body, etag) for body in bodies])


def _race_assemblies(store: ObjectStore, key: str, source: str) -> bool:
    ends = [b"%d" % number for number in range(WRITERS)]
    copy = CopyOf(source, 0, COPIED_BYTES)
    bodies = [bytes(COPIED_BYTES) + end for end in ends]  # they differ in the last byte
    return _has_one_winner(store, key, bodies, [partial(store.assemble, key, [copy, end]) for end in ends])


def _has_one_winner(store: ObjectStore, key: str, bodies: Sequence[bytes], attempts: Sequence[Attempt]) -> bool:
    """Return True if exactly one attempt won, and the object has its body. Raises StoreError."""
    try:
        winners = _winners(attempts)
        if len(winners) != 1:
            return False
        body = bodies[winners[0]]
        return store.get_range(key, len(body) - 1, 2) == body[-1:]
    finally:
        _remove(store, key)


def _winners(attempts: Sequence[Attempt]) -> list[int]:
    start = threading.Barrier(len(attempts))
    winners: list[int] = []
    errors: list[Exception] = []

    def run(number: int) -> None:
        start.wait()
        try:
            attempts[number]()
        except (AlreadyExists, PreconditionFailed):
            return
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors.append(error)
        else:
            winners.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(attempts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors and len(winners) < 2:
        raise errors[0]
    return winners


def _remove(store: ObjectStore, key: str) -> None:
    """Delete an object. Without the right to delete, it stays below a prefix with a lifecycle rule of the bucket."""
    with suppress(StoreError):
        store.delete(key)
