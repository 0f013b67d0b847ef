"""restore: a transaction that brings back the state of an earlier one. Later transactions stay in the history.

Arguments   at: a txid or an RFC 3339 time; if_txid: only if this is the newest transaction;
            message, command: its note in the history
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
from lambda_handlers.actions.readable_state import check_readable
from lambda_handlers.actions.replace_content import Replaced, Replacing, past_of, replace_content
from lambda_handlers.database.newest_state import check_newest
from lambda_handlers.shared.times import utc
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.wire import Action


def restore(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "at", "if_txid", "message", "command")
    arguments.required(given, ("at",))
    at, if_txid = arguments.moment(given, "at"), arguments.txid(given, "if_txid")
    assert at is not None
    note = arguments.note(given, context.caller.name)
    database = context.database(action.database)
    txid = database.txid_at(at)
    check_readable(context, action.database, txid)

    def attempt(current: Replica) -> dict[str, Any]:
        with past_of(database, txid, context.deadline) as past:
            check = partial(check_newest, current, if_txid)
            replaced = replace_content(context, current, past, Replacing(Kind.RESTORE, restored=txid, note=note), check)
            return reply_of(replaced, action.database, txid, past.timestamp_ms)

    return database.change(f"restore {txid}", context.deadline, attempt)


def reply_of(replaced: Replaced, database: str, restored: Txid, timestamp_ms: int | None) -> dict[str, Any]:
    """Return the reply to a restore of the state at `restored`, of that time (None: not known)."""
    return {
        "database": database,
        "restored": restored,
        "time": None if timestamp_ms is None else utc(timestamp_ms),
        "txid": replaced.txid,
        "before": replaced.before,
        "pages": replaced.pages,
        "changed": replaced.changed,
    }
