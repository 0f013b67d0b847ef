"""A SQLite file that is to be pushed: checked, and read page by page as of one moment.

The pages come from SQLite's own backup, inside one read transaction, so that a -wal beside the file counts as far as it
is committed, and other programs may write meanwhile: with a WAL they go on, otherwise they wait until all is read. The
backup writes into a file that keeps nothing (`catcher`), which is why neither memory nor disk limits its size.

SQLite copies pages in ascending order, and changes none of them but page 1, which it writes at the very end. Until then
`likely_first_page` stands in for it: page 1 as it lies in the file, which may be older than what the -wal has.

Tables of sldb's own are left out (`own_names`): a file that has some is copied first.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from lambda_handlers.storage.log.ltx import Pgno, lock_page
from lambda_handlers.wire import SldbError
from sldb.push_pull import integrity, own_names
from sldb.push_pull.backup_vfs import copying

_LARGEST_PAGE_BYTES = 65536
_BUSY_SECONDS, _BUSY_PAUSE_SECONDS = 30.0, 0.002


@dataclass(slots=True)
class Source:
    path: Path
    page_size: int  # bytes
    page_count: int
    likely_first_page: bytes
    first_page: bytes = b""  # as it is; known when all pages have been read
    unchecked: tuple[str, ...] = ()  # tables that could not be looked at, and why
    _connection: apsw.Connection | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Bytes, as a file without -wal."""
        return self.page_size * self.page_count

    def own_names(self) -> list[tuple[str, str]]:
        """What only sldb may have made: kinds and names."""
        if self._connection is None:
            return []
        with _reading(self.path):
            return own_names.find(self._connection)

    def pages(self) -> Iterator[tuple[Pgno, bytes]]:
        """All pages but the first and the lock page, ascending; once. Raises SldbError."""
        if self._connection is None:
            self.first_page = self.likely_first_page
            return
        with _reading(self.path):
            yield from self._backed_up(self._connection)

    def _backed_up(self, connection: apsw.Connection) -> Iterator[tuple[Pgno, bytes]]:
        skipped, expected = lock_page(self.page_size), 2
        with copying(connection) as copy:
            while pages := copy.step():
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
    """`check`: let SQLite look for damage first (quick_check), which reads all of the file. Raises SldbError
    `not_found` or `bad_request` for what is no sound SQLite file."""
    size = _regular_file(path)
    if not size and not _has_wal(path):
        yield _empty(path)
        return
    with ExitStack() as closing:
        source = closing.enter_context(_opened(path, check))
        if found := source.own_names():
            with _reading(path):
                assert source._connection is not None
                copy = closing.enter_context(own_names.copy_without(source._connection, path, found))
            unchecked = source.unchecked
            source = closing.enter_context(_opened(copy, check=False))
            source.unchecked = unchecked
        yield source


@contextmanager
def _opened(path: Path, check: bool) -> Iterator[Source]:
    with ExitStack() as closing:
        with _reading(path):
            # Before SQLite opens it: a process that closes any handle of a file loses all its POSIX locks on it.
            beginning = _beginning(path)
            connection = _connect(path)
            closing.callback(connection.close)
            connection.execute("PRAGMA query_only = ON; BEGIN")
            page_count = _one(connection, "SELECT count(*) FROM sqlite_schema; PRAGMA page_count")
            page_size = _one(connection, "PRAGMA page_size")
            _check_whole_pages(path, page_size)
            unchecked = _check(path, connection) if check else ()
        if not page_count:
            yield _empty(path)
        else:
            yield Source(
                *(path, page_size, page_count, beginning[:page_size].ljust(page_size, b"\0")),
                unchecked=unchecked,
                _connection=connection,
            )


def _regular_file(path: Path) -> int:
    """Its size; raises SldbError for what is none."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise SldbError("not_found", f"{path}: there is no such file") from error
    except OSError as error:
        raise SldbError("bad_request", f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        what = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise SldbError("bad_request", f"{path} is {what}, want a SQLite file")
    return status.st_size


def _has_wal(path: Path) -> bool:
    wal = path.with_name(f"{path.name}-wal")
    return wal.exists() and wal.stat().st_size > 0


def _empty(path: Path) -> Source:
    """A database without a page, which SQLite takes for an empty one: as one that has its first page."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute("PRAGMA page_size = 4096; CREATE TABLE t (a); DROP TABLE t; VACUUM")
        page = connection.serialize("main")
    finally:
        connection.close()
    return Source(path, len(page), 1, page)


def _connect(path: Path) -> apsw.Connection:
    """Read-only where there is a -wal: the last connection that may write moves it into the file when it closes.
    Otherwise not, since only one that may write removes what SQLite has put beside the file, and takes back what a
    writer that died had begun, as any program that opens the file would."""
    may_write = not _has_wal(path)
    connection = apsw.Connection(
        os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE if may_write else apsw.SQLITE_OPEN_READONLY
    )
    connection.set_busy_handler(_patience())
    return connection


def _patience() -> Callable[[int], bool]:
    """Waits for a writer who commits. Looks more often than SQLite's own handler, which a busy writer starves."""
    until = time.monotonic() + _BUSY_SECONDS

    def waits(_tries: int) -> bool:
        time.sleep(_BUSY_PAUSE_SECONDS)
        return time.monotonic() < until

    return waits


def _check_whole_pages(path: Path, page_size: int) -> None:
    """SQLite takes zeros for what is missing of the last page."""
    size = path.stat().st_size
    if size % page_size:
        raise SldbError(
            "bad_request",
            f"{path} is cut off: {size} bytes are no whole number of pages of {page_size} bytes",
            "take a whole copy",
        )


def _check(path: Path, connection: apsw.Connection) -> tuple[str, ...]:
    """Return what could not be looked at; raise `bad_request` for what is damaged."""
    found = integrity.examine(connection)
    if found.damage:
        raise SldbError(
            "bad_request",
            f"{path} is damaged: {'; '.join(found.damage)}",
            "repair it (sqlite3 FILE .recover), or push it as it is with --no-check",
        )
    return found.unchecked


def _one(connection: apsw.Connection, sql: str) -> int:
    return int(list(connection.execute(sql))[-1][0])


def _beginning(path: Path) -> bytes:
    """As much as the largest first page has."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_PAGE_BYTES)
    except OSError as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What SQLite says of the file, as our errors."""
    try:
        yield
    except apsw.NotADBError as error:
        raise SldbError("bad_request", f"{path} is no SQLite database, or an encrypted one") from error
    except apsw.CorruptError as error:
        raise SldbError(
            "bad_request",
            f"{path} is damaged or cut off: {error}",
            "repair it (sqlite3 FILE .recover), or take a sound copy",
        ) from error
    except apsw.BusyError as error:
        hint = "try again when the program that writes to it has finished"
        raise SldbError("bad_request", f"{path} is locked by another program: {error}", hint) from error
    except apsw.Error as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error}") from error
