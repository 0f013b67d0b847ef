"""The source of a push: a SQLite file, checked, and read page by page as of one moment.

The pages are read inside one read transaction, so the committed part of a -wal beside the file counts, and other
programs may write meanwhile: with a WAL they continue, otherwise they wait until all is read. They come from the file
itself if the -wal is empty (`file_pages`), else from SQLite's own backup. That writes into a file without storage
(`backup_vfs`), so neither memory nor disk limits the size.

The backup copies pages in ascending order, and changes only page 1, which it writes at the very end. Until then
`likely_first_page` is used instead: page 1 as stored in the file, which may be older than the one in the -wal.

Tables of sldb's own are left out (`own_names`): a file with such tables is copied first.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import apsw

from lambda_handlers.storage.log.ltx import Pgno, lock_page
from lambda_handlers.wire import SldbError
from sldb.push_pull import integrity, own_names
from sldb.push_pull.backup_vfs import open_backup
from sldb.push_pull.file_pages import FileTooShort, read_pages

_MAX_PAGE_BYTES = 65536
_BUSY_SECONDS, _BUSY_PAUSE_SECONDS = 30.0, 0.002


@dataclass(slots=True)
class Source:
    path: Path
    page_size: int  # bytes
    page_count: int
    likely_first_page: bytes
    first_page: bytes = b""  # known after all pages have been read
    unchecked: tuple[str, ...] = ()  # tables that could not be checked, and the reasons
    _connection: apsw.Connection | None = field(default=None, repr=False)
    _file: BinaryIO | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """The size in bytes of the file without -wal."""
        return self.page_size * self.page_count

    def own_names(self) -> list[tuple[str, str]]:
        """Return kind and name of each object with a name reserved for sldb."""
        if self._connection is None:
            return []
        with _sqlite_errors(self.path):
            return own_names.find(self._connection)

    def pages(self, slots: Sequence[memoryview]) -> Iterator[range]:
        """Fill the slots, of one page each, with all pages but the first and the lock page, ascending; yield the page
        numbers each time, consecutive and from the first slot on; once. Raises SldbError."""
        if self._connection is None or self._file is None:
            self.first_page = self.likely_first_page
            return
        with _sqlite_errors(self.path):
            if _has_frames(Path(self._connection.filename_wal)):
                yield from self._from_backup(self._connection, slots)
            else:
                yield from self._from_file(self._file, slots)

    def _from_file(self, file: BinaryIO, slots: Sequence[memoryview]) -> Iterator[range]:
        file.seek(0)
        self.first_page = file.read(self.page_size)
        yield from read_pages(file, self.page_size, self.page_count, slots)

    def _from_backup(self, connection: apsw.Connection, slots: Sequence[memoryview]) -> Iterator[range]:
        filled = range(0)
        for pgno, page in self._backed_up(connection):
            if len(filled) == len(slots) or pgno != filled.stop:
                if filled:
                    yield filled
                filled = range(pgno, pgno)
            slots[len(filled)][:] = page
            filled = range(filled.start, pgno + 1)
        if filled:
            yield filled

    def _backed_up(self, connection: apsw.Connection) -> Iterator[tuple[Pgno, bytes]]:
        skipped, expected = lock_page(self.page_size), 2
        with open_backup(connection) as backup:
            while pages := backup.next_pages():
                for offset, page in pages:
                    pgno = offset // self.page_size + 1
                    if pgno == 1:
                        self.first_page = page
                        continue
                    expected += expected == skipped
                    if pgno != expected or len(page) != self.page_size:
                        raise AssertionError(f"SQLite's backup wrote page {pgno} where {expected} was to come")
                    expected += 1
                    yield Pgno(pgno), page
        expected += expected == skipped
        if expected != self.page_count + 1 or not self.first_page:
            raise AssertionError(f"SQLite's backup wrote {expected - 1} pages of {self.page_count}")


@contextmanager
def open_source(path: Path, check: bool = True) -> Iterator[Source]:
    """Yield the source. Raises SldbError `not_found`, or `bad_request` for anything but a sound SQLite file.

    `check`: have SQLite look for damage first (quick_check), which reads the whole file.
    """
    size = _regular_file_size(path)
    if not size and not _has_wal(path):
        yield _empty(path)
        return
    with ExitStack() as closing:
        source = closing.enter_context(_opened(path, check))
        if found := source.own_names():
            with _sqlite_errors(path):
                assert source._connection is not None
                copy = closing.enter_context(own_names.copy_without(source._connection, path, found))
            unchecked = source.unchecked
            source = closing.enter_context(_opened(copy, check=False))
            source.unchecked = unchecked
        yield source


@contextmanager
def _opened(path: Path, check: bool) -> Iterator[Source]:
    with ExitStack() as closing:
        with _sqlite_errors(path):
            # Closed after SQLite has closed the file: closing any handle of it drops the locks of the process on it.
            file = closing.enter_context(path.open("rb"))
            beginning = file.read(_MAX_PAGE_BYTES)
            connection = _connect(path)
            closing.callback(connection.close)
            connection.execute("PRAGMA query_only = ON; BEGIN")
            page_count = _number(connection, "SELECT count(*) FROM sqlite_schema; PRAGMA page_count")
            page_size = _number(connection, "PRAGMA page_size")
            _check_same_file(path, file)
            _check_whole_pages(path, page_size)
            unchecked = _check(path, connection) if check else ()
        if not page_count:
            yield _empty(path)
        else:
            first_page = beginning[:page_size].ljust(page_size, b"\0")
            yield Source(
                path, page_size, page_count, first_page, unchecked=unchecked, _connection=connection, _file=file
            )


def _regular_file_size(path: Path) -> int:
    """Return the size of a regular file. Raises SldbError."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise SldbError("bad_request", f"{path}: there is no such file") from error
    except OSError as error:
        raise SldbError("bad_request", f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise SldbError("bad_request", f"{path} is {what}, want a SQLite file")
    return status.st_size


def _has_wal(path: Path) -> bool:
    return _has_frames(path.with_name(f"{path.name}-wal"))


def _has_frames(wal: Path) -> bool:
    return wal.exists() and wal.stat().st_size > 0


def _empty(path: Path) -> Source:
    """Return the source of an empty database with its first page, for a file without any page."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute("PRAGMA page_size = 4096; CREATE TABLE t (a); DROP TABLE t; VACUUM")
        page = connection.serialize("main")
    finally:
        connection.close()
    return Source(path, len(page), 1, page)


def _connect(path: Path) -> apsw.Connection:
    """Connect: read-only if there is a -wal, since the last writable connection moves it into the file on closing.

    Without a -wal the connection is writable: only such a one removes the files put beside it by SQLite, and rolls back
    the transaction of a dead writer, as any program does on opening the file.
    """
    may_write = not _has_wal(path)
    connection = apsw.Connection(
        os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE if may_write else apsw.SQLITE_OPEN_READONLY
    )
    connection.set_busy_handler(_wait_when_busy())
    return connection


def _wait_when_busy() -> Callable[[int], bool]:
    """Return a busy handler that tries more often than SQLite's own: a busy writer would starve that one."""
    until = time.monotonic() + _BUSY_SECONDS

    def waits(_tries: int) -> bool:
        time.sleep(_BUSY_PAUSE_SECONDS)
        return time.monotonic() < until

    return waits


def _check_same_file(path: Path, file: BinaryIO) -> None:
    """Raise `bad_request` if SQLite may have opened another file than `file`, opened by the same path before it."""
    if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
        raise SldbError("bad_request", f"{path} was replaced while it was opened", "push again")


def _check_whole_pages(path: Path, page_size: int) -> None:
    """Raise `bad_request` if the last page is incomplete: SQLite would fill it with zeros."""
    size = path.stat().st_size
    if size % page_size:
        raise SldbError(
            "bad_request",
            f"{path} is truncated: {size} bytes are not a whole number of pages of {page_size} bytes",
            "make a complete copy",
        )


def _check(path: Path, connection: apsw.Connection) -> tuple[str, ...]:
    """Check the file, and return the tables without a check. Raises `bad_request` if the file is damaged."""
    found = integrity.examine(connection)
    if found.damage:
        raise SldbError(
            "bad_request",
            f"{path} is damaged: {'; '.join(found.damage)}",
            "repair it (sqlite3 FILE .recover), or push it as it is with --no-check",
        )
    return found.unchecked


def _number(connection: apsw.Connection, sql: str) -> int:
    return int(list(connection.execute(sql))[-1][0])


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into SldbErrors."""
    try:
        yield
    except apsw.NotADBError as error:
        raise SldbError("bad_request", f"{path} is not a SQLite database, or an encrypted one") from error
    except apsw.CorruptError as error:
        raise SldbError(
            "bad_request",
            f"{path} is damaged or truncated: {error}",
            "repair it (sqlite3 FILE .recover), or take a sound copy",
        ) from error
    except apsw.BusyError as error:
        hint = "try again when the program that writes to it has finished"
        raise SldbError("bad_request", f"{path} is locked by another program: {error}", hint) from error
    except apsw.Error as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error.strerror}") from error
    except FileTooShort as error:
        raise SldbError("bad_request", f"{path} was truncated while it was read", "push a copy of it") from error
