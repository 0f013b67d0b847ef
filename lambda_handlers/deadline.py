"""The deadline of a request: the end of its time, and the clock to compare with it; and its end before that, if the
request is cancelled.

The service makes one for each request, and passes it to all long work: loops call `check` between two steps,
waits end after `seconds_left`, SQLite calls `is_over` while a statement runs. It is wall-clock time, as all time of
the server is (see `host`).

A cancelled request has a mark in the store (`cancel_marks`). `Watch` looks for it: in the background, because a store
that does not answer must not hold up the work; not before the request has run for a second, so that short requests cost
no request to the store; and once a second at most.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from lambda_handlers.host import Call, Host
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.wire import Action, Request, SldbError

DEFAULT_SECONDS = 900.0  # unless the function or the request sets a limit
MAX_MARGIN_SECONDS = 2.0  # kept free of the function's time to roll back, release the lock and answer
MIN_MARGIN_SECONDS = 0.25
SECONDS_BETWEEN_LOOKS = 1.0
PIECE_SECONDS = 0.25  # of a longer wait: after each one a mark is looked for


class Watch:
    """The search for the mark of one request: for the thread that runs it, and the one that waits for its lock. `look`
    returns True if there is a mark."""

    def __init__(self, host: Host, look: Callable[[], bool]) -> None:
        self._host = host
        self._look = look
        self._looked_at = host.now()  # the request begins now
        self._call: Call | None = None
        self._is_found = False
        self._guard = threading.Lock()

    def is_found(self) -> bool:
        """Return True once a mark was found; begin to look for one if it is time."""
        if self._guard.acquire(blocking=False):
            try:
                self._look_if_due()
            finally:
                self._guard.release()
        return self._is_found

    def _look_if_due(self) -> None:
        if self._is_found:
            return
        if self._call is not None:
            if self._call.wait(0.0):
                call, self._call = self._call, None
                self._is_found = call.result()
        elif not 0 <= (now := self._host.now()) - self._looked_at < SECONDS_BETWEEN_LOOKS:  # or the clock was set back
            self._looked_at = now
            self._call = self._host.start(self._look)


@dataclass(frozen=True, slots=True)
class Deadline:
    at: float  # unix seconds
    now: Callable[[], float]  # unix seconds: the clock of the host
    message: str = "the request ran out of time and was stopped"
    hint: str = "make it do less, or give more time to it (timeout) or to the function: sldb deploy --timeout SECONDS"
    applied: str | None = "no"
    watch: Watch | None = None  # None: it cannot be cancelled

    @property
    def seconds_left(self) -> float:
        """The seconds until the deadline; negative once it has passed."""
        return self.at - self.now()

    def is_over(self) -> bool:
        return self.now() >= self.at or self._is_cancelled()

    def check(self) -> None:
        """Raise `query_timeout` if the deadline has passed, or `cancelled`."""
        if self.is_over():
            raise self.error()

    def check_cancelled(self) -> None:
        """Raise `cancelled` if the request is; the deadline itself may have passed."""
        if self._is_cancelled():
            raise self.error()

    def pause(self, seconds: float, sleep: Callable[[float], None]) -> None:
        """Sleep so long. Raises `cancelled`, soon after the request is."""
        left = seconds
        while self.watch is not None and left > PIECE_SECONDS:
            self.check_cancelled()
            sleep(PIECE_SECONDS)
            left -= PIECE_SECONDS
        self.check_cancelled()
        sleep(left)
        self.check_cancelled()

    def error(self, statement: int | None = None) -> SldbError:
        """Return the error of a stopped request; `statement`: the position of the last one."""
        if self._is_cancelled():
            return SldbError("cancelled", "the request was cancelled", statement=statement, applied=self.applied)
        return SldbError("query_timeout", self.message, self.hint, statement=statement, applied=self.applied)

    def reporting(
        self,
        message: str,
        hint: str = "give more time to it (timeout) or to the function: sldb deploy --timeout SECONDS",
    ) -> Deadline:
        """Return the same deadline with another text for its error."""
        return replace(self, message=message, hint=hint)

    def without_outcome(self) -> Deadline:
        """Return the same deadline, for work that may have been applied in part."""
        return replace(self, applied=None)

    def _is_cancelled(self) -> bool:
        return self.watch is not None and self.watch.is_found()


NEVER = Deadline(math.inf, lambda: 0.0)


def seconds_for(request: Request | Action, remaining_seconds: float | None) -> float:
    """Return the time of a request that begins now. `remaining_seconds`: the time left to the function, if known."""
    limits = [seconds for seconds in (request.timeout, remaining_seconds) if seconds is not None]
    if remaining_seconds is not None:
        limits[-1] -= _margin(remaining_seconds)
    return max(0.0, min(limits, default=DEFAULT_SECONDS))


def _margin(remaining_seconds: float) -> float:
    """Return the seconds between the end of a request and that of its function. Freeing the lock and answering
    take as long in a function of four seconds as in one of a minute: a short function gives up a third of its time."""
    return max(MIN_MARGIN_SECONDS, min(MAX_MARGIN_SECONDS, remaining_seconds / 3))


def seconds_until_late(remaining_seconds: float) -> float:
    """Return the seconds until the watchdog checks: SQLite gets a quarter of the margin to notice the end of the
    request's time, the other three are for freeing the lock and answering."""
    return remaining_seconds - _margin(remaining_seconds) * 3 / 4
