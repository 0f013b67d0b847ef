"""restore: a transaction that brings back the state of an earlier one. What came since stays in the history.

Arguments   at: a txid or an RFC 3339 time; if_txid: only if this is the newest transaction
Reply       {"database", "restored": the txid that was asked for, "time": when that was made, "txid": the newest one
            now, "before": the newest one before, "pages": how many were written, "changed"}

`changed` is false where the newest state is that of `restored` already: nothing is written then, whatever `if_txid`
says. So a restore that is sent twice is done once.
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.replace_content import Brought, bring, past_of
from lambda_handlers.database import no_database
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

    def attempt(current: Replica) -> tuple[Brought, int]:
        with past_of(database, txid, context.deadline) as past:
            brought = bring(context, current, past, Kind.RESTORE, allow=lambda: check_newest(current, if_txid))
            return brought, past.timestamp_ms

    brought, timestamp_ms = database.change(f"restore {txid}", context.deadline, attempt)
    return {
        "database": action.database,
        "restored": txid,
        "time": utc(timestamp_ms),
        "txid": brought.txid,
        "before": brought.before,
        "pages": brought.pages,
        "changed": brought.changed,
    }


def check_readable(context: ActionContext, database: str, txid: Txid) -> Listing:
    """The files of a database; raises `not_found` where its state at `txid` cannot be had."""
    listing = list_files(context.store, database)
    if not listing.sizes:
        raise no_database(database)
    if not txid or not listing.chain_to(txid):
        check_finished(context.store, listing)
        oldest, newest = listing.oldest_readable, listing.newest
        why = "that is before its first transaction" if not txid else "that cannot be read any more"
        if txid > newest:
            why = "there is none such yet"
        raise SldbError(
            "not_found",
            f"database {database} has no state at transaction {txid}: {why}",
            f"it can be read from transaction {oldest} to {newest}; `sldb history` shows which",
            oldest=oldest,
            newest=newest,
        )
    return listing


def check_newest(current: Replica, if_txid: Txid | None) -> None:
    """Raise `conflict` where the newest transaction is another one. One that changed nothing (announcing) counts as the
    one before it."""
    if if_txid is None or not current.unchanged_since <= if_txid <= current.txid:
        check_txid(current.database, current.txid, if_txid)


def check_txid(database: str, newest: Txid, if_txid: Txid | None) -> None:
    if if_txid is not None and newest != if_txid:
        raise SldbError(
            "conflict",
            f"the newest transaction of {database} is {newest}, not {if_txid}",
            "look again (sldb history), and decide again",
            txid=newest,
            applied="no",
        )
