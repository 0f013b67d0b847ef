"""cancel: stop the running request with an id.

Arguments   request_id, attempt (of the request, if only that one is meant); caller: as for `result`
Reply       {"database", "request_id", "attempt", "state", "since", "txid", "time"}: what is known of the request at
            this moment, as `result` reports it

`mark` puts the mark into the store at once, also while another request runs in this process; `cancel` then reports. A
running request finds the mark within two seconds and ends with `cancelled`, unless its commit has been sent already. So
the reply to `cancel` is no outcome: that comes with the reply to the request itself, or later from `result`. For a
request that is over, or was never sent, the mark has no effect and expires.
"""

from __future__ import annotations

from typing import Any

from lambda_handlers import cancel_marks
from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.result import outcome
from lambda_handlers.caller import Caller
from lambda_handlers.resources import Resources
from lambda_handlers.wire import Action, SldbError, check_attempt, check_request_id


def mark(resources: Resources, action: Action, caller: Caller) -> None:
    """Put the mark into the store. Raises SldbError."""
    request_id, attempt, sender = _names(action, caller)
    at = resources.store.clock.corrected(resources.host.now())
    key = cancel_marks.key_of(action.database, sender.own_id(request_id))
    cancel_marks.add(resources.store, key, cancel_marks.Mark(attempt, at, caller.name))


def cancel(context: ActionContext, action: Action) -> dict[str, Any]:
    request_id, attempt, sender = _names(action, context.caller)
    try:
        known, _ = outcome(context, action.database, request_id, sender)
    except SldbError as error:
        if error.code != "not_found":
            raise
        # The database was dropped, and its log of requests with it.
        known = {"database": action.database, "request_id": request_id, "since": None}
        known.update(state="unknown", txid=None, time=None)
    return {**known, "attempt": attempt}


def _names(action: Action, caller: Caller) -> tuple[str, str | None, Caller]:
    """Return the request id, the attempt, and the sender of the request. Raises `bad_request` or `forbidden`."""
    given = arguments.known(action, "request_id", "attempt", "caller")
    arguments.required(given, ["request_id"])
    check_request_id("arguments.request_id", given["request_id"])
    attempt = given.get("attempt")
    if attempt is not None:
        check_attempt("arguments.attempt", attempt)
    return given["request_id"], attempt, arguments.sender(given, caller)
