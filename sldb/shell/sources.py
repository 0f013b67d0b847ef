"""The tables that a statement names, and the names by which it calls them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sldb.shell.catalog import Names
from sldb.shell.keywords import keywords
from sldb.sql_text import unquoted

_BARE_NAME = re.compile(r"[^\W\d]\w*")
_TABLE_NAMED = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|,)\s*(\w+|\"[^\"]+\")(?:\s+(?:AS\s+)?(?!(?:WHERE|ON|SET|JOIN|LEFT|INNER|ORDER|GROUP"
    r"|USING|VALUES|LIMIT|CROSS|NATURAL|FULL|RIGHT|HAVING|UNION|DEFAULT|SELECT|AS)\b)(\w+))?",
    re.IGNORECASE,
)
_INDEX_NAMED = re.compile(r"\bON\s+(\w+|\"[^\"]+\")\s*\(", re.IGNORECASE)


def quote(name: str) -> str:
    """Return the name as SQL, quoted if necessary."""
    if _BARE_NAME.fullmatch(name) and name.upper() not in keywords():
        return name
    return '"' + name.replace('"', '""') + '"'


def tables_of(text: str, names: Names) -> dict[str, str]:
    """Return table names and aliases (lower case) in `text` → the table."""
    known = {table.lower(): table for table in names.columns}
    found = {}
    for match in (*_TABLE_NAMED.finditer(text), *_INDEX_NAMED.finditer(text)):
        table = known.get(unquoted(match[1]).lower())
        if table:
            found[table.lower()] = table
            if match.re is _TABLE_NAMED and match[2]:
                found[match[2].lower()] = table
    return found


def sources(text: str, names: Names) -> Iterator[tuple[str, str]]:
    """Yield the tables of a FROM clause in their order, each with the name for its columns: its alias, or its own."""
    known = {table.lower(): table for table in names.columns}
    for match in _TABLE_NAMED.finditer(text):
        table = known.get(unquoted(match[1]).lower())
        if table:
            yield match[2] or quote(table), table
