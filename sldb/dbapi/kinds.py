"""The kinds of statements known to the driver, by their first words. Pure; SQLite decides all else."""

from __future__ import annotations

from enum import Enum, auto

from lambda_handlers.wire import Statement
from sldb import sql_text
from sldb.dbapi.errors import ProgrammingError

# Settings of a connection of SQLite that statements depend on.
_KEPT_PRAGMAS = frozenset(
    (
        "CASE_SENSITIVE_LIKE",
        "FOREIGN_KEYS",
        "IGNORE_CHECK_CONSTRAINTS",
        "LEGACY_ALTER_TABLE",
        "QUERY_ONLY",
        "RECURSIVE_TRIGGERS",
        "REVERSE_UNORDERED_SELECTS",
        "TRUSTED_SCHEMA",
        "WRITABLE_SCHEMA",
    )
)
_CHANGES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Kind(Enum):
    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    SAVEPOINT = auto()
    RELEASE = auto()
    ROLLBACK_TO = auto()
    CHANGE = auto()  # of rows: it begins a transaction, and has a rowcount
    VACUUM = auto()  # alone in its request
    OTHER = auto()


def kind_of(statement: str) -> Kind:
    words = sql_text.bare_words(statement)
    first = next(words, "")
    if first == "ROLLBACK":
        return Kind.ROLLBACK_TO if "TO" in words else Kind.ROLLBACK
    if first == "END":
        return Kind.COMMIT
    if first in ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "VACUUM"):
        return Kind[first]
    changes = first in _CHANGES or (first == "WITH" and any(word in _CHANGES for word in words))
    return Kind.CHANGE if changes else Kind.OTHER


def is_insert(statement: str) -> bool:
    """Return True for an INSERT, also below WITH: it sets the rowid."""
    words = sql_text.bare_words(statement)
    first = next(words, "")
    return first in ("INSERT", "REPLACE") or (first == "WITH" and any(word in ("INSERT", "REPLACE") for word in words))


def only_statement(sql: object) -> str:
    """Return the one statement in a text; empty if there is none. Raises ProgrammingError for several."""
    if not isinstance(sql, str):
        raise TypeError(f"a statement must be str, and is {type(sql).__name__}")
    if "\0" in sql:
        raise ProgrammingError("the query contains a null character")
    found = sql_text.list_statements(sql)
    if len(found) > 1:
        raise ProgrammingError("You can only execute one statement at a time: executescript() runs several")
    return found[0] if found else ""


def lasting_setting(statement: str) -> tuple[str, Statement | None] | None:
    """Return a name for the setting of a connection made by a statement, and the statement to repeat it; None in its
    place if it ends one. Return None for all other statements."""
    words = list(sql_text.bare_words(statement))
    match words[:1]:
        case ["PRAGMA"]:
            names = [word for word in words[1:3] if word in _KEPT_PRAGMAS]
            sets = any(token.group() in "=(" for token in sql_text.tokens(statement))
            return (names[0], Statement(statement)) if names and sets else None
        case ["ATTACH"] | ["DETACH"]:
            schema = list(sql_text.possible_names(statement))[-1].lower()
            return f"attach {schema}", Statement(statement) if words[0] == "ATTACH" else None
    return None
