"""The parts of a CREATE statement that no PRAGMA reports: checks, generated columns, what an index holds.

The text is one that SQLite has accepted, of `sqlite_schema`. It is split into tokens, not parsed: a part that is not
found is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sldb.sql_text import tokens, unquoted

_CONSTRAINTS = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}
_LITERAL = re.compile(r"'(?:[^']|'')*'|\d+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Definition:
    """A column of a table, or a constraint after the columns."""

    column: str | None  # None: a constraint
    checks: tuple[str, ...]  # the expressions of its CHECKs
    generated: str  # the expression of a generated column; else empty


def definitions(sql: str) -> list[Definition]:
    """Return the columns and constraints of a CREATE TABLE; none of another statement."""
    found = _tokens(sql)
    if "TABLE" not in [token.upper() for token in found[:5] if token != " "][1:3] or "VIRTUAL" in sql[:20].upper():
        return []
    return [_definition(part) for part in _separated(_group(found)) if _words(part)]


def indexed(sql: str) -> str:
    """Return what a CREATE INDEX indexes: "(lower(name), b DESC) WHERE c IS NULL"."""
    found = _tokens(sql)
    return _joined(found[found.index("(") :]) if "(" in found else ""


def event(sql: str) -> str:
    """Return when a trigger runs, from its CREATE TRIGGER: "AFTER UPDATE OF name ON users WHEN new.name <> ''"."""
    found = _tokens(sql)
    named = next((at for at, word in enumerate(found) if word.upper() == "TRIGGER"), -1)
    begin = next((at for at, word in enumerate(found) if word.upper() == "BEGIN" and at > named + 2), len(found))
    return _joined(found[named + 3 : begin])


def compared(check: str) -> dict[str, list[str]]:
    """Return columns (lower case) → the literals that a check compares them with: of `a IN ('x', 'y') AND b = 1`."""
    found: dict[str, list[str]] = {}
    words = _words(_tokens(check))
    for position, word in enumerate(words[1:], start=1):
        if word.upper() == "IN" and words[position + 1 : position + 2] == ["("]:
            literals = list(_literals(words[position + 2 :]))
        elif word == "=":
            literals = list(_literals(words[position + 1 : position + 2]))
        else:
            continue
        known = found.setdefault(unquoted(words[position - 1]).lower(), [])
        known += [literal for literal in literals if literal not in known]
    return {column: literals for column, literals in found.items() if literals}


def _literals(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if _LITERAL.fullmatch(word):
            yield word
        elif word != ",":
            return


def _definition(part: Sequence[str]) -> Definition:
    first = _words(part)[0]
    is_constraint = first.upper() in _CONSTRAINTS
    checks = tuple(_joined(_group(part[at:])) for at, word in _outside(part) if word == "CHECK")
    generated = next((_joined(_group(part[at:])) for at, word in _outside(part) if word == "AS"), "")
    if is_constraint:
        return Definition(None, checks, "")
    return Definition(unquoted(first), checks, generated)


def _outside(found: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the positions of the tokens outside of parentheses, and the tokens in upper case."""
    depth = 0
    for position, token in enumerate(found):
        depth -= token == ")"
        if depth == 0:
            yield position, token.upper()
        depth += token == "("


def _group(found: Sequence[str]) -> Sequence[str]:
    """Return what is inside of the first parentheses."""
    opened = next((position for position, token in _outside(found) if token == "("), len(found))
    rest = found[opened:]
    closed = next((position for position, token in _outside(rest) if token == ")"), len(rest))
    return rest[1:closed]


def _separated(found: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield what is between the commas outside of parentheses."""
    begin = 0
    for position, token in _outside(found):
        if token == ",":
            yield found[begin:position]
            begin = position + 1
    yield found[begin:]


def _tokens(sql: str) -> list[str]:
    """Return the tokens, with space and comments as one blank each."""
    return [" " if match.lastgroup == "space" else match.group() for match in tokens(sql)]


def _words(found: Sequence[str]) -> list[str]:
    return [token for token in found if token != " "]


def _joined(found: Sequence[str]) -> str:
    kept = [token for position, token in enumerate(found) if token != " " or found[position - 1] != " "]
    return "".join(kept).strip()
