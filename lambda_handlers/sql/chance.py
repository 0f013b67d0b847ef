"""Chance for statements: SQLite's random generator, of which a process has one for all connections.

A pinned statement (`sql/pin.py`) runs alone: no other statement of the process may move the generator meanwhile. All
others run together, and get chance from the system. Every statement runs as one of the two, sldb's own too: journals
use the generator as well. So does FTS5 when a connection is opened, which is treated like a statement. Statements wait
for their turn in the order of their arrival, and within their time limit. They may not be nested: the inner one would
wait for the end of the outer one.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from lambda_handlers.storage.time_limit import NO_LIMIT, TimeLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_handlers.sql.pin import Pin

_CHECK_SECONDS = 0.1  # between two looks at the time limit while a statement waits


class Turns(Protocol):
    """The order of the statements of a process."""

    def begin(self, alone: bool, limit: TimeLimit) -> None:
        """Wait until the statement may run. Raises the error of the limit."""

    def end(self, alone: bool) -> None:
        """End the turn of a statement."""


class FairTurns:
    """Turns for threads, in the order of their arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._together = 0  # statements that run together
        self._is_alone = False  # a statement runs alone
        self._waiting: deque[object] = deque()  # a ticket for each

    def begin(self, alone: bool, limit: TimeLimit) -> None:
        with self._lock:
            if not self._waiting and self._may_start(alone):
                self._start(alone)
                return
            ticket = object()
            self._waiting.append(ticket)
        try:
            while not self._has_started(ticket, alone):
                limit.check()
        except BaseException:
            with self._lock:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            raise

    def end(self, alone: bool) -> None:
        with self._lock:
            if alone:
                self._is_alone = False
            else:
                self._together -= 1
            if self._waiting:
                self._changed.notify_all()

    def _may_start(self, alone: bool) -> bool:
        return not self._is_alone and not (alone and self._together)

    def _start(self, alone: bool) -> None:
        if alone:
            self._is_alone = True
        else:
            self._together += 1

    def _has_started(self, ticket: object, alone: bool) -> bool:
        """Start the statement if it is its turn, now or within a moment."""
        with self._lock:
            if not self._is_next(ticket, alone):
                self._changed.wait(_CHECK_SECONDS)
            if not self._is_next(ticket, alone):
                return False
            self._waiting.popleft()
            self._start(alone)
            self._changed.notify_all()  # the next one may run together with it
            return True

    def _is_next(self, ticket: object, alone: bool) -> bool:
        return self._waiting[0] is ticket and self._may_start(alone)


class _Unpinned:
    __slots__ = ("_limit", "_turns")

    def __init__(self, turns: Turns, limit: TimeLimit) -> None:
        self._turns = turns
        self._limit = limit

    def __enter__(self) -> None:
        self._turns.begin(False, self._limit)

    def __exit__(self, *raised: object) -> None:
        self._turns.end(False)


class Generator:
    """The generator of the process. `turns` may be replaced while no statement runs."""

    def __init__(self) -> None:
        self.turns: Turns = FairTurns()

    def unpinned(self, limit: TimeLimit = NO_LIMIT) -> AbstractContextManager[None]:
        """Let a statement run with chance from the system. The context may be entered again once it has ended."""
        return _Unpinned(self.turns, limit)

    @contextmanager
    def pinned(self, pin: Pin, index: int, limit: TimeLimit) -> Iterator[None]:
        """Let a statement run with the chance of its pin and index: equal ones get equal chance."""
        from lambda_handlers.sql.pin import end_seed, seed  # few requests need it, and imports slow down cold starts

        turns = self.turns
        turns.begin(True, limit)
        try:
            seed(pin, index)
            yield
        finally:
            end_seed()
            turns.end(True)


GENERATOR = Generator()


class Chance:
    """The chance for the statements of one session."""

    def __init__(self, pin: Pin | None, limit: TimeLimit) -> None:
        self._pin = pin
        self._limit = limit
        self._index = -1  # of the user's statement, among those that were executed; -1: the opening of the connection
        self._unpinned = GENERATOR.unpinned(limit)

    def next_statement(self) -> None:
        """Count a statement of the user's that is executed; it may be prepared several times until it has run."""
        self._index += 1

    def of_statement(self) -> AbstractContextManager[None]:
        """Let the statement run that was counted last; before the first one, let the connection be opened."""
        return self.of_own() if self._pin is None else GENERATOR.pinned(self._pin, self._index, self._limit)

    def of_own(self) -> AbstractContextManager[None]:
        """Let statements of sldb's own run: what they store does not depend on chance."""
        return self._unpinned
