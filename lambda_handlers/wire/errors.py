"""The errors of the wire: their codes, and their text for users.

An error states what happened, to what, and what to do next. Expected errors are replies; anything else is a bug, which
leaves a traceback in the log and reaches the user as `internal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire.hints import with_options
from lambda_handlers.wire.names import DEFAULT_STACK

MAX_SHOWN_CHARACTERS = 2000  # of a text in an error


@dataclass(frozen=True, slots=True)
class ErrorCode:
    status: int  # HTTP status of the reply
    exit_code: int  # of the command-line client


ERROR_CODES: dict[str, ErrorCode] = {
    "bad_request": ErrorCode(400, 2),  # the event is not a request
    "sql_error": ErrorCode(400, 1),  # SQLite refused the statement
    "constraint": ErrorCode(409, 1),  # a constraint failed
    "read_only": ErrorCode(403, 1),  # a write in a read-only request or view
    "forbidden": ErrorCode(403, 1),  # outside of the database, or beyond the rights of the caller
    "unconfirmed": ErrorCode(428, 1),  # a careful request that destroys what is there; nothing was applied
    "not_found": ErrorCode(404, 1),  # no such database, txid or time outside history
    "exists": ErrorCode(409, 1),  # there is a database of this name already; nothing was applied
    "conflict": ErrorCode(409, 75),  # another writer came first; nothing was applied
    "lock_timeout": ErrorCode(423, 75),  # the lock was not free in time; nothing was applied
    "query_timeout": ErrorCode(408, 1),  # stopped in time; nothing was applied
    "cancelled": ErrorCode(499, 130),  # stopped by the action `cancel`; nothing was applied
    "too_large": ErrorCode(413, 1),  # a request, value, result or memory limit
    "unsupported": ErrorCode(501, 1),  # a stored object of a later version of sldb
    "corrupt": ErrorCode(500, 1),  # a stored object is damaged
    "store_error": ErrorCode(503, 3),  # S3 or EC2 refused or did not answer
    "internal": ErrorCode(500, 70),  # a bug
}


class SldbError(Exception):
    """An error that a user meets: what happened, to what, and what to do next. `code` is a key of `ERROR_CODES`.

    `details` holds values for programs: `statement` (0-based position of the statement that
    failed, as in `results`), `offset` (characters into the query's text), `sqlite_code`, `key`, `holder`, …
    `transaction` is the transaction that stays open after the error, as in a reply: {"token": …}.
    """

    def __init__(self, code: str, message: str, hint: str = "", **details: Any) -> None:
        super().__init__(_shown(message))
        self.code = code
        self.message = _shown(message)
        self.hint = _shown(hint)
        self.details = {name: _shown(value) for name, value in details.items() if value is not None}
        self.transaction: Mapping[str, Any] | None = None

    @property
    def status(self) -> int:
        return ERROR_CODES[self.code].status

    @property
    def exit_code(self) -> int:
        return ERROR_CODES[self.code].exit_code

    def for_stack(self, stack: str) -> SldbError:
        """Add the option --stack to the commands in the hint, and return the error."""
        if stack != DEFAULT_STACK:
            self.hint = with_options(self.hint, ("--stack", stack))
        return self

    def in_transaction(self, transaction: Mapping[str, Any]) -> SldbError:
        """Add the transaction that stays open after the error, and return the error."""
        self.transaction = transaction
        return self

    def encode(self) -> dict[str, Any]:
        error = {"code": self.code, "message": self.message, "hint": self.hint, **self.details}
        return {"error": error, **({} if self.transaction is None else {"transaction": dict(self.transaction)})}

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> SldbError:
        fields = dict(body["error"])
        code = fields.pop("code")
        message = fields.pop("message", "")
        hint = fields.pop("hint", "")
        error = cls(code if code in ERROR_CODES else "internal", message, hint, **fields)
        transaction = body.get("transaction")
        return error.in_transaction(transaction) if isinstance(transaction, Mapping) else error


def wrong_stack(stack: str, own: str) -> SldbError:
    """Return the refusal of a request to another stack. The detail `stack` is the function's own."""
    return SldbError(
        "bad_request",
        f"the request is for the stack {stack}, and this function is of the stack {own}",
        f"send it to the function of {stack}, or without the field stack",
        field="stack",
        stack=own,
    )


def bug_in(aws_request_id: str | None) -> SldbError:
    """Return the error of a request that a bug has stopped."""
    where = f" {aws_request_id}" if aws_request_id else ""
    return SldbError(
        "internal",
        f"a bug in sldb stopped request{where}; the function's log has the traceback",
        "the same request_id sent again returns its outcome. Please report the bug",
        applied="unknown",
    )


def bad_request(field_name: str, got: object, want: str) -> NoReturn:
    """Raise `bad_request` with the name of the field, its value and the accepted values."""
    shown = repr(got)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    raise SldbError("bad_request", f"{field_name}: got {shown}, want {want}", field=field_name)


def _shown(value: Any) -> Any:
    """Return the value; of a text too long for an error in a reply, only its beginning."""
    is_long = isinstance(value, str) and len(value) > MAX_SHOWN_CHARACTERS
    return value[:MAX_SHOWN_CHARACTERS] + "…" if is_long else value
