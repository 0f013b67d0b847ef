"""The check that a state of the past can be read, before an action copies it or brings it back."""

from __future__ import annotations

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.database.errors import no_database
from lambda_handlers.storage.listing import Listing, check_finished, list_chain
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.wire import SldbError


def check_readable(context: ActionContext, database: str, txid: Txid) -> Listing:
    """Return the files of a chain to a state of a database. Raises `not_found` if it is not available."""
    listing = list_chain(context.store, database, txid)
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
