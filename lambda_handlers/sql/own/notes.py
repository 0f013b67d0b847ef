"""The note of a transaction, in the database changed by it, in the same SQLite transaction.

The table has one row: that of the newest transaction with a note. The notes before it are not lost. Each file of the
log has the pages that its transaction changed, so the note of a transaction is in its own file (`note_page`), and the
header of the file says in which page (ltx.Marks). Therefore

- the history reads a note from the file that it reads anyway, and no table grows;
- a note lives as long as the file of its transaction, whatever a restore, a push or a VACUUM makes of the table;
- a copy of the file, as in a branch, has the note.

The row has the txid, so that no other transaction is taken for the note's. The note is a blob of JSON in UTF-8,
whatever the encoding of the database, with a checksum: a page of a large file is read without the checksum of the file.
"""

from __future__ import annotations

import json
import zlib

import apsw

from lambda_handlers.sql.own.own_tables import OUR_TABLES, OwnTable
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.wire.note import MAX_CALLER_CHARACTERS, Note

TABLE = OUR_TABLES + "note"
NOTES = OwnTable(
    TABLE, (f"CREATE TABLE {TABLE} (txid INTEGER PRIMARY KEY, note BLOB NOT NULL, checksum BLOB NOT NULL)",)
)


def record(connection: apsw.Connection, txid: Txid, note: Note) -> int:
    """Record the note of the open transaction, which is about to be `txid`; return the page with it."""
    if not NOTES.is_there(connection):
        NOTES.make(connection)
    connection.execute(f"DELETE FROM main.{TABLE}")
    body = encode(note)
    connection.execute(f"INSERT INTO main.{TABLE} VALUES (?, ?, ?)", (txid, body, checksum(body, txid)))
    found = connection.execute("SELECT rootpage FROM main.sqlite_schema WHERE name = ?", (TABLE,)).fetchone()
    assert found is not None
    return int(found[0])


def encode(note: Note) -> bytes:
    """Return the note as JSON, without the fields that it lacks."""
    caller = (note.caller or "")[:MAX_CALLER_CHARACTERS]
    fields = {"message": note.message, "command": note.command, "caller": caller}
    given = {name: value for name, value in fields.items() if value}
    return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")


def decode(body: bytes) -> Note | None:
    """Return the note, or None for bytes that are not sldb's."""
    try:
        fields = dict(json.loads(body))
        return Note(*(str(fields[name]) if name in fields else None for name in ("message", "command", "caller")))
    except (ValueError, TypeError):
        return None


def checksum(body: bytes, txid: Txid) -> bytes:
    return zlib.crc32(body, zlib.crc32(txid.to_bytes(8, "big"))).to_bytes(4, "big")
