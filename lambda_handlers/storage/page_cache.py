"""Pages in a sparse local file: the copy of a database that a warm container keeps, and the pages that a running
transaction has written.

Disposable: nothing here is the truth, the log is. After a crash or any doubt it is forgotten and fetched again. A
page that is not present reads as None, which is where fetching a missing page belongs.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lambda_handlers.storage.ltx import Pgno


class PageCache:
    """Pages by number, all of one size; the file is removed when it is closed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=directory, prefix="pages-", buffering=0)  # noqa: SIM115 - held open
        self._fd = self._file.fileno()
        # Also closed, without a warning, when a container's copies are dropped with the container.
        self._finalize = weakref.finalize(self, self._file.close)
        self._present = bytearray()  # one flag per page
        self.page_size = 0  # bytes; 0 until the first page is known

    def read(self, pgno: Pgno) -> bytes | None:
        if pgno > len(self._present) or not self._present[pgno - 1]:
            return None
        return _read_at(self._fd, self.page_size, (pgno - 1) * self.page_size)

    def write(self, pgno: Pgno, page: bytes) -> None:
        if _write_at(self._fd, page, (pgno - 1) * self.page_size) != len(page):
            raise OSError(f"page {pgno}: the cache file took only a part of it")
        if pgno > len(self._present):
            self._present.extend(bytes(pgno - len(self._present)))
        self._present[pgno - 1] = 1

    def truncate(self, page_count: int) -> None:
        """Forget the pages above `page_count`."""
        if page_count < len(self._present):
            os.ftruncate(self._fd, page_count * self.page_size)
            del self._present[page_count:]

    def forget(self) -> None:
        self.truncate(0)

    def pages(self) -> Iterator[Pgno]:
        """The pages that are present, ascending."""
        position = self._present.find(1)
        while position >= 0:
            yield Pgno(position + 1)
            position = self._present.find(1, position + 1)

    def first_missing(self, page_count: int, besides: Pgno) -> Pgno | None:
        """The first of `page_count` pages that is not present, other than `besides`."""
        position = -1
        while (position := self._present.find(0, position + 1, page_count)) >= 0:
            if position + 1 != besides:
                return Pgno(position + 1)
        if len(self._present) < page_count and (len(self._present), page_count) != (besides - 1, besides):
            return Pgno(len(self._present) + 1)
        return None

    def close(self) -> None:
        self._finalize()


if hasattr(os, "pread"):
    _read_at, _write_at = os.pread, os.pwrite
else:  # Windows

    def _read_at(fd: int, length: int, offset: int, /) -> bytes:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)

    def _write_at(fd: int, data: Any, offset: int, /) -> int:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)
