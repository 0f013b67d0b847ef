"""Errors of requests, as SQL over HTTP reports them: the one map between the two.

An error of SQL is a result, {"message", "code", "extended_code"} with SQLite's names; any other fails the whole HTTP
request with a status.
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.wire import SldbError

PARSE_ERROR = "SQL_PARSE_ERROR"
INPUT_ERROR = "SQL_INPUT_ERROR"
MANY_STATEMENTS = "SQL_MANY_STATEMENTS"

# Codes of errors without one of SQLite's → the name to report.
_NAMES = {
    "sql_error": "SQLITE_ERROR",
    "constraint": "SQLITE_CONSTRAINT",
    "bad_request": INPUT_ERROR,
    "read_only": "SQLITE_READONLY",
    "forbidden": "BLOCKED",
    "unconfirmed": "BLOCKED",
    "not_found": "SQLITE_CANTOPEN",  # an attached database
    "exists": "SQLITE_ERROR",
    "conflict": "SQLITE_BUSY",
    "lock_timeout": "SQLITE_BUSY",
    "cancelled": "SQLITE_INTERRUPT",
    "too_large": "SQLITE_TOOBIG",
    "corrupt": "SQLITE_CORRUPT",
    "unsupported": "SQLITE_CANTOPEN",
}
# Codes that fail the HTTP request. The first two do only if they are no error of a statement.
_UNLESS_OF_STATEMENT = ("forbidden", "not_found")
_ALWAYS = ("query_timeout", "store_error", "internal")
_TOKEN = "transaction.token"


def error_of(error: SldbError) -> dict[str, Any]:
    """Return the error object. Raises ProtocolFailure if the error is none of SQL."""
    if error.code == "bad_request" and error.details.get("field") == _TOKEN:
        raise ProtocolFailure(404, f"stream not found: {error.message}") from error
    fails = error.code in _ALWAYS or (error.code in _UNLESS_OF_STATEMENT and "statement" not in error.details)
    if fails:
        raise ProtocolFailure(error.status, text_of(error)) from error
    extended = error.details.get("sqlite_code")
    if not isinstance(extended, str):
        return error_object(_NAMES[error.code], text_of(error))
    code = primary_of(extended)
    return {**error_object(code, text_of(error)), **({"extended_code": extended} if extended != code else {})}


def error_object(code: str, message: str) -> dict[str, Any]:
    return {"message": message, "code": code}


def primary_of(extended: str) -> str:
    """Return SQLITE_CONSTRAINT of SQLITE_CONSTRAINT_UNIQUE: no name of a primary code has a second underscore."""
    return "_".join(extended.split("_")[:2])


def text_of(error: SldbError) -> str:
    """Return the message; the hint too, where SQLite would not have the error."""
    has_hint = error.hint and error.code not in ("sql_error", "constraint")
    return f"{error.message} ({error.hint})" if has_hint else error.message
