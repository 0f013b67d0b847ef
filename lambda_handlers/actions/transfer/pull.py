"""pull: the files of a database, now or in the past, and their URLs, for a client to make a SQLite file of them.

The client itself reads the files of the chain and folds them; none of them passes through the function. Files of a
chain are never changed. If retention has removed one meanwhile, another chain leads to the same txid: the client pulls
again.

pull            Arguments: at: a txid or an RFC 3339 time, default now
                Reply: {"database", "txid", "time", "page_size", "pages", "files": [{"file", "bytes"}, …] in their
                order; names of files are those below <database>/}
pull_urls       Arguments: files. Reply: {"urls": of each file, or null if the store has none, "seconds"}
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.readable_state import check_readable
from lambda_handlers.database.errors import dropped
from lambda_handlers.database.vanished_files import repeat_while_vanishing
from lambda_handlers.shared.times import utc
from lambda_handlers.storage.listing import Listing, check_finished, file_facts, list_chain, list_files, read_header
from lambda_handlers.storage.log import chain, ltx
from lambda_handlers.storage.log.copy_mark import check_name
from lambda_handlers.storage.log.keys import LtxName, database_prefix, parse_ltx_key, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import Action, bad_request

URL_SECONDS = 900
MAX_URLS = 1000
WORTH_LEAVING_BYTES = 1 << 20  # reading a smaller file is as fast as the check


def pull(context: ActionContext, action: Action) -> dict[str, Any]:
    at = arguments.moment(arguments.known(action, "at"), "at")

    def attempt() -> dict[str, Any]:
        try:
            return _pull(context, action.database, at)
        except NotFound:
            raise
        except StoreError as error:
            raise store_error(error) from error

    return repeat_while_vanishing(attempt, action.database, NotFound)


def _pull(context: ActionContext, database: str, at: int | str | None) -> dict[str, Any]:
    txid = _newest(context, database) if at is None else context.database(database).txid_at(at)
    listing = check_readable(context, database, txid)
    names = listing.chain_to(txid)
    header = read_header(context.store, database, names[-1], listing.sizes[names[-1]])
    check_name(header, names[-1], names[-1].key(database))
    if not header.commit:
        raise dropped(database, txid, header.timestamp_ms, context.retention_days)
    names = _needed(context, listing, names)
    return {
        "database": database,
        "txid": txid,
        "time": utc(header.timestamp_ms),
        "page_size": header.page_size,
        "pages": header.commit,
        "files": [{"file": _below(database, name), "bytes": listing.sizes[name]} for name in names],
    }


def pull_urls(context: ActionContext, action: Action) -> dict[str, Any]:
    names = arguments.known(action, "files").get("files")
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_URLS:
        bad_request("arguments.files", names, f"1 to {MAX_URLS} names of files")
    keys = [f"{database_prefix(action.database)}{name}" for name in names]
    for name, key in zip(names, keys, strict=True):
        if parse_ltx_key(action.database, key) is None:
            bad_request("arguments.files", name, "names of files from the reply of `pull`")
    try:
        urls = context.store.presign("GET", keys, URL_SECONDS)
    except StoreError as error:
        raise store_error(error) from error
    return {"urls": urls, "seconds": URL_SECONDS}


def _newest(context: ActionContext, database: str) -> Txid:
    """Return the newest transaction of the unbroken log. A LIST of many pages is not a snapshot: it may have passed the
    key of n + 1 before that was created, and then find n + 2, so only a gap in a second LIST is a gap."""
    listing = list_chain(context.store, database)
    check_finished(context.store, listing)
    plan = chain.plan(listing.sizes)
    if plan.reach < plan.newest:
        plan = chain.plan(list_files(context.store, database).sizes)
    if plan.reach < plan.newest:
        missing = transaction(plan.reach + 1).key(database)
        ltx.corrupt(missing, "transaction", "no object", f"one, because there is a transaction {plan.newest}")
    return plan.reach


def _needed(context: ActionContext, listing: Listing, chain_: tuple[LtxName, ...]) -> tuple[LtxName, ...]:
    """Return the end of a chain, from the newest file with every page on: those before it hold no current page (a push
    replaced them all). Only large files are worth the check."""
    for at in range(len(chain_) - 1, 0, -1):
        if listing.sizes[chain_[at]] >= WORTH_LEAVING_BYTES:
            facts = file_facts(context.store, listing, chain_[at])
            header, count = facts.header, facts.page_count
            if count == header.commit - (ltx.lock_page(header.page_size) <= header.commit):
                return chain_[at:]
    return chain_


def _below(database: str, name: LtxName) -> str:
    return name.key(database).removeprefix(database_prefix(database))
