"""What a buffer of typed text means: the shell's brain, pure and without a terminal.

    read("")                  → Blank()                     nothing to do
    read("select 1")          → NeedMore()                  a statement is under way
    read("select 1; ")        → Run("select 1;")            complete: one transaction, however many statements
    read(".schema users")     → DotCommand("schema", ("users",))
    read(r"\\d users")         → DotCommand("d", ("users",))
    read(".explain select 'a'") → DotCommand("explain", ("select 'a'",))    SQL stays as it is

Whether a statement is complete is SQLite's own tokenizer's decision (sqlite3.complete_statement): a semicolon in a
string, a comment or the body of a trigger ends nothing.
"""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from lambda_handlers.wire import SldbError


@dataclass(frozen=True, slots=True)
class Run:
    sql: str


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

_PLAIN_WORDS = {"exit", "quit", "help"}
_TAKES_SQL = {"explain": 0, "eqp": 0, "save": 1, "ns": 1}  # dot commands that end in SQL, after so many words
# What may hold a semicolon that ends nothing; an unfinished one reaches to the end of the text.
_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<quoted> '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) | \[[^\]]*(?:\]|\Z) )
  | (?P<end> ; )
  | (?P<word> \w+ )
  | .
    """,
    re.VERBOSE | re.DOTALL,
)


def read(buffer: str) -> Reading:
    """What to do with `buffer`; raises `bad_request` for a dot command with an open quote."""
    stripped = buffer.strip()
    if stripped.startswith((".", "\\")):
        return _dot_command(stripped)
    if stripped.lower() in _PLAIN_WORDS:
        return DotCommand(stripped.lower())
    if is_blank(stripped):
        return Blank() if not _inside_comment(stripped) else NeedMore()
    return Run(stripped) if sqlite3.complete_statement(buffer) else NeedMore()


def is_blank(text: str) -> bool:
    """Whether `text` holds nothing but space, comments and semicolons."""
    return all(match.lastgroup in ("space", "end") for match in _TOKEN.finditer(text))


def split(text: str) -> Iterator[str]:
    """The statements of `text`, one by one; together they are `text` again, space and comments included."""
    start = 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "end" and sqlite3.complete_statement(text[start : match.end()]):
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def words(statement: str) -> Iterator[str]:
    """The bare words of a statement in upper case, outside of strings, quoted names and comments."""
    for match in _TOKEN.finditer(statement):
        if match.lastgroup == "word":
            yield match.group().upper()


def code(sql: str) -> str:
    """`sql` without its strings, quoted names and comments."""
    return "".join(match.group() if match.lastgroup != "quoted" else " " for match in _uncommented(sql))


def names(sql: str) -> Iterator[str]:
    """Whatever may be a name in `sql`: its bare words, and what is quoted, without the quotes."""
    for match in _uncommented(sql):
        if match.lastgroup == "word":
            yield match.group()
        elif match.lastgroup == "quoted":
            quote = match.group()[0]
            yield match.group()[1:-1].replace(quote * 2, quote)


def _uncommented(sql: str) -> Iterator[re.Match[str]]:
    return (match for match in _TOKEN.finditer(sql) if not match.group().startswith(("--", "/*")))


def changes_schema(sql: str) -> bool:
    """Whether a statement of `sql` may change what tables and columns there are."""
    return any(next(words(statement), "") in ("CREATE", "DROP", "ALTER", "ROLLBACK") for statement in split(sql))


def is_open(text: str) -> bool:
    """Whether `text` ends inside a string, a quoted name or a comment."""
    last = ""
    for match in _TOKEN.finditer(text):
        last = match.group()
    if last.startswith("--"):
        return True
    end = {"'": "'", '"': '"', "`": "`", "[": "]"}.get(last[:1])
    return _inside_comment(text) if end is None else len(last) < 2 or not last.endswith(end)


def _inside_comment(text: str) -> bool:
    last = None
    for match in _TOKEN.finditer(text):
        last = match.group()
    return last is not None and last.startswith("/*") and not (last.endswith("*/") and len(last) >= 4)


def _dot_command(line: str) -> DotCommand:
    name, _, rest = _until_space(line[1:])
    name = name.rstrip(";").lower() if line[0] == "." else name.rstrip(";")
    if name not in _TAKES_SQL:
        return DotCommand(name, _arguments(rest, line))
    words_before = _TAKES_SQL[name]
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
