"""Planted bugs of the release of a lock after the reply, in containers that are killed or frozen in between."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from unittest.mock import patch

from lambda_handlers.after_reply import AfterReply
from lambda_handlers.database.write_access import WriteAccess
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories.plan import IN_LAMBDA

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("a lock is left to its age after a last request", 100, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    def release_later(self: AfterReply, release: Callable[[], object]) -> None:
        if not self._holds_nobody_up:
            real(self, release)

    real = AfterReply.release_later
    return [patch.object(AfterReply, "release_later", release_later)]


@bug("what is released after a reply is the lock of whoever has it by then", 100, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    def release(self: WriteAccess, lock_id: str) -> None:
        held = self._resources.lock.holders()
        real(self, next((one.lock_id for one in held if one.database == self._database), lock_id))

    real = WriteAccess.release
    return [patch.object(WriteAccess, "release", release)]
