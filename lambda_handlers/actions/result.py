"""result: the outcome of the request with an id.

Arguments   request_id; caller: the name of the one that sent the request, if it is another one (only for operators)
Reply       {"database", "request_id", "state", "since": requests are remembered from this time on (an hour before the
            newest transaction, and before now), "txid", "time", "reply"}; the last three are null unless the state is
            `applied`, and `reply` is then the body of the request's own reply

States      applied      by transaction `txid`
            not_applied  by no transaction since `since`; a request under way may still be applied
            unknown      the id, in sldb's form, was made before `since`: if the request was applied, its record has
                         expired

Only writes are recorded, and VACUUM is not: it may run twice. Requests of a queue are recorded, reads too: they
are `applied` for as long as the queue keeps messages (SLDB_QUEUE_RETENTION_DAYS), and `reply` is null after the hour.
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.caller import Caller
from lambda_handlers.database.replies import Replies
from lambda_handlers.shared.times import utc
from lambda_handlers.sql.own.request_log import Applied
from lambda_handlers.wire import Action, check_request_id, made_at


def result(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "request_id", "caller")
    arguments.required(given, ["request_id"])
    request_id = given["request_id"]
    check_request_id("arguments.request_id", request_id)
    body, found = outcome(context, action.database, request_id, arguments.sender(given, context.caller))
    if found is None or not found.has_reply:
        return {**body, "reply": None}
    return {**body, "reply": Replies(context.store, context.host).outgoing(found.reply).encode()}


def outcome(
    context: ActionContext, database: str, request_id: str, sender: Caller
) -> tuple[dict[str, Any], Applied | None]:
    """Return the body of the reply without the request's own reply, and the request if it was applied. `sender`: of
    the request."""
    found, since = context.database(database).applied(sender.own_id(request_id), context.deadline)
    body = {"database": database, "request_id": request_id, "since": utc(round(since * 1000))}
    if found is None:
        was_made = made_at(request_id)
        state = "unknown" if was_made is not None and was_made < since else "not_applied"
        return {**body, "state": state, "txid": None, "time": None}, None
    return {**body, "state": "applied", "txid": found.reply.txid, "time": utc(round(found.at * 1000))}, found
