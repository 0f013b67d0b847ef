"""The note in the page of its table, read without SQLite: one leaf page of a table with one row. A note in page 1 is
that of `first_page_note`.

Format: https://www.sqlite.org/fileformat.html, sections 1.6 and 2. Whatever is not such a page holds no note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lambda_handlers.sql.own import first_page_note
from lambda_handlers.sql.own.notes import checksum, decode
from lambda_handlers.storage.log.ltx import Pgno, Txid
from lambda_handlers.wire.note import Note

_LEAF = 0x0D  # of a table
_RESERVED_AT = 20  # in page 1: unused bytes at the end of each page
_MAX_NOTE_BYTES = 16 << 10
_FIRST_BLOB = 12  # serial types of blobs are even, from here on

ReadPage = Callable[[Pgno], "bytes | None"]  # a page of the transaction's file; None if the file does not have it


def read(page_of: ReadPage, root: Pgno, txid: Txid) -> Note | None:
    """Return the note of transaction `txid` from the page `root` of its file; None if there is none."""
    page = page_of(root)
    if page and root == 1:
        return first_page_note.read(page, txid)
    if not page or page[0] != _LEAF or int.from_bytes(page[3:5], "big") != 1:
        return None
    try:
        numbers = _varints(page, int.from_bytes(page[8:10], "big"))
        (size, _), (rowid, start) = next(numbers), next(numbers)
        if rowid != txid or size > _MAX_NOTE_BYTES:
            return None
        return _note(_payload(page_of, page, start, size), txid)
    except (StopIteration, IndexError, ValueError):
        return None


def _note(payload: bytes, txid: Txid) -> Note | None:
    """Return the note in a record of three columns: NULL in place of the rowid, and two blobs."""
    numbers = _varints(payload, 0)
    (start, _), *kinds = (next(numbers) for _ in range(4))
    rowid_kind, *blob_kinds = (kind for kind, _ in kinds)
    if rowid_kind or any(kind < _FIRST_BLOB or kind % 2 for kind in blob_kinds):
        return None
    middle, end = (start + sum(kind - _FIRST_BLOB for kind in blob_kinds[:count]) // 2 for count in (1, 2))
    body = payload[start:middle]
    return decode(body) if payload[middle:end] == checksum(body, txid) else None


def _payload(page_of: ReadPage, page: bytes, start: int, size: int) -> bytes:
    """Return a cell's payload, which begins at `start` and may go on in overflow pages."""
    first = page_of(Pgno(1))
    if first is None:
        raise ValueError("no page 1")
    usable = len(page) - first[_RESERVED_AT]
    local = _local_bytes(size, usable)
    payload = page[start : start + local]
    following = int.from_bytes(page[start + local : start + local + 4], "big")
    while len(payload) < size:
        more = page_of(Pgno(following))
        if more is None or usable <= 4:
            raise ValueError("an overflow page is missing")
        payload += more[4:usable][: size - len(payload)]
        following = int.from_bytes(more[:4], "big")
    return payload


def _local_bytes(size: int, usable: int) -> int:
    """Return the number of a payload's bytes in the leaf page itself."""
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    if size <= most:
        return size
    local = least + (size - least) % (usable - 4)
    return local if local <= most else least


def _varints(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield SQLite's variable-length integers, each with the place behind it."""
    while at < len(data):
        number = 0
        for position in range(9):
            byte = data[at]
            at += 1
            if position == 8:
                number = number << 8 | byte
                break
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                break
        yield number, at
