"""The deadline of a request: the end of its time, and the clock to compare with it.

The service makes one for each request, and passes it to all long work: loops call `check` between two steps,
waits end after `seconds_left`, SQLite calls `is_over` while a statement runs. It is wall-clock time, as all time of
the server is (see `host`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from lambda_handlers.wire import SldbError


@dataclass(frozen=True, slots=True)
class Deadline:
    at: float  # unix seconds
    now: Callable[[], float]  # unix seconds: the clock of the host
    message: str = "the request ran out of time and was stopped"
    hint: str = "make it do less, or give more time to it (timeout) or to the function: sldb deploy --timeout SECONDS"
    applied: str | None = "no"

    @property
    def seconds_left(self) -> float:
        """The seconds until the deadline; negative once it has passed."""
        return self.at - self.now()

    def is_over(self) -> bool:
        return self.now() >= self.at

    def check(self) -> None:
        """Raise `query_timeout` if the deadline has passed."""
        if self.is_over():
            raise self.error()

    def error(self, statement: int | None = None) -> SldbError:
        """Return the error of a stopped request; `statement`: the position of the last one."""
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


NEVER = Deadline(math.inf, lambda: 0.0)
