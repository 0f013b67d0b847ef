"""The pages of a SQLite file, read from the file itself: three times as fast as by SQLite's backup (`backup_vfs`).

That is right while nothing can change the file: during a read transaction without frames in the -wal. Without a WAL,
the transaction holds a lock that keeps every writer out. With an empty one, it holds the one that checkpoints need
before they move anything into the file (WAL_READ_LOCK(0)), and writers go on in the -wal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from lambda_handlers.storage.log.ltx import lock_page


class FileTooShort(Exception):
    """The file ends before a page."""


def read_pages(
    file: BinaryIO, page_size: int, page_count: int, slots: Sequence[memoryview], first: int = 2
) -> Iterator[range]:
    """Fill the slots, of one page each, with the pages from `first` on but the lock page; yield the page numbers each
    time, consecutive and from the first slot on. Raises FileTooShort, OSError."""
    skipped = lock_page(page_size)
    while first <= page_count:
        end = min(first + len(slots), page_count + 1)
        if first <= skipped < end:
            end = skipped
        if first < end:
            _read(file, slots[: end - first], (first - 1) * page_size)
            yield range(first, end)
        first = end + (end == skipped)


def _read(file: BinaryIO, slots: Sequence[memoryview], offset: int) -> None:
    wanted = sum(map(len, slots))
    if hasattr(os, "preadv") and os.preadv(file.fileno(), slots, offset) == wanted:  # not on Windows
        return
    file.seek(offset)
    for slot in slots:
        if file.readinto(slot) != len(slot):  # type: ignore[attr-defined]  # of every buffered file
            raise FileTooShort
