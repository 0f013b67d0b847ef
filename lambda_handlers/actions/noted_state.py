"""States with the note of the transaction that makes them: those of the past, and those of a new page 1.

The restored pages hold the table of notes as it was then. So the note is written over them, by SQLite, into a draft
that is never committed; what it changes is a page or two, and joins the restored pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import apsw

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.database.local_copy import Workspace
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql.own import first_page_note, notes
from lambda_handlers.sql.session import WRITE, Session
from lambda_handlers.storage.log.ltx import Marks, Pgno, Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.wire.note import Note


@dataclass(frozen=True, slots=True)
class Noted:
    """The changes of a state by a note."""

    pages: Mapping[Pgno, bytes]
    page_count: int  # of the state with the note
    note_page: int = 0


def with_note(context: ActionContext, past: Replica, note: Note, txid: Txid) -> Noted:
    """Return the changes of a state by the note of transaction `txid`. Raises SldbError."""
    workspace = Workspace(past, context.resources.directory)
    try:
        session = Session(workspace.vfs, WRITE, context.reading_deadline)
        try:
            page = session.trusted(partial(_record, txid=txid, note=note))
            changes = workspace.draft.changes()
            return Noted(dict(changes.pages()), changes.page_count, page)
        finally:
            session.close()
    finally:
        workspace.close()


def noted(context: ActionContext, first_page: bytes, txid: Txid) -> tuple[bytes, Marks]:
    """Return page 1 with the caller of the action in its free bytes, and the marks of transaction `txid`, which writes
    it. Both are without a note if the caller has no name, or the page has no room."""
    note = Note(caller=context.caller.name or None)
    page = None if note.is_empty else first_page_note.with_note(first_page, note, txid)
    return (first_page, Marks()) if page is None else (page, Marks(note_page=1))


def _record(connection: apsw.Connection, txid: Txid, note: Note) -> int:
    """Record the note, and commit it in the draft; return the page with it."""
    connection.execute("BEGIN IMMEDIATE")
    page = notes.record(connection, txid, note)
    connection.execute("COMMIT")
    return page
