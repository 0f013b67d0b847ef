"""drop_database: a transaction without a page. A new database of this name continues its txids, and restore brings the
old one back.

Arguments   if_txid: only if this is the newest transaction
Reply       {"database", "txid", "restore_at", "until", "dropped"}; an unfinished copy leaves nothing to bring back:
            `restore_at` is null then

It may be repeated: `dropped` is false then.
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.actions import arguments, unfinished_copy
from lambda_handlers.actions.clone_mark import is_unfinished
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.database.errors import check_txid, kept_until, no_database
from lambda_handlers.database.newest_state import check_newest
from lambda_handlers.storage.commit import Committed, PageChanges
from lambda_handlers.storage.listing import Listing, list_files
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import StoreError
from lambda_handlers.wire import Action


def drop_database(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "if_txid")
    if_txid = arguments.txid(given, "if_txid")
    listing = list_files(context.store, action.database)
    if not listing.sizes:
        raise no_database(action.database)
    try:
        drop_header = _drop_unfinished(context, listing, if_txid)
    except StoreError as error:
        raise store_error(error) from error
    if drop_header is not None:
        until = kept_until(drop_header.timestamp_ms, context.retention_days)
        reply = {"txid": drop_header.max_txid, "restore_at": None, "until": until, "dropped": True}
        return {"database": action.database, **reply}

    def attempt(current: Replica) -> dict[str, Any]:
        if not current.txid:
            raise no_database(action.database)
        txid, timestamp_ms, has_content = current.txid, current.timestamp_ms, current.page_count > 0
        if has_content:
            check_newest(current, if_txid)
            done = empty(current)
            txid, timestamp_ms = done.txid, done.timestamp_ms
        can_return = has_content or bool(listing.chain_to(txid - 1))
        return {
            "database": action.database,
            "txid": txid,
            "restore_at": txid - 1 if can_return else None,
            "until": kept_until(timestamp_ms, context.retention_days),
            "dropped": has_content,
        }

    return context.database(action.database).change("drop database", context.deadline, attempt)


def _drop_unfinished(context: ActionContext, listing: Listing, if_txid: Txid | None) -> Header | None:
    """Drop an unfinished copy; return the header of its last transaction, None if it is not one. Raises StoreError or
    SldbError."""
    if not is_unfinished(context.store, listing):
        return None
    check_txid(listing.database, listing.newest, if_txid)
    return unfinished_copy.drop(context, listing)


def empty(current: Replica) -> Committed:
    """Commit a transaction without a page. Raises Conflict or SldbError."""
    current.commit(PageChanges(current.page_size, 0, tuple), Kind.DROP_DATABASE, content_ms=0)
    assert current.committed is not None
    return current.committed
