"""Attached databases: the further databases that one run of a request reads by ATTACH.

Every database, and every past moment of one, is refreshed or opened when it is first attached, and then stays as it is
until the run is over: attached again, under any name, it is the same. The newest state of the request's own
database is the one with which the request began. Inside an interactive transaction it stays as it is for all requests:
the transaction carries the txids, and its next requests open these. Each run asks for the caller's right again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from lambda_handlers.caller import Caller
from lambda_handlers.deadline import Deadline
from lambda_handlers.sql import attachment
from lambda_handlers.sql.attachment import Attachment
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.wire import SldbError

MAX_VIEWS = 100  # of one run: each keeps files open until it is over


class Readable(Protocol):
    """The part of a Database used here."""

    def view(
        self, at: int | str | None, max_staleness: float, deadline: Deadline, *, may_be_empty: bool = False
    ) -> Replica: ...

    def end_view(self, has_lost_files: bool) -> None: ...


class AttachedDatabases:
    def __init__(
        self,
        find: Callable[[str], Readable],  # by its name; it stays open until the request is over
        caller: Caller,
        max_staleness: float,  # seconds
        views: Mapping[str, Replica],  # those that are there already, by their names in ATTACH
        deadline: Deadline,
        pinned: Mapping[str, Txid] = MappingProxyType({}),  # names in ATTACH → the transactions that they stand for
    ) -> None:
        self._find = find
        self._caller = caller
        self._max_staleness = max_staleness
        self._deadline = deadline
        self._pinned = pinned
        self._views = dict(views)
        self._given = frozenset(views)
        self._databases: dict[str, Readable] = {}

    @property
    def has_opened(self) -> bool:
        """True if a view was opened here."""
        return bool(self._databases)

    @property
    def txids(self) -> dict[str, Txid]:
        """The transactions of the views opened here or pinned, by their names in ATTACH; 0: before the first one."""
        opened = {name: view.txid for name, view in self._views.items() if name not in self._given}
        return {**self._pinned, **opened}

    def open(self, name: str) -> Replica:
        """Return the database or moment of a name in ATTACH. Raises SldbError: `forbidden`, `not_found`, or an error of
        reading the log."""
        wanted = Attachment.parse(name)
        if wanted is None:
            raise SldbError("forbidden", f"ATTACH {name!r} names no database of the stack", attachment.HINT)
        self._caller.require(wanted.database, writes=False)
        if name not in self._views:
            if len(self._views) >= MAX_VIEWS:
                raise _too_many()
            database = self._databases.setdefault(wanted.database, self._find(wanted.database))
            at, is_pinned = self._pinned.get(name, wanted.at), name in self._pinned
            self._views[name] = database.view(at, self._max_staleness, self._deadline, may_be_empty=is_pinned)
        return self._views[name]

    def close(self, has_lost_files: bool = False) -> None:
        """End all views. `has_lost_files`: files of one of them are gone."""
        for database in self._databases.values():
            database.end_view(has_lost_files)


def _too_many() -> SldbError:
    return SldbError(
        "too_large",
        f"a request may attach {MAX_VIEWS} databases and past moments in all",
        "send several requests",
        applied="no",
    )
