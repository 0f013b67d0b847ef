"""Undo, redo and notes: an editor's history beside the log, and each note with its own transaction."""

from __future__ import annotations

from collections.abc import Sequence

from lambda_handlers.sql.own import note_page
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from tests.simulation.checking.ledger import Entry
from tests.simulation.histories import steps

MOVES = {"undo": -1, "redo": 1}


def restored_by(entries: Sequence[Entry], entry: Entry) -> int | None:
    """Return the transaction whose state an undo or redo must bring back; None if there was no such step. `entries`:
    of its log."""
    writes: list[int] = []
    at = -1  # the place in it
    for one in entries[: entry.txid]:
        if one.is_announcement:
            continue
        if (sign := MOVES.get(one.by.operation.action)) is not None:
            at += sign * one.by.operation.fields["steps"]
        else:
            del writes[at + 1 :]
            writes.append(one.txid)
            at += 1
    return writes[at] if 0 <= at < len(writes) else None


def note_problem(entry: Entry) -> str | None:
    """Return what is wrong with the note of a transaction."""
    decoder = Decoder([entry.body], "entry")
    pages = dict(decoder.pages())
    operation = entry.by.operation
    message = operation.fields.get("message") if operation.what not in steps.UNNOTED else None
    if entry.is_announcement or not decoder.header.commit or operation.fields.get("dry_run"):
        message = None
    page = decoder.header.marks.note_page
    found = note_page.read(pages.get, Pgno(page), entry.txid) if page else None
    got = found.message if found else None
    return None if got == message else f"its note is {got!r}, and was {message!r}"
