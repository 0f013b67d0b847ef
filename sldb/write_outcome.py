"""The outcome of a write in an error's message for people.

Programs read the field `details["applied"]`; its words are defined here only. `sldb.cli.errors` adds the subject of the
error (file, line, statement) and its code.
"""

from __future__ import annotations

from lambda_handlers.wire import Request, SldbError

NOT_CHANGED = "nothing was changed"  # for a command that ends without any effect
UNKNOWN = "whether it was applied is unknown"
_OUTCOMES = {
    "no": "nothing was applied",
    "unknown": UNKNOWN,
    "yes": "it was applied",
}


def may_write(request: Request) -> bool:
    """Return False if a request can write nothing, by its fields or the words of its SQL."""
    from sldb import sql_text  # it loads sqlite3

    is_inside = request.transaction is not None and not request.transaction.commits
    if request.read_only or request.dry_run or request.at is not None or is_inside:
        return False
    commits = request.transaction is not None
    return commits or any(sql_text.may_write(statement.query) for statement in request.statements)


def message(error: SldbError) -> str:
    """Return the message of an error with the outcome of the write."""
    outcome = _OUTCOMES.get(str(error.details.get("applied")))
    if error.code == "cancelled" and "applied" not in error.details:  # it was not to write
        outcome = NOT_CHANGED
    return f"{error.message}; {outcome}" if outcome else error.message
