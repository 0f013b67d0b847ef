"""Errors of SQLite and of Python as the user should see them: the one map between the two."""

from __future__ import annotations

import re

import apsw

from lambda_handlers.sql.script import Piece
from lambda_handlers.wire import SldbError

MAX_VALUE_BYTES = 100_000_000


def translated(error: Exception, statement: int | None, piece: Piece | None) -> SldbError:
    """`statement`: its position in the request, `piece`: its text."""
    if isinstance(error, apsw.Error):
        return _translated_sqlite(error, statement, piece)
    if isinstance(error, KeyError):
        return SldbError("bad_request", f"params: the statement needs {error}", statement=statement)
    if isinstance(error, UnicodeDecodeError):
        return SldbError(
            "sql_error", "a value is text that is not UTF-8", "read it as bytes: CAST(… AS BLOB)", statement=statement
        )
    if isinstance(error, (MemoryError, OSError)):
        return _no_room(error, statement)
    return SldbError("bad_request", f"params: {error}", statement=statement)


def _translated_sqlite(error: apsw.Error, statement: int | None, piece: Piece | None) -> SldbError:
    if isinstance(error, apsw.BindingsError):
        return _wrong_params(str(error), statement)
    if isinstance(error, (apsw.NoMemError, apsw.FullError)):
        return _no_room(error, statement)
    if isinstance(error, apsw.TooBigError):
        return SldbError("too_large", f"{error}; a value may have {MAX_VALUE_BYTES} bytes", statement=statement)
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return SldbError(
            "corrupt", f"SQLite says of the database: {error}", "read an older version with `at`", statement=statement
        )
    code = "constraint" if isinstance(error, apsw.ConstraintError) else "sql_error"
    extended: int = getattr(error, "extendedresult", -1)
    return SldbError(
        code,
        str(error),
        statement=statement,
        offset=_offset(error, piece),
        sqlite_code=apsw.mapping_extended_result_codes.get(extended) or apsw.mapping_result_codes.get(extended),
    )


_WRONG_COUNT = re.compile(r"Incorrect number of bindings.*uses (\d+) and there are (\d+)", re.DOTALL)
_NAMES_FOR_POSITIONS = re.compile(r"Binding (\d+) has no name")


def _wrong_params(message: str, statement: int | None) -> SldbError:
    if match := _WRONG_COUNT.match(message):
        message = f"got {match[2]} for a statement with {match[1]}"
    elif match := _NAMES_FOR_POSITIONS.match(message):
        message = f"got names for a statement whose parameter {int(match[1]) + 1} (?) has none; want a list"
    return SldbError("bad_request", f"params: {message}", statement=statement)


def _offset(error: apsw.Error, piece: Piece | None) -> int | None:
    """Characters into the query's text; SQLite counts bytes into the statement's."""
    offset = getattr(error, "error_offset", -1)
    if piece is None or offset is None or offset < 0:
        return None
    return piece.offset + len(piece.sql.encode()[:offset].decode(errors="ignore"))


def _no_room(error: Exception, statement: int | None) -> SldbError:
    return SldbError(
        "too_large",
        f"memory or local disk ran out: {str(error) or type(error).__name__}; nothing was applied",
        "make the statement do less, or give the function more: sldb deploy --memory MB --ephemeral-storage MB",
        statement=statement,
    )
