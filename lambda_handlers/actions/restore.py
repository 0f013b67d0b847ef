"""restore: a transaction that brings back the state of an earlier one. Later transactions stay in the history.

Arguments   at: a txid or an RFC 3339 time; if_txid: only if this is the newest transaction
Reply       {"database", "restored": the requested txid, "time": the time of that transaction, "txid": the newest one
            now, "before": the newest one before, "pages": the number of pages written, "changed"}

`changed` is false if the newest state is that of `restored` already: then nothing is written, regardless of `if_txid`.
So a restore sent twice is done once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.replace_content import Replaced, past_of, replace_content
from lambda_handlers.database.errors import no_database
from lambda_handlers.database.newest_state import check_newest
from lambda_handlers.shared.times import utc
from lambda_handlers.storage.listing import Listing, check_finished, list_files
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.wire import Action, SldbError


def restore(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "at", "if_txid")
    arguments.required(given, ("at",))
    at, if_txid = arguments.moment(given, "at"), arguments.txid(given, "if_txid")
    assert at is not None
    database = context.database(action.database)
    txid = database.txid_at(at)
    check_readable(context, action.database, txid)

    def attempt(current: Replica) -> tuple[Replaced, int]:
        with past_of(database, txid, context.deadline) as past:
            check = partial(check_newest, current, if_txid)
            return replace_content(context, current, past, Kind.RESTORE, check), past.timestamp_ms

    replaced, timestamp_ms = database.change(f"restore {txid}", context.deadline, attempt)
    return {
        "database": action.database,
        "restored": txid,
        "time": utc(timestamp_ms),
        "txid": replaced.txid,
        "before": replaced.before,
        "pages": replaced.pages,
        "changed": replaced.changed,
    }


def check_readable(context: ActionContext, database: str, txid: Txid) -> Listing:
    """Return the files of a database. Raises `not_found` if its state at `txid` is not available."""
    listing = list_files(context.store, database)
    if not listing.sizes:
        raise no_database(database)
    if not txid or not listing.chain_to(txid):
        check_finished(context.store, listing)
        oldest, newest = listing.oldest_readable, listing.newest
        why = "that is before its first transaction" if not txid else "it cannot be read any more"
        if txid > newest:
            why = "there is no such transaction yet"
        raise SldbError(
            "not_found",
            f"database {database} has no state at transaction {txid}: {why}",
            f"it can be read from transaction {oldest} to {newest}; `sldb history` shows which",
            oldest=oldest,
            newest=newest,
        )
    return listing
