"""The time limit of a request, as the storage sees it: an object to check before every wait for the store, and
during it."""

from __future__ import annotations

from typing import Protocol


class TimeLimit(Protocol):
    """The time limit of a read."""

    def check(self) -> None:
        """Raise if the time is over; the read ends with the same error."""


class _NoLimit:
    def check(self) -> None:
        pass


NO_LIMIT: TimeLimit = _NoLimit()
