"""The lock of one request, taken in a call of its own while the request reads the database and runs its statements.

The lock is for fairness: the create of the transaction decides. So the statements need not wait for it; only the commit
does (`hold`). If the lock had to be waited for, there was another writer, and the statements run again on what that one
left, while the lock, once it is free, is being taken.

Whatever ends the request gives the lock back (`end`), also while it is still being taken: a process that is frozen
after its reply would leave a lock that comes later to its age. An error of the lock that the request did not come to is
no news to its client, but a bug goes to the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lambda_handlers.host import Call, Host
from lambda_handlers.locks.line import IsFree, Place
from lambda_handlers.locks.protocol import Sleep
from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.storage.commit import Conflict
from lambda_handlers.wire import SldbError

GIVE_UP_SECONDS = 1.0  # for the answer to the call of a lock that is not wanted any more, if the process must end

Acquire: TypeAlias = Callable[[Sleep], Holder]  # with the pauses of its wait; raises SldbError
Report: TypeAlias = Callable[[Exception], None]  # of a bug


class Waited(Conflict):
    """The lock had to be waited for: the copy may not be the newest any more. Nothing was applied."""

    is_lost_race = False


class LockTaking:
    def __init__(
        self, host: Host, acquire: Acquire, release: Callable[[str], None], sleep: Sleep, report: Report
    ) -> None:
        """Begin to take the lock. `release` and `report` raise nothing; `sleep` ends a wait by an SldbError."""
        self._host = host
        self._acquire = acquire
        self._release = release
        self._report = report
        self._sleep = sleep
        self._place = Place(host, self._pause, tells=True)
        self._has_waited = self._is_over = False
        self._call = self._begin()

    def hold(self) -> None:
        """Return once the lock is taken. Raises Waited after a wait: as soon as the lock is free, if the lock tells it,
        and is taken while the statements run again. Raises SldbError `lock_timeout`, `store_error` or `cancelled`."""
        try:
            self._call.result()
        except IsFree:
            self._call = self._begin()
            self._has_waited = True
        if self._has_waited:
            self._has_waited = False
            raise Waited("another writer had the lock")

    def end(self) -> Holder | None:
        """Stop waiting for the lock; return it if it was taken, to be released by the caller. Raises nothing."""
        self._is_over = True
        try:
            holder: Holder = self._call.result()
        except (IsFree, SldbError):  # it was not taken; `hold` has raised it, if the request came so far
            return None
        except Exception as error:  # noqa: BLE001 - a bug, which must not deny a transaction that was committed
            self._report(error)
            return None
        return holder

    def give_up(self) -> None:
        """Give the lock back at once, for a process that must end soon; called by another thread."""
        self._is_over = True
        if self._call.wait(GIVE_UP_SECONDS) and (holder := self.end()):
            self._release(holder.lock_id)

    def _begin(self) -> Call:
        return self._host.start(lambda: self._acquire(self._place))

    def _pause(self, seconds: float) -> None:
        self._has_waited = True
        self._check_wanted()
        self._sleep(seconds)
        self._check_wanted()

    def _check_wanted(self) -> None:
        if self._is_over:
            raise SldbError("cancelled", "the request that waited for the lock is over", applied="no")
