"""The meaning of a buffer of typed text: statements to run, a dot command, or more to come. No terminal is needed.

    read("")                  → Blank()                     nothing to do
    read("select 1")          → NeedMore()                  a statement is under way
    read("select 1; ")        → Run("select 1;")            complete: one transaction, however many statements
    read(r"select 1\\G")       → Run("select 1", is_vertical=True)
    read(".schema users")     → DotCommand("schema", ("users",))
    read(r"\\d users")         → DotCommand("d", ("users",))
    read(".explain select 'a'") → DotCommand("explain", ("select 'a'",))    SQL stays as it is

SQLite's own tokenizer decides if a statement is complete (see `sldb.sql_text`). `read_whole` is for input that the user
submits as it is: nothing more comes.
"""

from __future__ import annotations

import re
import shlex
import sqlite3
from dataclasses import dataclass
from typing import TypeAlias

from lambda_handlers.wire import SldbError
from sldb.sql_text import ends_in_comment, ends_in_quotes_or_comment, is_blank


@dataclass(frozen=True, slots=True)
class Run:
    sql: str
    is_vertical: bool = False  # it ended with \\G: its results are printed vertically


@dataclass(frozen=True, slots=True)
class DotCommand:
    name: str  # without its dot or backslash, lower case for dots; \\D and \\d differ
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedMore:
    pass


@dataclass(frozen=True, slots=True)
class Blank:
    pass


Reading: TypeAlias = "Run | DotCommand | NeedMore | Blank"

_PLAIN_WORDS = {"exit": "quit", "quit": "quit", "help": "help", "?": "help"}
# Dot commands that end in SQL or a command line, as it is, after so many words.
_TAKES_TEXT = {"explain": 0, "eqp": 0, "save": 1, "ns": 1, "shell": 0, "system": 0, "!": 0}
_GO = ("\\G", "\\g")  # end a statement as a semicolon does


def read(buffer: str) -> Reading:
    """Return the meaning of `buffer`. Raises `bad_request` for a dot command with an open quote."""
    stripped = buffer.strip()
    if stripped.startswith((".", "\\")):
        return _dot_command(stripped)
    word = stripped.rstrip("; \t").lower()
    if word in _PLAIN_WORDS:
        return DotCommand(_PLAIN_WORDS[word])
    if is_blank(stripped):
        return NeedMore() if ends_in_comment(stripped) else Blank()
    if stripped.endswith(_GO) and not ends_in_quotes_or_comment(stripped):
        return Run(stripped[:-2].rstrip(), is_vertical=stripped.endswith("G"))
    return Run(stripped) if sqlite3.complete_statement(buffer) else NeedMore()


def read_whole(buffer: str) -> Reading:
    """Return the meaning of `buffer` if no more comes: SQL that is not complete is run, for SQLite to judge."""
    found = read(buffer)
    return Run(buffer.strip()) if isinstance(found, NeedMore) and not is_blank(buffer) else found


def _dot_command(line: str) -> DotCommand:
    name, _, rest = _until_space(line[1:])
    name = name.rstrip(";").lower() if line[0] == "." else name.rstrip(";")
    if name not in _TAKES_TEXT:
        return DotCommand(name, _arguments(rest, line))
    words_before = _TAKES_TEXT[name]
    arguments = rest.split(maxsplit=words_before) if words_before else [rest.strip()]
    return DotCommand(name, tuple(filter(None, arguments)))


def _until_space(text: str) -> tuple[str, str, str]:
    found = re.search(r"\s", text)
    return (text[: found.start()], " ", text[found.end() :]) if found else (text, "", "")


def _arguments(rest: str, line: str) -> tuple[str, ...]:
    lexer = shlex.shlex(rest, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""  # paths of Windows
    try:
        arguments = tuple(lexer)
    except ValueError:
        raise SldbError("bad_request", f"{line}: a quote is open", "close it, or leave it out") from None
    return (*arguments[:-1], arguments[-1].rstrip(";")) if arguments else ()
