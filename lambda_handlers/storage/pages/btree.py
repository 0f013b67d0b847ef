"""Pages of SQLite's b-trees: children of interior pages, and the rows in the leaves of an index.

Format: https://www.sqlite.org/fileformat.html, sections 1.6 and 2.1. The results serve guesses about the next pages. A
page of another kind, or a damaged one, gives wrong numbers or none.
"""

from __future__ import annotations

from collections.abc import Iterator

from lambda_handlers.storage.log.ltx import Pgno

INTERIOR_KINDS = (2, 5)  # first byte of an interior page of an index, of a table
INDEX_LEAF_KIND = 10
GUIDE_KINDS = (*INTERIOR_KINDS, INDEX_LEAF_KIND)  # of pages with the numbers of others
SCHEMA_ROOT = Pgno(1)
_BTREE_HEADER_OF_PAGE_1 = 100  # where it begins, after the header of the database
_TABLE_INTERIOR_KIND = 5
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}  # by serial type


def is_interior(page: bytes, pgno: Pgno) -> bool:
    """Return True for an interior page of a b-tree."""
    return page[_BTREE_HEADER_OF_PAGE_1 if pgno == SCHEMA_ROOT else 0] in INTERIOR_KINDS


def children(page: bytes, pgno: Pgno) -> Iterator[int]:
    """Yield the children of an interior page of a b-tree, in the order of their keys; none for another page. Format:
    https://www.sqlite.org/fileformat.html, section 1.6."""
    if not is_interior(page, pgno):
        return
    start = _BTREE_HEADER_OF_PAGE_1 if pgno == SCHEMA_ROOT else 0
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for at in range(start + 12, min(start + 12 + 2 * count, len(page) - 1), 2):
        cell = int.from_bytes(page[at : at + 2], "big")
        yield int.from_bytes(page[cell : cell + 4], "big")
    yield int.from_bytes(page[start + 8 : start + 12], "big")


class TablePage:
    """An interior page of a table, and the rows below its children."""

    def __init__(self, page: bytes, pgno: Pgno) -> None:
        self._page = page
        self._start = _BTREE_HEADER_OF_PAGE_1 if pgno == SCHEMA_ROOT else 0
        self._count = int.from_bytes(page[self._start + 3 : self._start + 5], "big")

    @property
    def is_one(self) -> bool:
        """True if the page is an interior page of a table."""
        return self._page[self._start] == _TABLE_INTERIOR_KIND

    def child_of(self, rowid: int) -> Pgno:
        """Return the child with a row. Raises IndexError for a damaged page."""
        position = self.position_of(rowid)
        at = self._cell(position) if position < self._count else self._start + 8
        return Pgno(int.from_bytes(self._page[at : at + 4], "big"))

    def position_of(self, rowid: int) -> int:
        """Return the position of the child with a row. Raises IndexError for a damaged page."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if rowid <= self._key(middle) else (middle + 1, high)
        return low

    def rowids_of(self, child: int) -> tuple[float, float]:
        """Return the limits of the child at this position: all its rows are above the first, none above the second."""
        before = self._key(child - 1) if child else float("-inf")
        return before, self._key(child) if child < self._count else float("inf")

    def _cell(self, number: int) -> int:
        at = self._start + 12 + 2 * number
        return int.from_bytes(self._page[at : at + 2], "big")

    def _key(self, number: int) -> int:
        key, _ = _varint(self._page, self._cell(number) + 4)
        return key - (1 << 64) if key >> 63 else key


def rowids(page: bytes) -> list[int | None]:
    """Return the numbers of the rows in a leaf of an index, in its order; None for one in an overflow page. Of an index
    of a table WITHOUT ROWID they mean nothing."""
    largest = (len(page) - 12) * 64 // 255 - 23  # a longer entry goes on in an overflow page
    count = int.from_bytes(page[3:5], "big")
    try:
        return [_rowid(page, int.from_bytes(page[at : at + 2], "big"), largest) for at in range(8, 8 + 2 * count, 2)]
    except IndexError:
        return []


def _rowid(page: bytes, cell: int, largest: int) -> int | None:
    """Return the last value of an entry: it is the number of the row."""
    size, start = _varint(page, cell)
    last = start + page[start] - 1  # of the record's header, in which integers have types of one byte
    width = _INTEGER_BYTES.get(page[last])
    if size > largest or width is None or page[last - 1] >= 0x80 or last <= start:
        return None
    if not width:
        return page[last] - 8
    return int.from_bytes(page[start + size - width : start + size], "big", signed=True)


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """Return a varint of SQLite, and the position after it."""
    value = 0
    for position in range(at, at + 8):
        byte = page[position]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + 1
    return value << 8 | page[at + 8], at + 9
