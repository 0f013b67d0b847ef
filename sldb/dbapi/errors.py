"""The exceptions of PEP 249, and the map from the errors of sldb to them.

Each exception of a database has the fields of its error: `code` (a key of `ERROR_CODES`), `hint`,
`details`, `applied` ("no", "yes", "unknown", or None for a read), and `retryable`. `sqlite_errorname` is
SQLite's own name of the error, as in the module sqlite3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambda_handlers.wire import SldbError

_TRY_AGAIN = frozenset(("conflict", "lock_timeout"))
_TRY_AGAIN_IF_NOT_APPLIED = frozenset(("store_error", "query_timeout"))


class Warning(Exception):  # noqa: A001 - PEP 249's name
    """A statement probably did less than was meant."""


class Error(Exception):
    """Any error of this module."""

    code: str | None = None  # None: an error of the driver itself
    hint: str = ""
    applied: str | None = None
    retryable: bool = False  # the same transaction may succeed if it is run again, from its beginning
    sqlite_errorname: str | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.details: dict[str, Any] = {}

    @property
    def sqlite_errorcode(self) -> int | None:
        """SQLite's own number of the error; None for one that is not SQLite's."""
        if self.sqlite_errorname is None:
            return None
        import apsw  # few programs ask for it

        for numbers in (apsw.mapping_extended_result_codes, apsw.mapping_result_codes):
            if self.sqlite_errorname in numbers:
                return int(numbers[self.sqlite_errorname])
        return None

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class InterfaceError(Error):
    """A wrong use of the driver."""


class DatabaseError(Error):
    """An error of the database."""


class DataError(DatabaseError):
    """A value, request or result is too large."""


class OperationalError(DatabaseError):
    """The statement cannot run as things are: another writer came first, the store does not answer, no such table."""


class IntegrityError(DatabaseError):
    """A constraint failed."""


class InternalError(DatabaseError):
    """A bug in sldb."""


class ProgrammingError(DatabaseError):
    """The program made a mistake: parameters that do not fit, a closed connection."""


class NotSupportedError(DatabaseError):
    """A later version of sldb is needed."""


_CLASSES: dict[str, type[DatabaseError]] = {
    "bad_request": ProgrammingError,
    "constraint": IntegrityError,
    "exists": ProgrammingError,
    "too_large": DataError,
    "unsupported": NotSupportedError,
    "corrupt": DatabaseError,
    "internal": InternalError,
}  # all others: OperationalError

_CLASSES_OF_SQLITE: dict[str, type[DatabaseError]] = {
    "SQLITE_MISMATCH": IntegrityError,
    "SQLITE_TOOBIG": DataError,
    "SQLITE_INTERNAL": InternalError,
    "SQLITE_CORRUPT": DatabaseError,
    "SQLITE_AUTH": DatabaseError,
}


def exception_of(error: SldbError) -> DatabaseError:
    """Return the exception for an error of a request."""
    name = error.details.get("sqlite_code")
    exception = _CLASSES_OF_SQLITE.get(str(name)) or _CLASSES.get(error.code, OperationalError)
    made = exception(error.message)
    made.code, made.hint, made.details = error.code, error.hint, dict(error.details)
    made.applied, made.sqlite_errorname = error.details.get("applied"), name
    is_not_applied = error.code in _TRY_AGAIN_IF_NOT_APPLIED and made.applied == "no"
    made.retryable = error.code in _TRY_AGAIN or is_not_applied
    return made
