"""The use of sldb's own functions in a schema, found in its text.

SQLite itself refuses an unknown function in an index, a CHECK or a generated column, and accepts it in a view, a
trigger or a DEFAULT. So the text is looked at: a name before a parenthesis is a call, except where SQL has a list of
columns. Aggregates of newer versions of SQLite may stand in a view.
A quoted name is not found here; SQLite refuses such an object when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import apsw

from lambda_handlers.shared.function_names import AGGREGATES, NAMES, REGEXP
from lambda_handlers.wire import SldbError

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|\s+                                        # skipped
    | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]           # values and quoted names
    | \w+ | .""",
    re.VERBOSE | re.DOTALL,
)
# Before a name with a list of columns, which is no call.
_NAMES_A_TABLE = frozenset(("TABLE", "EXISTS", "INTO", "VIEW", "REFERENCES", "WITH", "RECURSIVE", ".", "ON"))
_IN_NO_SCHEMA = NAMES - set(AGGREGATES)
_NO_OPERANDS = frozenset(
    """
    ADD ALL AND AS BETWEEN BY CASE COLUMN DISTINCT ELSE EXISTS FROM HAVING IN INDEX INTO JOIN LIKE OF ON OR REFERENCES
    RENAME RETURNING SELECT SET TABLE THEN TO TRIGGER UPDATE VIEW WHEN WHERE
    """.split()  # noqa: SIM905 - reads better
)
_UUID = (
    "a DEFAULT in pure SQL: lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || "
    "substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || "
    "substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"
)
_HINT = "compute the value in the statement that writes or reads it"


def is_ours(name: str) -> bool:
    return name in NAMES


def hint(name: str) -> str:
    return _UUID if name in ("uuid", "uuid4", "uuid7") else _HINT


def check(sql: str) -> None:
    """Raise `forbidden` if a statement puts one of the functions into the schema. A temporary object may use them."""
    tokens = list(_tokens(sql))
    words = [token.upper() for token in tokens[:3]]
    kind = words[1:2]
    if words[:1] == ["CREATE"] and (kind in (["TEMP"], ["TEMPORARY"], ["VIRTUAL"]) or _is_from_select(tokens)):
        return
    for name in calls(tokens):
        message = f"{name}() cannot be part of the schema: plain SQLite, which lacks it, could not use the file"
        raise SldbError("forbidden", message, hint(name), reason="function_in_schema", applied="no")


def uses(connection: apsw.Connection, name: str) -> bool:
    """Return True if a table or an index of the database uses a function of this name."""
    found = connection.execute(
        "SELECT sql FROM main.sqlite_schema WHERE type IN ('table', 'index') AND instr(lower(sql), ?)", (name,)
    )
    return any(name in calls(list(_tokens(str(sql)))) for (sql,) in found.fetchall())


def calls(tokens: list[str]) -> Iterator[str]:
    """Yield the names of the functions that a statement calls."""
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        name = token.lower()
        if name not in _IN_NO_SCHEMA:
            continue
        is_call = after == "(" and (before.upper() not in _NAMES_A_TABLE or (before.upper() == "ON" and name == REGEXP))
        is_operator = name == REGEXP and after not in ("", "(", ")", ",", ";", ".") and _ends_expression(before)
        if is_call or is_operator:
            yield name


def _ends_expression(token: str) -> bool:
    return token[-1:] in (")", "]", "'", '"', "`", "_") or (token[-1:].isalnum() and token.upper() not in _NO_OPERANDS)


def _is_from_select(tokens: list[str]) -> bool:
    """Return True for CREATE TABLE … AS SELECT, which keeps the values and not the functions."""
    words = [token.upper() for token in tokens]
    begins = words.index("(") if "(" in words else len(words)
    return words[1:2] == ["TABLE"] and "AS" in words[:begins]


def _tokens(sql: str) -> Iterator[str]:
    for match in _TOKEN.finditer(sql):
        token = match[0]
        if not token.isspace() and not token.startswith(("--", "/*")):
            yield token
