"""Checks of a store: the conditions of writes, on which every commit rests. In S3, AWS's or another, or in a directory.

The checks write small objects below a name reserved for them, try to overwrite them, race for them, and remove them.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_handlers.store import conditional_writes
from lambda_handlers.store.conditional_writes import Race
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import SldbError
from sldb.doctor.finding import Finding, ok, unchecked
from sldb.targets.bucket import bare_store

if TYPE_CHECKING:
    import boto3

FEW_ROUNDS = 5  # for stores that are known to be correct
_AVOID_HINT = "do not write to databases there: two writers could overwrite each other"


def check_address(address: str, session: boto3.Session, endpoint_url: str | None) -> Iterator[Finding]:
    """Check any S3, with or without a stack: `address` is s3://bucket or s3://bucket/prefix. Raises SldbError."""
    store, is_foreign = bare_store(f"{address.rstrip('/')}/_doctor", session, endpoint_url)
    try:
        next(iter(store.list_objects("")), None)
    except StoreError as error:
        yield Finding("store", "fail", f"{address} cannot be read: {error}", "check the name, the rights, the endpoint")
        return
    yield ok("store", f"{address} can be read{' (not AWS)' if is_foreign else ''}")
    yield from check_conditions(store, is_foreign)


def check_bucket(bucket: str, session: boto3.Session) -> Iterator[Finding]:
    """Check the bucket of a deployed stack. Raises SldbError."""
    yield from check_conditions(*bare_store(f"s3://{bucket}/doctor", session))


def check_directory(existing: Path) -> Finding:
    with tempfile.TemporaryDirectory(prefix=".sldb-doctor-", dir=existing) as directory:
        store = DirectoryStore(Path(directory) / "store")
        return _checked("commits", lambda: _commits(store, FEW_ROUNDS))


def check_conditions(store: ObjectStore, is_foreign: bool) -> Iterator[Finding]:
    rounds = conditional_writes.ROUNDS if is_foreign else FEW_ROUNDS
    commits = _checked("commits", lambda: _commits(store, rounds))
    yield commits
    if commits.state == "ok":
        yield _checked("large", lambda: _completions(store, rounds, is_foreign))


def _commits(store: ObjectStore, rounds: int) -> Finding:
    prefix = f"{uuid.uuid4().hex}-"
    try:
        missing = conditional_writes.missing_condition(store, f"{prefix}probe")
    finally:
        with suppress(StoreError):
            store.delete(f"{prefix}probe")
    if missing:
        return Finding("commits", "fail", missing, _AVOID_HINT)
    for race in (conditional_writes.race_creates, conditional_writes.race_replaces):
        result = race(store, prefix, rounds)
        if not result.holds:
            return Finding(
                "commits", "fail", f"two writers at once won with {result.condition} ({_round(result)})", _AVOID_HINT
            )
    return ok("commits", f"it refuses to overwrite, and {_writers()} raced {rounds} times: one won each time")


def _completions(store: ObjectStore, rounds: int, is_foreign: bool) -> Finding:
    result = conditional_writes.race_completions(store, f"{uuid.uuid4().hex}-", rounds)
    if result.holds:
        hint = "SLDB_LARGE_COMMITS=parts may be set there" if is_foreign else ""
        return Finding("large", "ok", f"of multipart uploads completed at once one won, {rounds} times", hint)
    says = f"of multipart uploads completed at once several won ({_round(result)})"
    if is_foreign:
        return Finding("large", "warn", says, "large commits go there as one put: leave SLDB_LARGE_COMMITS as it is")
    return Finding("large", "fail", says, _AVOID_HINT)


def _checked(check: str, action: Callable[[], Finding]) -> Finding:
    try:
        return action()
    except StoreError as error:
        return unchecked(check, SldbError("store_error", str(error), "writing and deleting below doctor/ needs rights"))


def _round(race: Race) -> str:
    return f"in round {race.rounds}"


def _writers() -> str:
    return f"{conditional_writes.WRITERS} writers"
