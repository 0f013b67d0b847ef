"""What one run of a request reads beside its own database: what its ATTACH statements name.

Every database, and every past moment of one, is brought up to date or opened when it is attached first, and then stays
as it is until the run is over: attached again, under whatever name, it is the same. The newest state of the request's
own database is the one that the request began from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lambda_handlers.sql import attachment
from lambda_handlers.sql.attachment import Attachment
from lambda_handlers.storage.replica import Replica
from lambda_handlers.wire import SldbError

MOST_VIEWS = 100  # of one run: each keeps files open until it is over


class Readable(Protocol):
    """What is used of a Database."""

    def view(self, at: int | str | None, max_staleness: float, deadline: float) -> Replica: ...

    def leave(self, doubted: bool) -> None: ...


class Attached:
    def __init__(
        self,
        find: Callable[[str], Readable],
        max_staleness: float,
        standing: dict[str, Replica],
        deadline: float,  # unix seconds
    ) -> None:
        self._find = find  # by its name; it stays open until the request is over
        self._max_staleness = max_staleness  # seconds
        self._deadline = deadline
        self._views = standing  # by what ATTACH names
        self._databases: dict[str, Readable] = {}

    def open(self, name: str) -> Replica:
        """Raises SldbError: `forbidden`, `not_found`, or what reading the log raises."""
        wanted = Attachment.parse(name)
        if wanted is None:
            raise SldbError("forbidden", f"ATTACH {name!r} is none of the stack's databases", attachment.HINT)
        if name not in self._views:
            if len(self._views) >= MOST_VIEWS:
                raise _too_many()
            database = self._databases.setdefault(wanted.database, self._find(wanted.database))
            self._views[name] = database.view(wanted.at, self._max_staleness, self._deadline)
        return self._views[name]

    def close(self, doubted: bool = False) -> None:
        """`doubted`: files that something here reads from are gone."""
        for database in self._databases.values():
            database.leave(doubted)


def _too_many() -> SldbError:
    return SldbError(
        "too_large",
        f"a request may attach {MOST_VIEWS} databases and past moments in all",
        "send several requests",
        applied="no",
    )
