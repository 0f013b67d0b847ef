"""databases: the databases of the stack that the caller may read.

Arguments   all: dropped ones, too. details: true to look at each database (two requests or more), false for the names
            alone, by one LIST for each 1,000; by default true for up to DETAILED databases. names: these alone, NAMED
            at most
Reply       {"databases": [{"name", "state": ok, dropped or unfinished (an interrupted copy), "txid", "time": of the
            newest transaction, "bytes": of the database, "stored_bytes": of all its objects, "page_size",
            "foreign_keys"?: true if they are enforced by default (only if ok; null if it cannot be read now),
            "until"?: the end of the time in which it can be restored}, …]}. A database with an unreadable newest file
            is {"name", "state": damaged, "txid", "stored_bytes", "problem"}. Without details, a database is {"name"}

A directory stays when its database is dropped. So a name with a doubt (storage.log.doubts) is looked at in any case,
and so is every name of a store without the doubts of all its databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.clone_mark import is_unfinished
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.replace_content import past_of
from lambda_handlers.database.errors import kept_until
from lambda_handlers.shared.times import utc
from lambda_handlers.storage import foreign_keys
from lambda_handlers.storage.listing import Listing, header_and_first_page, list_files, side_by_side
from lambda_handlers.storage.log import doubts
from lambda_handlers.storage.log.keys import database_names
from lambda_handlers.storage.log.ltx import Header, Pgno, Txid
from lambda_handlers.storage.replica import Gone
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import StoreError
from lambda_handlers.wire import Action, SldbError

DETAILED = 100
NAMED = 100


def databases(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "all", "details", "names")
    shows_all, named = arguments.flag(given, "all"), arguments.names(given, "names", NAMED)
    try:
        directories = context.store.list_directories("") if named is None else named
        names = [name for name in database_names(directories) if context.caller.may_read(name)]
        has_details = arguments.flag(given, "details", default=named is not None or len(names) <= DETAILED)
        looked_at = names if has_details else doubts.doubtful(names, directories)
        entries = dict(zip(looked_at, _entries(context, looked_at), strict=True))
    except StoreError as error:
        raise store_error(error) from error
    found = [entries.get(name, {"name": name}) for name in names]
    shown = [one for one in found if one and (shows_all or one.get("state") != "dropped")]
    return {"databases": [_with_setting(context, one) for one in shown]}


def _entries(context: ActionContext, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what is found of each name; nothing of a name without a transaction, but perhaps with a lock."""
    return side_by_side(context.host, lambda name: _entry(context, name) or {}, names)


def _with_setting(context: ActionContext, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry with its setting. If the newest file is large, or another program wrote it, more than that file
    is read for it."""
    if entry.get("foreign_keys", True) is not None:
        return entry
    try:
        with past_of(context.database(entry["name"]), entry["txid"], context.deadline) as past:
            return {**entry, "foreign_keys": foreign_keys.are_enforced(past.read(Pgno(1)))}
    except Gone:
        return entry
    except SldbError as error:
        if error.code != "corrupt":  # it cannot be read now: report the other databases without waiting
            return entry
        return _damaged(entry["name"], entry["txid"], entry["stored_bytes"], error)


def _damaged(name: str, txid: Txid, stored_bytes: int, error: SldbError) -> dict[str, Any]:
    return {"name": name, "state": "damaged", "txid": txid, "stored_bytes": stored_bytes, "problem": error.message}


def _entry(context: ActionContext, name: str) -> dict[str, Any] | None:
    """Return the entry of a database; None if the name has no transaction, but perhaps a lock."""
    listing = list_files(context.store, name)
    newest = listing.newest_file
    if newest is None:
        return None
    try:
        header, first_page = header_and_first_page(context.store, listing, newest)
        return _sound_entry(context, listing, header, first_page)
    except SldbError as error:
        if error.code != "corrupt":
            raise
        return _damaged(name, listing.newest, listing.stored_bytes, error)


def _sound_entry(context: ActionContext, listing: Listing, header: Header, first_page: bytes | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": listing.database,
        "state": "ok" if header.commit else "dropped",
        "txid": listing.newest,
        "time": utc(header.timestamp_ms),
        "bytes": header.commit * header.page_size,
        "stored_bytes": listing.stored_bytes,
        "page_size": header.page_size,
    }
    if is_unfinished(context.store, listing):
        return {**entry, "state": "unfinished"}
    if not header.commit:
        return {**entry, "until": kept_until(header.timestamp_ms, context.retention_days)}
    return {**entry, "foreign_keys": foreign_keys.are_enforced(first_page) if first_page else None}
