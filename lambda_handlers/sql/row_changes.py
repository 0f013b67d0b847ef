"""The row changes of one table by one statement, as SQLite's preupdate hook reports them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import apsw

from lambda_handlers.shared.dataclasses import dataclass, field

MAX_COUNTED = 10_000  # rows that are counted, or remembered


@dataclass(slots=True)
class RowChanges:
    """The effect of a statement on those rows of a table that existed before it."""

    removed: int = 0
    removed_directly: int = 0  # by no trigger and no cascade
    updated: int = 0
    put_back: int = 0  # of the removed, by their rowids
    fewer: int | None = None  # rows than before, where the table's own changes do not show it
    # Rowids; beyond MAX_COUNTED of them a row may be taken for an older one. 0 may be the value of a table without
    # rowids.
    _added: set[int] = field(default_factory=set)
    _removed: set[int] = field(default_factory=set)
    _updated: set[int] = field(default_factory=set)

    def note(self, change: apsw.PreUpdate) -> None:
        rowid, rowid_new = change.rowid, change.rowid_new
        is_new = rowid in self._added
        self._added.discard(rowid)
        was_updated = rowid in self._updated
        self._updated.discard(rowid)
        if change.op == "INSERT":
            self.put_back += rowid_new in self._removed
            _remember(self._added, rowid_new)
        elif change.op == "DELETE":
            self.removed += not is_new
            self.removed_directly += not is_new and not change.depth
            _remember(self._removed, 0 if is_new else rowid)
        elif is_new:
            _remember(self._added, rowid_new)
        else:
            self.updated += not was_updated
            _remember(self._updated, rowid_new)

    @property
    def trace(self) -> tuple[int, bool] | None:
        """A rowid by which the change can be seen, and whether its row is there after it."""
        for changed, others, is_there in ((self._added, self._removed, True), (self._removed, self._added, False)):
            for rowid in changed - others:
                return rowid, is_there
        return None


def has_left(changes: Mapping[str, RowChanges], named: str, has_row: Callable[[str, int], bool]) -> bool:
    """Return True unless a failed statement with these changes was undone, of whose own rows SQLite has reported none.
    If no change can be traced (updates, tables without rowids), those outside of the named table count as left."""
    for table, rows in changes.items():
        if rows.trace is not None:
            rowid, is_there = rows.trace
            return has_row(table, rowid) is is_there
    return any(table != named for table in changes)


def _remember(rowids: set[int], rowid: int) -> None:
    if rowid and len(rowids) < MAX_COUNTED:
        rowids.add(rowid)
