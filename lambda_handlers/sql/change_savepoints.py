"""The counted changes at each open savepoint and at the BEGIN of a group: what a rollback goes back to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass

_GROUP = "\0"  # no savepoint has this name


@dataclass(frozen=True, slots=True)
class Counted:
    """The changes so far. Copies: the counters go on."""

    total: Counter[tuple[str, str]]  # (table, operation) → rows
    destroys: list[dict[str, Any]]
    made: set[str]


class ChangeSavepoints:
    def __init__(self) -> None:
        self._open: list[tuple[str, Counted]] = []

    def begin(self, now: Counted, name: str = _GROUP) -> None:
        self._open.append((name, now))

    def release(self, name: str) -> None:
        if (newest := self._newest(name)) is not None:
            del self._open[newest:]

    def rollback_to(self, name: str) -> Counted | None:
        """Return what counts after ROLLBACK TO, which leaves the savepoint itself open; None if there is none."""
        if (newest := self._newest(name)) is None:
            return None
        del self._open[newest + 1 :]
        return self._open[newest][1]

    def end(self) -> Counted | None:
        """End the transaction; return what counts if it is rolled back, None if nothing is open."""
        first = self._open[0][1] if self._open else None
        self._open.clear()
        return first

    def _newest(self, name: str) -> int | None:
        return max((i for i, (one, _) in enumerate(self._open) if one == name), default=None)
