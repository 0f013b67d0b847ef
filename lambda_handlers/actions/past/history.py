"""history: the transactions of a database, newest first.

Arguments   limit (default 20), before: a txid, for the page after this one
Reply       {"database", "txid": the newest, "transactions": [{"txid", "min_txid", "time", "kind", "pages", "bytes",
            "readable", "restored", "message", "command", "caller"}, …], "next": the txid to give as `before`, or null}

`min_txid` is less than `txid` if only a file of several transactions is left of them; `kind` is null then, and for
writers that do not record it. `restored` is the transaction whose state a restore, undo or redo brought back;
`message`, `command` and `caller` are the transaction's note (sql.own.notes). They are null if there is none. `pages`
and `bytes` are those of the file, `readable` is true if `at` can still read that state.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.database.errors import no_database
from lambda_handlers.shared.times import utc
from lambda_handlers.sql.own import note_page
from lambda_handlers.storage.listing import (
    FileFacts,
    Listing,
    file_facts,
    list_files,
    list_recent,
    side_by_side,
    steps_back,
)
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.keys import FOLD_LEVEL, LtxName
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Pgno, Txid
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import DEFAULT_DATABASE, Action
from lambda_handlers.wire.note import Note

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000


def history(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "limit", "before")
    limit = arguments.whole_number(given, "limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
    before = arguments.txid(given, "before")
    listing = list_recent(context.store, context.host, action.database, limit + 1, before)
    if not listing.sizes and action.database != DEFAULT_DATABASE:
        raise no_database(action.database)
    wanted = _steps(listing, before, limit + 1)
    end = listing.newest + 1 if before is None else min(before, listing.newest + 1)
    if not listing.has_listed(wanted[-1][0].min_txid if len(wanted) > limit else 0, end):
        listing = list_files(context.store, action.database)
        wanted = _steps(listing, before, limit + 1)
    try:
        entries = list(side_by_side(context.host, lambda step: entry_of(context, listing, *step), wanted[:limit]))
    except StoreError as error:
        raise store_error(error) from error
    following = wanted[limit - 1][0].min_txid if len(wanted) > limit else None
    return {"database": action.database, "txid": listing.newest, "transactions": entries, "next": following}


def _steps(listing: Listing, before: Txid | None, count: int) -> list[tuple[LtxName, Txid]]:
    return list(islice(steps_back(listing, listing.newest + 1 if before is None else before), count))


def entry_of(context: ActionContext, listing: Listing, name: LtxName, txid: Txid | None = None) -> dict[str, Any]:
    """Return the line of a file's transactions, of which `txid` is the newest. Raises StoreError or SldbError."""
    txid = name.max_txid if txid is None else txid
    line = {
        "txid": txid,
        "min_txid": name.min_txid,
        "bytes": listing.sizes[name],
        "readable": listing.is_readable(txid),
    }
    try:
        facts = file_facts(context.store, listing, name)
        note = _note(facts, name)
    except NotFound:  # retention took it since the LIST
        unknown = dict.fromkeys(("time", "kind", "pages", "restored", "message", "command", "caller"))
        return {**line, "readable": False, **unknown}
    header = facts.header
    is_single = _is_single(name)
    kind = kinds.of_node_id(header.node_id) if is_single else Kind.UNKNOWN
    return {
        **line,
        "time": utc(header.timestamp_ms),
        "kind": kind.label if kind else None,
        "pages": facts.page_count,
        "restored": (header.marks.restored or None) if is_single else None,
        "message": note.message,
        "command": note.command,
        "caller": note.caller,
    }


def _is_single(name: LtxName) -> bool:
    """Return True for the file of one transaction. A copy of a database has its first one at level 1, unchanged; what
    is merged there has several."""
    return name.level == 0 or (name.level == FOLD_LEVEL and name.min_txid == name.max_txid)


def _note(facts: FileFacts, name: LtxName) -> Note:
    """Return the note in a file; an empty one if it has none. Raises StoreError."""
    page = Pgno(facts.header.marks.note_page)
    if not page or not _is_single(name):
        return Note()
    return note_page.read(facts.page, page, name.max_txid) or Note()
