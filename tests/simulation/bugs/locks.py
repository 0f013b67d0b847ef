"""Planted bugs of locks, deadlines and clocks."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers import service
from lambda_handlers.aws.ec2 import Ec2Error
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.shared.lock_holder import Holder, group_name, lock_key
from lambda_handlers.sql.own import request_log
from lambda_handlers.storage.log import timeline
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store.protocol import StoreError
from tests.simulation.bugs.planting import Bug, Patch, add_to

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


# Locks and time


@bug("a lock is released by its name", 200, looks_from=150)
def _() -> list[Patch]:
    def release_group(self: SecurityGroupLock, lock_id: str, name: str) -> bool:
        found = self._describe({"group-name": group_name(self.stack, name)})
        with suppress(Ec2Error):
            for group in found:
                self.ec2.delete_security_group(group.group_id)
        return bool(found)

    def release_object(self: ObjectLock, lock_id: str, name: str) -> bool:
        with suppress(StoreError):
            seen = self._read(name)
            return seen.holder is not None and self._free(name, seen.holder.lock_id, seen.etag)
        return False

    return [
        patch.object(SecurityGroupLock, "release", release_group),
        patch.object(ObjectLock, "release", release_object),
    ]


@bug("a sweep deletes the object of any lock", 100)
def _() -> list[Patch]:
    def free_old(self: ObjectLock, database: str) -> None:
        seen = self._read(database)
        if seen.etag is not None:
            with suppress(StoreError):
                self._store.delete_version(lock_key(database), seen.etag)

    return [
        patch.object(ObjectLock, "_is_old", lambda self, written_at: True),
        patch.object(ObjectLock, "_free_old", free_old),
    ]


@bug("whoever waits frees the lock whatever its age", 100)
def _() -> list[Patch]:
    return [patch.object(Holder, "is_expired", lambda self, now, max_age_seconds: True)]


@bug("a request has no deadline", 200, looks_from=100)
def _() -> list[Patch]:
    return [patch.object(service, "seconds_for", lambda request, remaining: 10_000.0)]


# Clocks that step


@bug("a moment is found by halves, as if times ascended", 300)
def _() -> list[Patch]:
    def number_at(self: Any, moment_ms: int) -> int:
        self._read(range(len(self._files)))
        return bisect_right(range(len(self._files)), moment_ms, key=lambda number: self._times[number]) - 1

    return [patch.object(timeline._Search, "_number_at", number_at)]


@bug("what comes after a clock that was ahead has its time", 100)
def _() -> list[Patch]:
    def next_time_ms(self: Replica, now: float) -> int:
        return max(int(now * 1000), self.timestamp_ms)

    return [patch.object(Replica, "next_time_ms", next_time_ms)]


@bug("a time goes back without what is recorded", 300)
def _() -> list[Patch]:
    return [patch.object(request_log, "take_back", lambda connection, times: None)]
