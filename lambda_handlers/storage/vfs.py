"""The VFS: SQLite's database is a draft over a replica, every other file is a local temporary file.

How a commit happens. SQLite runs in rollback-journal mode with synchronous FULL: it calls xSync on the database file
exactly once per commit, after all xWrites, and again after a rollback that had pages to bring back. So code that runs
SQL grants a `CommitPermit` around COMMIT. Only an xSync during that time commits the draft, and only if SQLite's change
counter has moved since the last one: a COMMIT that fails half-way (no memory, no room) is rolled back during that time
as well. If the commit raises, SQLite itself rolls back and the statement fails. COMMIT returns only after the store has
the transaction. Without the permit SQLite commits into the draft, for as long as that lasts.

The journal is a local file. xAccess always denies its existence, so that it is never taken for hot: it serves ROLLBACK
and savepoints within one process, and keeps the old pages of a large transaction out of memory. Nothing local is
synced.

Locks are no-ops: one connection at a time uses a draft. The replica handles other writers.

A time limit is checked before each fetch of a page and during it: a statement with many waits for the store may take
few of SQLite's steps and much time.

A connection may read other replicas beside its draft (ATTACH): their files are read-only for SQLite. The caller chooses
the replica for a name.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Protocol, TypeAlias

import apsw

from lambda_handlers.shared import temporary
from lambda_handlers.storage import foreign_keys
from lambda_handlers.storage.commit_permit import CommitPermit
from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log.ltx import Pgno
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
_JULIAN_EPOCH_MS = 210_866_760_000_000  # the unix epoch, in milliseconds since Julian day 0
_DAY_MS = 86_400_000
_numbers = itertools.count()
_OWN_NAME = "/database"  # ATTACH never allows this name

Attach: TypeAlias = Callable[[str], Replica]  # the replica of a name in ATTACH; raises for a name that is refused


class Pages(Protocol):
    """The pages of a file for SQLite to read."""

    @property
    def page_size(self) -> int: ...  # bytes

    @property
    def page_count(self) -> int: ...

    def read(self, pgno: Pgno, limit: TimeLimit = ..., /) -> bytes: ...


def nothing_to_attach(name: str) -> Replica:
    """Refuse every name: for connections without ATTACH."""
    raise FileNotFoundError(name)


class _LocalVFS(apsw.VFS):
    """The part of a VFS for local temporary files. Keep a reference for as long as a connection uses it."""

    def __init__(self) -> None:
        self.name = f"sldb-{next(_numbers)}"
        super().__init__(self.name, base="")

    def xFullPathname(self, name: str) -> str:
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: ARG002 - SQLite's signature
        return False

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Do nothing: journals delete themselves on closing."""


class PagesVFS(_LocalVFS):
    """A VFS for one database that is only read."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        super().__init__()

    def connect(self) -> apsw.Connection:
        """Open a fresh connection."""
        return apsw.Connection(_OWN_NAME, vfs=self.name, flags=apsw.SQLITE_OPEN_READONLY)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            flags[1] = flags[0]
            return _DatabaseFile(self._pages, NO_LIMIT)  # type: ignore[return-value]  # a file object by its methods
        return _UnsyncedFile("", _filename(name) if name else _temporary_name(), flags)


class DraftVFS(_LocalVFS):
    """A VFS for one draft. `permit` is the one of the connection opened last."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.permit = CommitPermit()
        self.attach: Attach = nothing_to_attach  # of the connection opened last
        self._limit = NO_LIMIT
        self._time_ms: int | None = None
        self._temporary: set[_TemporaryFile] = set()  # the open ones
        super().__init__()

    @property
    def temporary_bytes(self) -> int:
        """The size of the journals and temporary files that are open."""
        return sum(file.xFileSize() for file in self._temporary)

    def connect(
        self, attach: Attach = nothing_to_attach, limit: TimeLimit = NO_LIMIT, time_ms: int | None = None
    ) -> apsw.Connection:
        """Open a fresh connection on the draft as it is now. The replicas that it attaches must stay as they are until
        it is closed. The limit is checked before a page is fetched, and its error ends the statement. `time_ms`: the
        time that statements see (unix milliseconds); None: that of the machine."""
        self.attach = attach
        self._limit = limit
        self._time_ms = time_ms
        self.permit = CommitPermit()
        # Without a cache of statements every statement is prepared, and so shown to the authorizer.
        return apsw.Connection(_OWN_NAME, vfs=self.name, statementcachesize=0)

    def sync(self) -> None:
        """Commit the draft if the sync is part of a COMMIT with the permit."""
        self.permit.use(self.draft)

    def commit_rest(self) -> None:
        """Commit what SQLite has committed inside the draft, if its COMMIT with the permit had nothing to sync."""
        self.permit.use_for_rest(self.draft)

    def write(self, data: bytes, offset: int) -> None:
        """Write one page into the draft. Raises ValueError for less or more than a page."""
        try:
            page_size = self.draft.page_size or len(data)
            if len(data) != page_size or offset % page_size:
                raise ValueError(f"SQLite wrote {len(data)} bytes at {offset}; pages have {page_size}")
            self.draft.write(Pgno(offset // page_size + 1), data)
        except BaseException:
            self.permit.withdraw()
            raise

    def xCurrentTimeInt64(self) -> int:
        return super().xCurrentTimeInt64() if self._time_ms is None else self._time_ms + _JULIAN_EPOCH_MS

    def xCurrentTime(self) -> float:
        return self.xCurrentTimeInt64() / _DAY_MS

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            return self._open_database(_filename(name), flags)  # type: ignore[return-value]  # a file object by its methods
        if flags[0] & apsw.SQLITE_OPEN_MAIN_JOURNAL:
            flags[0] = flags[0] & ~apsw.SQLITE_OPEN_MAIN_JOURNAL | _NAMELESS_JOURNAL
            return _TemporaryFile(_temporary_name(), flags, self._temporary)
        return _TemporaryFile(_filename(name) if name else _temporary_name(), flags, self._temporary)

    def _open_database(self, name: str, flags: list[int]) -> _DatabaseFile:
        if name == _OWN_NAME:
            flags[1] = flags[0]
            return _DatabaseFile(self.draft, self._limit, self)
        flags[1] = flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) | apsw.SQLITE_OPEN_READONLY
        return _DatabaseFile(self.attach(name), self._limit)


def _filename(name: str | apsw.URIFilename | None) -> str:
    return name.filename() if isinstance(name, apsw.URIFilename) else str(name)


def _temporary_name() -> str:
    """Return a new name for a temporary file. SQLite's own would take from its random generator, once for each of them
    that is taken."""
    return os.path.join(temporary.directory(), f"sldb-{os.urandom(16).hex()}")


class _UnsyncedFile(apsw.VFSFile):
    """A local file without need to survive the process."""

    def xSync(self, flags: int) -> None:
        pass


class _TemporaryFile(_UnsyncedFile):
    """A file that is among the open ones until it is closed."""

    def __init__(self, name: str, flags: list[int], among: set[_TemporaryFile]) -> None:
        super().__init__("", name, flags)
        self._among = among
        among.add(self)

    def xClose(self) -> None:
        self._among.discard(self)
        super().xClose()


class _DatabaseFile:
    """Pages as a file; read-only without a VFS to write to."""

    def __init__(self, pages: Pages, limit: TimeLimit, vfs: DraftVFS | None = None) -> None:
        self._pages = pages
        self._limit = limit
        self._vfs = vfs

    def xRead(self, amount: int, offset: int) -> bytes:
        pages, page_size = self._pages, self._pages.page_size
        if page_size == 0 or offset >= pages.page_count * page_size:
            return b""  # a short read: SQLite takes it for zeros
        number, start = divmod(offset, page_size)
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
            raise PermissionError("an attached database can only be read")
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
