"""The text of SQL: statements, words and names, distinguished without running anything.

The end of a statement is found by SQLite's own tokenizer (sqlite3.complete_statement): a semicolon in a string, a
comment or the body of a trigger ends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lambda_handlers.shared.patterns import pattern

# The tokens that may hold a semicolon that ends nothing; an unfinished one reaches to the end of the text.
_TOKEN = pattern(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<quoted> '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) | \[[^\]]*(?:\]|\Z) )
  | (?P<end> ; )
  | (?P<word> \w+ )
  | .
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSING_QUOTES = {"'": "'", '"': '"', "`": "`", "[": "]"}


def split_statements(text: str) -> Iterator[str]:
    """Yield the statements of `text` one by one; together they are `text` again, space and comments included."""
    start = 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "end" and _is_complete(text[start : match.end()]):
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def _is_complete(text: str) -> bool:
    import sqlite3  # most statements stand alone, without a semicolon

    return sqlite3.complete_statement(text)


def list_statements(text: str) -> list[str]:
    """Return the statements of `text` that are not blank, without the space around them."""
    return [statement.strip() for statement in split_statements(text) if not is_blank(statement)]


def is_blank(text: str) -> bool:
    """Return True if `text` holds nothing but space, comments and semicolons."""
    return all(match.lastgroup in ("space", "end") for match in _TOKEN.finditer(text))


def bare_words(statement: str) -> Iterator[str]:
    """Yield the words outside of strings, quoted names and comments, in upper case."""
    for match in _TOKEN.finditer(statement):
        if match.lastgroup == "word":
            yield match.group().upper()


def tokens(sql: str) -> Iterator[re.Match[str]]:
    """Yield the tokens of `sql`; the `lastgroup` of each is its kind: space (comments too), quoted, end, word, or None
    for a character of punctuation."""
    return _TOKEN.finditer(sql)


def unquoted(name: str) -> str:
    """Return a name without its quotes, if it has some."""
    closing = _CLOSING_QUOTES.get(name[:1])
    if closing is None or len(name) < 2:
        return name
    return name[1:-1] if closing == "]" else name[1:-1].replace(closing * 2, closing)


def possible_names(sql: str) -> Iterator[str]:
    """Yield everything that may be a name in `sql`: bare words, and quoted text without its quotes."""
    for match in _without_comments(sql):
        if match.lastgroup == "word":
            yield match.group()
        elif match.lastgroup == "quoted":
            quote = match.group()[0]
            yield match.group()[1:-1].replace(quote * 2, quote)


def strip_quoted(sql: str) -> str:
    """Return `sql` without its strings, quoted names and comments."""
    return "".join(match.group() if match.lastgroup != "quoted" else " " for match in _without_comments(sql))


def may_change_schema(sql: str) -> bool:
    """Return True if a statement of `sql` may change the tables and columns of the database."""
    first_words = (next(bare_words(statement), "") for statement in split_statements(sql))
    return any(word in ("CREATE", "DROP", "ALTER", "ROLLBACK") for word in first_words)


def may_write(sql: str) -> bool:
    """Return False if the words of `sql` show that it only reads."""
    return any(_may_write(statement) for statement in split_statements(sql) if not is_blank(statement))


def _may_write(statement: str) -> bool:
    words = bare_words(statement)
    first = next(words, "")
    if first == "WITH":
        return any(word in ("INSERT", "UPDATE", "DELETE", "REPLACE") for word in words)
    return first not in ("SELECT", "VALUES", "EXPLAIN")


def ends_in_comment(text: str) -> bool:
    """Return True if `text` ends inside a comment of the form /* … */."""
    last = _last_token(text)
    return last.startswith("/*") and not (last.endswith("*/") and len(last) >= 4)


def ends_in_quotes_or_comment(text: str) -> bool:
    """Return True if `text` ends inside a string, a quoted name or a comment of either form."""
    return bool(open_quote(text)) or _last_token(text).startswith("--") or ends_in_comment(text)


def open_quote(text: str) -> str:
    """Return the end of `text` that begins with an opened quote; empty if there is none."""
    last = _last_token(text)
    closing = _CLOSING_QUOTES.get(last[:1])
    if closing is None:
        return ""
    inside = last[1:] if closing == "]" else last[1:].replace(closing * 2, "")
    return "" if inside.endswith(closing) else last


def _without_comments(sql: str) -> Iterator[re.Match[str]]:
    return (match for match in _TOKEN.finditer(sql) if not match.group().startswith(("--", "/*")))


def _last_token(text: str) -> str:
    last = ""
    for match in _TOKEN.finditer(text):
        last = match.group()
    return last
