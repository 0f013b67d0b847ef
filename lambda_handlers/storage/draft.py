"""The draft: a transaction that is being written, as pages over the replica that it began from.

The replica's own pages stay as they are until the commit, so that dropping a transaction means forgetting the draft:
after a rollback, a lost race or a crash in the middle nothing needs to be restored.

SQLite may commit inside the draft, without a commit of the draft: the groups of a request (`sql.groups`), and the
messages of a queue (`lambda_handlers.queue`). Its rollbacks go back to the last of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from lambda_handlers.storage import foreign_keys
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Marks, Pgno, Txid, lock_page
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.time_limit import NO_LIMIT, TimeLimit

_CHANGE_COUNTER = slice(24, 28)  # of page 1: SQLite moves it at each commit


class Draft:
    def __init__(self, replica: Replica, directory: str) -> None:
        self.replica = replica
        self._dirty = PageCache(directory)
        self.clear()

    def clear(self) -> None:
        """Begin again from the replica as it is now."""
        self.replica.cancel_prefetch()
        self._inner_count: bytes | None = None  # SQLite's count of changes at its last sync in the draft
        self._marked_count: bytes | None = None  # the same at the last mark
        self.note_page = 0  # the page with the note of the transaction (ltx.Marks); 0: it has none
        self.time_ms: int | None = None  # of what is recorded in it (Replica.next_time_ms)
        self._dirty.forget()
        # An empty database, new or dropped, may have pages of any size.
        self._dirty.page_size = self.replica.page_size if self.replica.page_count else 0
        self.page_count = self.replica.page_count
        # Pages above this that were not written are zeros, whatever the replica holds there: they were cut off.
        self._inherited = self.replica.page_count

    @property
    def page_size(self) -> int:
        return self._dirty.page_size

    @property
    def size_bytes(self) -> int:
        """The size of the local file of changed pages."""
        return self._dirty.size_bytes

    @property
    def has_counted_change(self) -> bool:
        """True if SQLite has counted a change since its last commit (bytes 24 to 27 of page 1).

        Dirty pages alone prove nothing: a rollback writes the old ones back."""
        before = self._count_before if self._inner_count is None else self._inner_count
        return self.page_count > 0 and self._count != before

    @property
    def has_inner_commits(self) -> bool:
        """True if SQLite has committed inside the draft since its mark, or since its beginning if it has none."""
        before = self._count_before if self._marked_count is None else self._marked_count
        return self._inner_count is not None and self._inner_count != before

    def mark(self) -> None:
        """Mark the draft as it is: the statements of another request follow. No transaction of SQLite may be open."""
        self._marked_count = self._count_before if self._inner_count is None else self._inner_count

    def remove_mark(self) -> None:
        """Let all commits inside the draft count."""
        self._marked_count = None

    def note_sync(self) -> None:
        """Note a sync that is no commit of the draft: SQLite has committed inside it, or has rolled back."""
        if self.page_count:
            self._inner_count = self._count

    @property
    def _count(self) -> bytes:
        return self.read(Pgno(1))[_CHANGE_COUNTER]

    @property
    def _count_before(self) -> bytes:
        return self.replica.read(Pgno(1))[_CHANGE_COUNTER] if self.replica.page_count else bytes(4)

    def foreign_keys(self, limit: TimeLimit = NO_LIMIT) -> bool:
        """Return True if foreign keys are enforced for requests without a choice of their own. A new database enforces
        them."""
        if not self.replica.page_count:
            return True
        return foreign_keys.are_enforced(self.replica.read(Pgno(1), limit))

    def read(self, pgno: Pgno, limit: TimeLimit = NO_LIMIT) -> bytes:
        """Return one page, as `Replica.read` does."""
        page = self._dirty.read(pgno)
        if page is not None:
            return page
        if pgno <= self._inherited:
            return self.replica.read(pgno, limit)
        return bytes(self.page_size)

    def write(self, pgno: Pgno, page: bytes) -> None:
        """Write one page. The first page of a new database decides its page size."""
        if self.page_size == 0:
            self._dirty.page_size = len(page)  # the first write to a new database decides its page size
        self._dirty.write(pgno, page)
        self.page_count = max(self.page_count, pgno)

    def truncate(self, page_count: int) -> None:
        """Cut the database off after `page_count` pages."""
        self._dirty.truncate(page_count)
        self.page_count = page_count
        self._inherited = min(self._inherited, page_count)

    def changes(self) -> PageChanges:
        """Return the pages that a commit writes."""
        self._check_page_size()
        enforced = self.foreign_keys()  # of the state before: pages are taken again after the replica has moved on
        page_count = self._committed_page_count()
        pages = partial(self._changes, enforced, page_count)
        return PageChanges(self.page_size, page_count, pages, len(self._dirty))

    def commit(self, kind: Kind = Kind.UNKNOWN) -> Txid:
        """Make the draft the next transaction of the replica. Raises as Replica.commit does, and then nothing has
        changed."""
        txid = self.replica.commit(self.changes(), kind, time_ms=self.time_ms, marks=Marks(note_page=self.note_page))
        self.clear()
        return txid

    def _check_page_size(self) -> None:
        """Raise ValueError if a VACUUM has changed the page size (PRAGMA page_size): it still writes in pieces of the
        old size."""
        field = int.from_bytes(self.read(Pgno(1))[16:18], "big")
        size = 65536 if field == 1 else field
        if size != self.page_size:
            raise ValueError(f"the pages of a database keep their size: got {size}, want {self.page_size}")

    def _committed_page_count(self) -> int:
        """Return the size that SQLite's header (bytes 28 to 31) has already: SQLite cuts the file only after it has
        committed."""
        header = self.read(Pgno(1))[:100]
        size_in_header = int.from_bytes(header[28:32], "big")
        is_valid = header[24:28] == header[92:96] and 0 < size_in_header <= self.page_count
        return size_in_header if is_valid else self.page_count

    def _changes(self, enforced: bool, page_count: int) -> Iterator[tuple[Pgno, bytes]]:
        for pgno in self._changed(page_count):
            page = self.read(pgno)
            yield pgno, foreign_keys.with_enforcement(page, enforced) if pgno == 1 else page

    def _changed(self, page_count: int) -> Iterator[Pgno]:
        """Return the pages to commit: the written ones, and the new ones that SQLite had no need to write."""
        skipped = lock_page(self.page_size)
        new_from = self._inherited + 1
        for pgno in self._dirty.pages():
            if pgno >= new_from or pgno > page_count:
                break
            if pgno != skipped:
                yield pgno
        for number in range(new_from, page_count + 1):
            if number != skipped:
                yield Pgno(number)

    def close(self) -> None:
        self._dirty.close()
