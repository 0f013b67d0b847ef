"""A script, split into its statements. Pure; SQLite decides on their ends (`apsw.complete` knows trigger bodies)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import apsw

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.patterns import pattern
from lambda_handlers.wire import SldbError, bad_request

# Places where a semicolon does not end a statement: strings, quoted names and comments, closed or running to the end of
# the text.
_TOKEN = re.compile(
    r"""'[^']*(?:'|\Z) | "[^"]*(?:"|\Z) | `[^`]*(?:`|\Z) | \[[^\]]*(?:\]|\Z) | --[^\n]* | /\*(?=.).*?(?:\*/|\Z) | ;""",
    re.VERBOSE | re.DOTALL,
)
_FIRST_WORD = re.compile(r"(?:[\s\ufeff]|--[^\n]*(?:\n|\Z)|/\*(?=.).*?(?:\*/|\Z)|;)*([A-Za-z]*)", re.DOTALL)
_COMMENT = pattern(r"--[^\n]*|/\*(?=.).*?(?:\*/|\Z)", re.DOTALL)
_MAX_STATEMENTS = 250_000  # empty ones too: in a request of 6 MB there is room for millions
_SEMICOLONS_IN_ONE = 1000  # a trigger may have this many
_TOKENS_BETWEEN_CHECKS = 1000
_END = "END"  # the text between the last two semicolons of a trigger
_SAY_NOTHING = ("--", "/*", ";")


@dataclass(frozen=True, slots=True)
class Piece:
    sql: str
    offset: int  # characters before it in the script

    @property
    def begins(self) -> int:
        """Characters before its first word."""
        match = _FIRST_WORD.match(self.sql)
        return self.offset + (match.start(1) if match else 0)


def split(script: str, check_time: Callable[[], None] = lambda: None) -> Iterator[Piece]:
    """Yield the statements in order, each with its semicolon; the last may lack one. Comments alone are no statement.
    An error of `check_time` ends the splitting."""
    _check_text(script)
    start = tries = statements = 0
    words, read = "", 0  # since the last semicolon, without comments, up to where they are more than END
    for number, token in enumerate(_TOKEN.finditer(script)):
        if number % _TOKENS_BETWEEN_CHECKS == 0:
            check_time()
        if len(words) <= len(_END):
            words += script[read : token.start()].strip() + ("" if token[0].startswith(_SAY_NOTHING) else "''")
        read = token.end()
        if token[0] != ";":
            continue
        tries, may_end, words = tries + 1, not tries or words.upper() == _END, ""
        if tries > _SEMICOLONS_IN_ONE:
            raise SldbError("too_large", f"one statement holds more than {_SEMICOLONS_IN_ONE} semicolons", applied="no")
        # SQLite reads a statement from its start at each check: one with many semicolons would take minutes.
        if may_end and apsw.complete(sql := script[start:read]):
            if _is_statement(sql):
                yield Piece(sql, start)
            start, tries, statements = read, 0, statements + 1
            if statements > _MAX_STATEMENTS:
                raise SldbError("too_large", f"the query holds more than {_MAX_STATEMENTS:,} statements", applied="no")
    if _is_statement(script[start:]):
        yield Piece(script[start:], start)


def bare(sql: str) -> str:
    """Return a statement without quotes, stripped of its comments and semicolon."""
    return " ".join(_COMMENT.sub(" ", sql).replace(";", " ").split())


def _check_text(script: str) -> None:
    try:
        script.encode()
    except UnicodeEncodeError:
        bad_request("query", script, "text without lone surrogates")
    if "\0" in script:
        bad_request("query", script, "text without NUL characters; in a value, use char(0) or a parameter")


def first_word(sql: str) -> str:
    """Return the first word of a statement, in upper case: no quoting can hide it. Empty if it begins with anything
    else."""
    match = _FIRST_WORD.match(sql)
    return match[1].upper() if match else ""


def second_name(sql: str) -> str:
    """Return the name after the first word, without its quotes; for messages."""
    match = _FIRST_WORD.match(sql)
    rest = sql[match.end() :] if match else ""
    return rest.strip("; \t\r\n").strip("\"'`[]")


def _is_statement(sql: str) -> bool:
    match = _FIRST_WORD.match(sql)
    return (match is not None and match.end() < len(sql)) or bool(first_word(sql))
