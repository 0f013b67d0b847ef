"""Interior pages of SQLite's b-trees: their children, in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_handlers.storage.log.ltx import Pgno

INTERIOR_KINDS = (2, 5)  # first byte of an interior page of an index, of a table
SCHEMA_ROOT = Pgno(1)
_BTREE_HEADER_OF_PAGE_1 = 100  # where it begins, after the header of the database


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
