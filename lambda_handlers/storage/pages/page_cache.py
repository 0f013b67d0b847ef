"""The page cache: pages in a local file. It holds the part of a database that a warm container keeps, and the pages
that a running transaction has written.

A cache with a limit stays below it by dropping pages that were not read lately (the clock algorithm: a page read since
the last pass of the hand is spared once). One without a limit keeps everything.

Disposable: nothing here is the truth, the log is. After a crash or any doubt it is forgotten and fetched again.
"""

from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from lambda_handlers.shared import temporary
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.wire import SldbError

MIN_PAGES = 64  # that a cache keeps, however small its limit
_GROWTH_BYTES = 4 << 20  # room is made in steps, smaller ones below a small limit


class PageCache:
    """Pages by number, all of one size; the file is removed on closing.

    A page lies in a slot of the file. Slots are taken in order, and reused after their pages are dropped.
    `make_room(size)` is called before the file grows to `size` bytes."""

    def __init__(
        self,
        directory: str,
        limit_bytes: int | None = None,
        make_room: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._file = _nameless_file(directory)
        self._fd = self._file.fileno()
        # Also closed, without a warning, when a container's copies are dropped with the container.
        self._finalize = weakref.finalize(self, self._file.close)
        self._limit_bytes = limit_bytes
        self._make_room = make_room
        self.page_size = 0  # bytes; 0 until the first page is known
        self._empty()

    def _empty(self) -> None:
        self._slot_of = array("I")  # by page number - 1: the slot + 1, or 0
        self._page_in = array("I")  # by slot: the page number, or 0
        self._was_read = bytearray()  # by slot
        self._free: list[int] = []  # slots
        self._hand = 0
        self._reserved_bytes = 0

    @property
    def size_bytes(self) -> int:
        """The size of the local file."""
        return len(self._page_in) * self.page_size

    def read(self, pgno: Pgno) -> bytes | None:
        """Return a page; None if it is not here."""
        if pgno > len(self._slot_of) or not (slot := self._slot_of[pgno - 1]):
            return None
        self._was_read[slot - 1] = 1
        return _read_at(self._fd, self.page_size, (slot - 1) * self.page_size)

    def __contains__(self, pgno: Pgno) -> bool:
        return pgno <= len(self._slot_of) and self._slot_of[pgno - 1] != 0

    def write(self, pgno: Pgno, page: bytes) -> None:
        """Write a page, over any older version."""
        if pgno > len(self._slot_of):
            self._slot_of.frombytes(bytes((pgno - len(self._slot_of)) * self._slot_of.itemsize))
        slot = self._slot_of[pgno - 1] - 1
        if slot < 0:
            slot = self._take_slot()
        if _write_at(self._fd, page, slot * self.page_size) != len(page):
            self._free.append(slot)
            raise OSError(f"page {pgno}: the cache file took only a part of it")
        self._slot_of[pgno - 1] = slot + 1
        self._page_in[slot] = pgno

    def write_many(self, pages: Sequence[tuple[Pgno, bytes]]) -> None:
        """Write pages not yet here: with one write, while the cache still grows."""
        capacity = self.capacity
        if self._free or (capacity is not None and len(self._page_in) + len(pages) > capacity):
            for pgno, page in pages:
                self.write(pgno, page)
            return
        first = len(self._page_in)
        self._reserve((first + len(pages)) * self.page_size)
        data = b"".join(page for _, page in pages)
        if _write_at(self._fd, data, first * self.page_size) != len(data):
            raise OSError(f"{len(pages)} pages: the cache file took only a part of them")
        last = max((pgno for pgno, _ in pages), default=0)
        if last > len(self._slot_of):
            self._slot_of.frombytes(bytes((last - len(self._slot_of)) * self._slot_of.itemsize))
        for slot, (pgno, _) in enumerate(pages, start=first + 1):
            self._slot_of[pgno - 1] = slot
        self._page_in.extend([pgno for pgno, _ in pages])
        self._was_read.extend(bytes(len(pages)))

    def drop(self, pgno: Pgno) -> None:
        """Forget one page, if it is here."""
        if pgno in self:
            slot = self._slot_of[pgno - 1] - 1
            self._slot_of[pgno - 1] = 0
            self._page_in[slot] = 0
            self._was_read[slot] = 0
            self._free.append(slot)

    def truncate(self, page_count: int) -> None:
        """Forget the pages above `page_count`."""
        if page_count == 0:
            self.forget()
        elif page_count < len(self._slot_of):
            for number in range(page_count + 1, len(self._slot_of) + 1):
                self.drop(Pgno(number))
            del self._slot_of[page_count:]

    def forget(self) -> None:
        """Forget all pages, and give the space back."""
        if self._page_in:
            os.ftruncate(self._fd, 0)
        self._empty()

    def pages(self) -> Iterator[Pgno]:
        """Return the numbers of the present pages, ascending."""
        return iter(sorted(Pgno(pgno) for pgno in self._page_in if pgno))

    def __len__(self) -> int:
        """Return the number of present pages."""
        return len(self._page_in) - len(self._free)

    def close(self) -> None:
        self._finalize()

    @property
    def capacity(self) -> int | None:
        """The number of pages that it may hold; None: any number."""
        if self._limit_bytes is None or not self.page_size:
            return None
        return max(MIN_PAGES, self._limit_bytes // self.page_size)

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        capacity = self.capacity
        if capacity is not None and len(self._page_in) >= capacity:
            return self._evict()
        self._reserve(self.size_bytes + self.page_size)
        self._page_in.append(0)
        self._was_read.append(0)
        return len(self._page_in) - 1

    def _reserve(self, size_bytes: int) -> None:
        if size_bytes > self._reserved_bytes:
            growth = _GROWTH_BYTES if self._limit_bytes is None else min(_GROWTH_BYTES, self._limit_bytes // 16)
            self._reserved_bytes = size_bytes + growth
            self._make_room(self._reserved_bytes)

    def _evict(self) -> int:
        """Return the slot of a page not read since the last pass of the hand."""
        while self._was_read[self._hand]:
            self._was_read[self._hand] = 0
            self._hand = (self._hand + 1) % len(self._page_in)
        slot = self._hand
        self._hand = (slot + 1) % len(self._page_in)
        self._slot_of[self._page_in[slot] - 1] = 0
        self._page_in[slot] = 0
        return slot


def _nameless_file(directory: str) -> IO[bytes]:
    """Return a file that no other user can find, open or obstruct. Raises SldbError `store_error`."""
    try:
        os.makedirs(directory, exist_ok=True)
        return temporary.nameless_file(directory)
    except OSError as error:
        raise SldbError(
            "store_error",
            f"no temporary file can be made in {directory}: {error}",
            "make room there, or set TMPDIR to another directory; it holds copies of pages and nothing else",
            applied="no",
        ) from error


if hasattr(os, "pread"):
    _read_at, _write_at = os.pread, os.pwrite
else:  # Windows

    def _read_at(fd: int, length: int, offset: int, /) -> bytes:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)

    def _write_at(fd: int, data: Any, offset: int, /) -> int:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)
