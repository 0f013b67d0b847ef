"""BEGIN, COMMIT, ROLLBACK and savepoints in SQL: what a client of interactive transactions reads. Pure.

`parts` finds them. All other statements go to the function as they are; so do savepoints, once a transaction is open:
outside of one a SAVEPOINT begins it, and its RELEASE is then the COMMIT, as in SQLite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import SldbError
from sldb.sql_text import bare_words, is_blank, possible_names, split_statements

_CHANGES = frozenset(("INSERT", "REPLACE", "UPDATE", "DELETE"))
_SILENT = frozenset(("CREATE", "DROP", "ALTER", "SAVEPOINT", "RELEASE", "ROLLBACK", *_CHANGES))


@dataclass(frozen=True, slots=True)
class Begin:
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    retry: bool = False  # COMMIT RETRY: also if other clients have changed what the transaction saw


@dataclass(frozen=True, slots=True)
class Rollback:
    pass


@dataclass(frozen=True, slots=True)
class Savepoint:
    sql: str


@dataclass(frozen=True, slots=True)
class Release:
    sql: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Statements between the others."""

    sql: str


Part: TypeAlias = "Begin | Commit | Rollback | Savepoint | Release | Batch"

_KINDS_OF_BEGIN = ((), ("DEFERRED",), ("IMMEDIATE",), ("EXCLUSIVE",), ("CONCURRENT",))
_SPELLINGS: dict[tuple[str, ...], Part] = {
    **{("BEGIN", *kind): Begin() for kind in _KINDS_OF_BEGIN},
    ("BEGIN", "READONLY"): Begin(is_read_only=True),
    ("COMMIT",): Commit(),
    ("COMMIT", "RETRY"): Commit(retry=True),
    ("END",): Commit(),
    ("ROLLBACK",): Rollback(),
}


def parts(sql: str) -> Iterator[Part]:
    """Yield the parts of `sql` in order. Raises `sql_error` for a BEGIN, COMMIT or ROLLBACK with a syntax error."""
    batch = ""
    for statement in split_statements(sql):
        control = _control(statement)
        if control is None:
            batch += statement
            continue
        if not is_blank(batch):
            yield Batch(batch)
        batch = ""
        yield control
    if not is_blank(batch):
        yield Batch(batch)


def _control(statement: str) -> Part | None:
    words = tuple(bare_words(statement))
    match words[:1]:
        case ("SAVEPOINT",):
            return Savepoint(statement)
        case ("RELEASE",):
            return Release(statement)
        case ("BEGIN" | "COMMIT" | "END" | "ROLLBACK",) if not _goes_back(words):
            found = _SPELLINGS.get(tuple(word for word in words if word != "TRANSACTION"))
            if found is None:
                raise SldbError("sql_error", f'near "{words[-1]}": syntax error', "", query=statement)
            return found
    return None


def _goes_back(words: tuple[str, ...]) -> bool:
    return words[0] == "ROLLBACK" and "TO" in words[1:3]


def is_outermost(release: str, statements: Iterable[str]) -> bool:
    """Return True if a RELEASE ends the first savepoint that is open after the statements."""
    opened = _open_savepoints(statements)
    name = _savepoint_name(release)
    return name in opened and _last_index(opened, name) == 0


def _open_savepoints(statements: Iterable[str]) -> list[str]:
    """Return the names of the savepoints that are open after the statements, the outermost first."""
    opened: list[str] = []
    for statement in statements:
        words = tuple(bare_words(statement))
        name = _savepoint_name(statement) if words[:1] in (("SAVEPOINT",), ("RELEASE",), ("ROLLBACK",)) else ""
        if words[:1] == ("SAVEPOINT",):
            opened.append(name)
        elif name in opened:
            del opened[_last_index(opened, name) + (words[0] == "ROLLBACK") :]
    return opened


def _savepoint_name(statement: str) -> str:
    """Return the name at the end of a statement, as SQLite compares it."""
    return list(possible_names(statement))[-1].lower()


def _last_index(names: list[str], name: str) -> int:
    return len(names) - 1 - names[::-1].index(name)


def is_silent(statement: str) -> bool:
    """Return True if the statement certainly returns no rows: a script need not run it at once."""
    words = list(bare_words(statement))
    return bool(words) and words[0] in _SILENT and "RETURNING" not in words
