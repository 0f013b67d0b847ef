"""SQLite's files: the database is a draft over a replica, everything else is a local temporary file.

How a commit happens. SQLite runs in rollback-journal mode with synchronous FULL: it calls xSync on the database file
exactly once per commit, after all xWrites, and again where a rollback had pages to bring back. So whoever runs SQL
says `with vfs.committing()` around COMMIT (or around VACUUM, which commits by itself and without a commit hook), and
only an xSync in there commits the draft, and only if SQLite's change counter has moved: a COMMIT that fails half-way
(no memory, no room) is rolled back in there as well. If the commit raises, SQLite itself rolls back and the statement
fails; COMMIT returns only after the store has the transaction.

The journal is a local file that xAccess never admits to, so that it is never taken for hot: it serves ROLLBACK and
savepoints within one process, and keeps the old pages of a large transaction out of memory. Nothing local is synced.

Locks are no-ops: one connection at a time uses a draft. That nobody else writes is the replica's business.

Whoever runs SQL is asked before a page is fetched: a statement that waits for the store again and again may take few of
SQLite's steps, and long.

A connection may read other replicas beside its draft (ATTACH): SQLite is told that their files are read-only. Which
replica a name stands for is the caller's to say.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import apsw

from lambda_handlers.storage import foreign_keys
from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Pgno, Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.time_limit import NO_LIMIT, TimeLimit

_CHARACTERISTICS = (
    apsw.SQLITE_IOCAP_ATOMIC
    | apsw.SQLITE_IOCAP_SAFE_APPEND
    | apsw.SQLITE_IOCAP_SEQUENTIAL
    | apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE
)
_NAMELESS_JOURNAL = apsw.SQLITE_OPEN_TEMP_JOURNAL | apsw.SQLITE_OPEN_DELETEONCLOSE
_WAL_VERSIONS = slice(18, 20)  # of page 1: 2 means WAL, which this VFS does not do
_ROLLBACK_JOURNAL = b"\x01\x01"
_numbers = itertools.count()
_OWN_NAME = "/database"  # no name that may be attached

Attach: TypeAlias = Callable[[str], Replica]  # by the name that ATTACH gave; raises for those that it may not have


class Pages(Protocol):
    """What a file is read from."""

    @property
    def page_size(self) -> int: ...  # bytes

    @property
    def page_count(self) -> int: ...

    def read(self, pgno: Pgno, limit: TimeLimit = ..., /) -> bytes: ...


def nothing_to_attach(name: str) -> Replica:
    raise FileNotFoundError(name)


class PagesVFS(apsw.VFS):
    """A VFS for one database that is only read, and local temporary files. Keep a reference for as long as a connection
    uses it."""

    def __init__(self, pages: Pages) -> None:
        self.name = f"sldb-{next(_numbers)}"
        self._pages = pages
        super().__init__(self.name, base="")

    def connect(self) -> apsw.Connection:
        return apsw.Connection(_OWN_NAME, vfs=self.name, flags=apsw.SQLITE_OPEN_READONLY)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            flags[1] = flags[0]
            return _DatabaseFile(self._pages, NO_LIMIT)  # type: ignore[return-value]  # a file object by its methods
        return _UnsyncedFile("", _filename(name) if name else None, flags)

    def xFullPathname(self, name: str) -> str:
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: ARG002 - SQLite's signature
        return False

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Journals delete themselves when they are closed."""


class DraftVFS(apsw.VFS):
    """A VFS for one draft. Keep a reference for as long as a connection uses it."""

    def __init__(self, draft: Draft) -> None:
        self.name = f"sldb-{next(_numbers)}"
        self.draft = draft
        self.committed: Txid | None = None  # by the connection that was opened last
        self.kind = Kind.UNKNOWN  # of what is being committed
        self._may_commit = False
        self._attach: Attach = nothing_to_attach
        self._limit = NO_LIMIT
        super().__init__(self.name, base="")

    def connect(self, attach: Attach = nothing_to_attach, limit: TimeLimit = NO_LIMIT) -> apsw.Connection:
        """Open a fresh connection on the draft as it is now. The replicas that it attaches must stay as they are until
        it is closed. The limit is checked before a page is fetched, and its error ends the statement."""
        self._attach = attach
        self._limit = limit
        self.committed = None
        self.kind = Kind.UNKNOWN
        # Without a cache of statements every statement is prepared, and so shown to the authorizer.
        return apsw.Connection(_OWN_NAME, vfs=self.name, statementcachesize=0)

    @property
    def is_committing(self) -> bool:
        return self._may_commit

    @contextmanager
    def committing(self) -> Iterator[None]:
        """What SQLite syncs in here is a transaction to commit."""
        self._may_commit = True
        try:
            yield
        finally:
            self._may_commit = False

    def sync(self) -> None:
        if self._may_commit and self.draft.has_counted_change:
            self._may_commit = False  # if this fails, SQLite rolls back and syncs again
            self.committed = self.draft.commit(self.kind)

    def write(self, data: bytes, offset: int) -> None:
        try:
            page_size = self.draft.page_size or len(data)
            if len(data) != page_size or offset % page_size:
                raise ValueError(f"SQLite wrote {len(data)} bytes at {offset}; pages have {page_size}")
            self.draft.write(Pgno(offset // page_size + 1), data)
        except BaseException:
            self._may_commit = False
            raise

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            return self._open_database(_filename(name), flags)  # type: ignore[return-value]  # a file object by its methods
        if flags[0] & apsw.SQLITE_OPEN_MAIN_JOURNAL:
            flags[0] = flags[0] & ~apsw.SQLITE_OPEN_MAIN_JOURNAL | _NAMELESS_JOURNAL
            return _UnsyncedFile("", None, flags)
        return _UnsyncedFile("", name, flags)

    def _open_database(self, name: str, flags: list[int]) -> _DatabaseFile:
        if name == _OWN_NAME:
            flags[1] = flags[0]
            return _DatabaseFile(self.draft, self._limit, self)
        flags[1] = flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) | apsw.SQLITE_OPEN_READONLY
        return _DatabaseFile(self._attach(name), self._limit)

    def xFullPathname(self, name: str) -> str:
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: ARG002 - SQLite's signature
        return False

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Journals delete themselves when they are closed."""


def _filename(name: str | apsw.URIFilename | None) -> str:
    return name.filename() if isinstance(name, apsw.URIFilename) else str(name)


class _UnsyncedFile(apsw.VFSFile):
    """A local file that need not survive the process."""

    def xSync(self, flags: int) -> None:
        pass


class _DatabaseFile:
    """Pages as a file. Without a VFS to write to, it is one that is only read."""

    def __init__(self, pages: Pages, limit: TimeLimit, vfs: DraftVFS | None = None) -> None:
        self._pages = pages
        self._limit = limit
        self._vfs = vfs

    def xRead(self, amount: int, offset: int) -> bytes:
        pages = self._pages
        if pages.page_size == 0 or offset >= pages.page_count * pages.page_size:
            return b""  # a short read: SQLite takes it for zeros
        number, start = divmod(offset, pages.page_size)
        page = pages.read(Pgno(number + 1), self._limit)
        if number == 0:
            page = foreign_keys.with_enforcement(page, enforced=False)
            page = page[: _WAL_VERSIONS.start] + _ROLLBACK_JOURNAL + page[_WAL_VERSIONS.stop :]
        return page if amount == len(page) else page[start : start + amount]

    def xWrite(self, data: bytes, offset: int) -> None:
        self._writing().write(data, offset)

    def xTruncate(self, size: int) -> None:
        draft = self._writing().draft
        if draft.page_size:
            draft.truncate(-(-size // draft.page_size))

    def xSync(self, flags: int) -> None:  # noqa: ARG002 - SQLite's signature
        self._writing().sync()

    def _writing(self) -> DraftVFS:
        if self._vfs is None:  # SQLite does not even try
            raise PermissionError("what is attached can only be read")
        return self._vfs

    def xFileSize(self) -> int:
        return self._pages.page_count * self._pages.page_size

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: ARG002 - SQLite's signature
        return False

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return _CHARACTERISTICS

    def xClose(self) -> None:
        pass
