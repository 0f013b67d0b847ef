"""A state of the past with the note of the transaction that brings it back.

The restored pages hold the table of notes as it was then. So the note is written over them, by SQLite, into a draft
that is never committed; what it changes is a page or two, and joins the restored pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import apsw

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.database.local_copy import Workspace
from lambda_handlers.sql.own import notes
from lambda_handlers.sql.session import WRITE, Session
from lambda_handlers.storage.log.ltx import Pgno, Txid
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


def _record(connection: apsw.Connection, txid: Txid, note: Note) -> int:
    """Record the note, and commit it in the draft; return the page with it."""
    connection.execute("BEGIN IMMEDIATE")
    page = notes.record(connection, txid, note)
    connection.execute("COMMIT")
    return page
