"""The looks at the lock of a database from outside, again and again while a request waits for it.

The clock of AWS's answers gives the age of a lock: that of this machine may be wrong by minutes. Every client has a
look, and few use it, so this imports nothing before the first one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sldb.ops.locks import StackLocks
    from sldb.progress.lock_watch import SeenLock
    from sldb.targets.deployed_function import DeployedFunction
    from sldb.targets.local import LocalTarget


@dataclass(frozen=True, slots=True)
class DirectoryLook:
    """A `sldb.progress.lock_watch.Look` at the lock files of a directory: at the locks of other processes."""

    target: LocalTarget

    def __call__(self, database: str) -> SeenLock | None:
        from sldb.progress.lock_watch import SeenLock

        holder = self.target.lock_holder(database)
        return None if holder is None else SeenLock(holder, holder.age_seconds(time.time()), is_of_another=True)


def no_look(_database: str) -> SeenLock | None:
    """Return None: behind a URL the lock cannot be seen."""
    return None


class FunctionLook:
    """A `sldb.progress.lock_watch.Look` at the locks of a deployed function. Safe for threads: the watch of an earlier
    request may still look."""

    def __init__(self, function: DeployedFunction) -> None:
        self._function = function
        self._locks: StackLocks | None = None
        self._looking = threading.Lock()
        self._ahead_seconds = 0.0  # the clock of AWS's answers, before this machine's

    def __call__(self, database: str) -> SeenLock | None:
        """Return the lock of the database if it is taken. Raises SldbError, also without the right to look."""
        from sldb.ops.locks import locks_of
        from sldb.progress.lock_watch import SeenLock

        with self._looking:
            if self._locks is None:
                self._locks = locks_of(self._function)
                self._locks.on_answer(self._note_date)
            holder = self._locks.held(database)
            now = time.time() + self._ahead_seconds
        return None if holder is None else SeenLock(holder, holder.age_seconds(now))

    def _note_date(self, http_response: Any, **_: object) -> None:
        from email.utils import parsedate_to_datetime

        if date := http_response.headers.get("date"):
            self._ahead_seconds = parsedate_to_datetime(date).timestamp() - time.time()
