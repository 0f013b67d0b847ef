"""Errors of SQLite and of Python, translated for the user: the one map between the two."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import apsw

from lambda_handlers.sql.authorizer import Authorizer
from lambda_handlers.sql.script import Piece
from lambda_handlers.wire import SldbError

Trusted: TypeAlias = "Callable[[Callable[[apsw.Connection], Any]], Any]"

MAX_VALUE_BYTES = 100_000_000


def translated(
    error: Exception, authorizer: Authorizer, statement: int | None, piece: Piece | None, trusted: Trusted
) -> SldbError:
    """Return the error for the user. `statement`: its position in the request, `piece`: its text; `trusted` runs
    statements of sldb's own."""
    if isinstance(error, apsw.AuthError) or authorizer.refusal:
        return SldbError("forbidden", authorizer.refusal or str(error), authorizer.hint, statement=statement)
    if isinstance(error, apsw.ReadOnlyError) and authorizer.attached:
        return attached_is_read_only(str(error), statement)
    if isinstance(error, apsw.Error):
        return _translated_sqlite(error, statement, piece, trusted)
    if isinstance(error, UnicodeDecodeError):
        return SldbError(
            "sql_error", "a value is text that is not UTF-8", "read it as bytes: CAST(… AS BLOB)", statement=statement
        )
    if isinstance(error, (MemoryError, OSError)):
        return _no_room(error, statement)
    return SldbError("bad_request", f"params: {error}", statement=statement)


def attached_is_read_only(doing: str, statement: int | None = None) -> SldbError:
    return SldbError(
        "read_only",
        f"an attached database can only be read, and this would write to it: {doing}",
        "send the statements that write to that database as a request of their own, with its name as `database`",
        statement=statement,
        applied="no",
    )


def _translated_sqlite(error: apsw.Error, statement: int | None, piece: Piece | None, trusted: Trusted) -> SldbError:
    if isinstance(error, (apsw.NoMemError, apsw.FullError)):
        return _no_room(error, statement)
    if isinstance(error, apsw.TooBigError):
        return SldbError(
            "too_large", f"{error}; a value may have {MAX_VALUE_BYTES} bytes", statement=statement, applied="no"
        )
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return SldbError(
            "corrupt",
            f"SQLite reports about the database: {error}",
            "read an older version with `at`",
            statement=statement,
            applied="no",
        )
    code = "constraint" if isinstance(error, apsw.ConstraintError) else "sql_error"
    extended: int = getattr(error, "extendedresult", -1)
    reason, name = reason_of(str(error))
    similar, hint = _similar_names(reason, name, piece, trusted)
    return SldbError(
        code,
        _MESSAGES.get(reason or "", str(error)),
        hint or _HINTS.get(reason or "", ""),
        statement=statement,
        offset=_offset(error, piece, reason, name),
        sqlite_code=apsw.mapping_extended_result_codes.get(extended) or apsw.mapping_result_codes.get(extended),
        reason=reason,
        subject=_subject_of(str(error)),
        similar=similar or None,
    )


def _similar_names(
    reason: str | None, name: str | None, piece: Piece | None, trusted: Trusted
) -> tuple[list[str], str]:
    """Return the names that a missing one may stand for, and a hint with them."""
    if reason is None or name is None or piece is None or not reason.startswith("no_such_"):
        return [], ""
    from lambda_handlers.shared.did_you_mean import question  # few requests need these, and imports slow down
    from lambda_handlers.sql.hints import similar_names  # cold starts

    found = similar_names.find(reason, name, piece.sql, trusted)
    return found, question(found)


# Compiled when they are first used: most requests, and cold starts among them, meet no error.
_SUBJECT = r"(?s)(?:NOT NULL|UNIQUE|CHECK) constraint failed: (.+)|cannot store \w+ value in \w+ column (.+)"
_NO_SUCH = r"no such ([a-z ]+): (?:\w+\.)?(\w+)"
_NO_COLUMN = r"table \w+ has no column named (\w+)"
_REASONS = {
    "attached databases must use the same text encoding as main database": "other_encoding",
    "incomplete input": "incomplete",
    "ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint": "no_unique_key",
}


_UNKNOWN = r"unknown function: (\w+)\(\)"  # in a CHECK, an index, a generated column or a default
_UNSAFE = r'unsafe use of (?:virtual table )?"?(\w+)"?(?:\(\))?'
_OF_A_PROGRAM = (
    "the schema uses collations or functions that its program registers with SQLite, and sldb does not; "
    "sldb pull writes the file for that program"
)
_MESSAGES = {
    "other_encoding": "the text encodings differ: SQLite does not read a database in UTF-8 together with one in "
    "UTF-16, nor the two kinds of UTF-16",
}
_HINTS = {
    "no_such_collation_sequence": _OF_A_PROGRAM,
    "unknown_function": _OF_A_PROGRAM,
    "function_in_schema": "views and triggers, and all of the schema, can use SQLite's own functions only, since plain "
    "SQLite could not use the file: write the query of the view itself, with the function in it",
    "other_encoding": "PRAGMA encoding returns that of a database; sldb diff compares them nevertheless",
}


def reason_of(message: str) -> tuple[str | None, str | None]:
    """Return the reason of an SQLITE_ERROR, from its English text, and the missing name."""
    if missing := re.fullmatch(_NO_SUCH, message):
        return f"no_such_{missing[1].replace(' ', '_')}", missing[2]
    if lacking := re.fullmatch(_NO_COLUMN, message):
        return "no_such_column", lacking[1]
    if unknown := re.fullmatch(_UNKNOWN, message):
        return "unknown_function", unknown[1]
    if unsafe := re.fullmatch(_UNSAFE, message):
        return "function_in_schema", unsafe[1]
    return _REASONS.get(message), None


def _subject_of(message: str) -> str | None:
    """Return what a constraint is about, from its English text: the columns, as `t.a, t.b`, or the name of a CHECK."""
    found = re.fullmatch(_SUBJECT, message)
    return found and (found[1] or found[2])


def _offset(error: apsw.Error, piece: Piece | None, reason: str | None, name: str | None) -> int | None:
    """Return characters into the query's text. SQLite counts bytes into the statement's, and gives no offset for an
    early end and most missing names: those are searched."""
    if piece is None:
        return None
    offset = getattr(error, "error_offset", -1)
    if offset is not None and offset >= 0:
        return piece.offset + len(piece.sql.encode()[:offset].decode(errors="ignore"))
    if reason == "incomplete":
        return piece.offset + len(piece.sql.rstrip())
    found = name and re.search(rf"\b{re.escape(name)}\b", piece.sql, re.IGNORECASE)
    return piece.offset + found.start() if found else None


def _no_room(error: Exception, statement: int | None) -> SldbError:
    return SldbError(
        "too_large",
        f"memory or local disk ran out: {str(error) or type(error).__name__}",
        "make the statement do less, or give the function more: sldb deploy --memory MB --ephemeral-storage MB",
        statement=statement,
        applied="no",
    )
