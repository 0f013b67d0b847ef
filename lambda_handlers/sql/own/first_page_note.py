"""The note of a transaction that writes page 1 and no table: in the free bytes of that page.

A pushed file has no table for notes (`sql.own.notes`), and of its pages only the first can be changed at the commit.
Between the cell pointers of a b-tree page and its cells are bytes without a meaning (https://www.sqlite.org/fileformat.html,
section 1.6, "unallocated region"): SQLite neither reads nor checks them. The note is at their start. `note_page` in the
header of the file is 1 then.

    checksum (4 bytes, of `notes`), length of the JSON (2 bytes), JSON

A page that its schema fills has no room; then the transaction has no note.
"""

from __future__ import annotations

from lambda_handlers.sql.own.notes import checksum, decode, encode
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.wire.note import Note

_BTREE_AT = 100  # behind the header of the database
_HEADER_BYTES = {0x0D: 8, 0x05: 12}  # of a leaf and an interior page of a table, by their first byte
_RESERVED_AT = 20  # in page 1: unused bytes at the end of each page
_CHECKSUM_BYTES, _LENGTH_BYTES = 4, 2


def with_note(page: bytes, note: Note, txid: Txid) -> bytes | None:
    """Return page 1 with the note of transaction `txid`; None if it has no room for it."""
    body = encode(note)
    written = checksum(body, txid) + len(body).to_bytes(_LENGTH_BYTES, "big") + body
    start, end = _free(page)
    if end - start < len(written):
        return None
    return page[:start] + written + page[start + len(written) :]


def read(page: bytes, txid: Txid) -> Note | None:
    """Return the note of transaction `txid` in page 1 of its file; None if there is none."""
    start, end = _free(page)
    at = start + _CHECKSUM_BYTES + _LENGTH_BYTES
    if at > end:
        return None
    length = int.from_bytes(page[at - _LENGTH_BYTES : at], "big")
    body = page[at : at + length]
    if at + length > end or page[start : start + _CHECKSUM_BYTES] != checksum(body, txid):
        return None
    return decode(body)


def _free(page: bytes) -> tuple[int, int]:
    """Return where the free bytes begin and end; an empty range for a page that is no such page of SQLite's."""
    size = _HEADER_BYTES.get(page[_BTREE_AT], 0) if len(page) > _BTREE_AT + 8 else 0
    if not size:
        return 0, 0
    cells, content = (int.from_bytes(page[at : at + 2], "big") for at in (_BTREE_AT + 3, _BTREE_AT + 5))
    start, end = _BTREE_AT + size + 2 * cells, content or 1 << 16  # 0 stands for 65,536
    return (start, end) if start <= end <= len(page) - page[_RESERVED_AT] else (0, 0)
